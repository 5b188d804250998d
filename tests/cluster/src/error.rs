//! What can go wrong, in the words of the person who reads the test's output.

use std::fmt;
use std::path::PathBuf;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every way in which the test bed fails.
#[derive(thiserror::Error)]
pub enum Error {
    /// Go is needed to build a binary and is not there.
    #[error(
        "cannot build {tool}: `go` does not run ({source}); install Go {needed} or newer, \
         or put ready-made binaries into a directory and name it in TAGALONG_BINARIES"
    )]
    NoGo {
        /// The binary that was asked for.
        tool: &'static str,
        /// The oldest Go that will do, from the tool's own go.mod.
        needed: String,
        /// Why `go` did not start.
        source: std::io::Error,
    },
    /// `go build` failed.
    #[error("building {tool} failed; the last lines of `go build` in {module}:\n{tail}")]
    Build {
        /// The binary that was asked for.
        tool: &'static str,
        /// The Go module's directory.
        module: PathBuf,
        /// The end of the compiler's output.
        tail: String,
    },
    /// A program that is part of the system is missing or failed.
    #[error("{what}: {detail}")]
    Command {
        /// What was being done.
        what: String,
        /// What the program said.
        detail: String,
    },
    /// Somebody in the cluster did not answer, or not as was asked.
    #[error("{what}: {detail}")]
    Request {
        /// What was asked.
        what: String,
        /// What came instead.
        detail: String,
    },
    /// A process of the cluster ended although it was needed.
    #[error("{name} ended ({status}); the end of its log:\n{log}")]
    Ended {
        /// Which process.
        name: String,
        /// Its exit status.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A deadline passed.
    #[error("waited {seconds} s in vain for {what}\n{state}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        seconds: u64,
        /// What was seen last, then events and logs.
        state: String,
    },
    /// This machine or user cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The API server refused or could not be asked.
    #[error("API server: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// As [`fmt::Display`]: a test that returns `Err` prints `Debug`, and a log in one line with `\n`
/// in it helps nobody.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// Names the file in an I/O error.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}
