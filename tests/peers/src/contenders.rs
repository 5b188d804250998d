//! The contenders that are measured in process.

use std::io;
use std::path::PathBuf;

use crate::programs::{EXPFMT, Program, TEXTPARSE, VICTORIAMETRICS};

/// One way to do the work in process.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// Its name in the record, and the flag that its program is told.
    pub name: &'static str,
    /// What a reader is told.
    pub title: &'static str,
    program: Option<Program>,
}

/// The name of the contender that does no work.
pub const COPY: &str = "copy";
/// The name of our own.
pub const OURS: &str = "tagalong";
/// The name of Go's usual way.
pub const EXPFMT_NAME: &str = "expfmt";

/// The name of the one that no product offers: a peer's parser with a table of ours.
pub const OF_OUR_MAKING: &str = "victoriametrics-table";

/// All of them, in the order of the tables.
pub const CONTENDERS: [Contender; 7] = [
    Contender {
        name: COPY,
        title: "byte copy of the finished text",
        program: None,
    },
    Contender {
        name: OURS,
        title: "tagalong",
        program: None,
    },
    Contender {
        name: OF_OUR_MAKING,
        title: "VictoriaMetrics' parser, table",
        program: Some(VICTORIAMETRICS),
    },
    Contender {
        name: "victoriametrics",
        title: "VictoriaMetrics' parser, `promrelabel`",
        program: Some(VICTORIAMETRICS),
    },
    Contender {
        name: "textparse",
        title: "Prometheus `textparse`, `labels.Builder`",
        program: Some(TEXTPARSE),
    },
    Contender {
        name: EXPFMT_NAME,
        title: "Go `expfmt`: decode, label, encode",
        program: Some(EXPFMT),
    },
    Contender {
        name: "prometheus-parse",
        title: "crate `prometheus-parse`",
        program: None,
    },
];

impl Contender {
    /// Its program, built if need be, and the arguments before all others.
    ///
    /// # Errors
    /// The build fails.
    pub fn program(&self) -> io::Result<(PathBuf, Vec<String>)> {
        let flags = ["--contender".to_owned(), self.name.to_owned()];
        match self.program {
            Some(program) => Ok((program.build()?, flags.to_vec())),
            None => {
                let ourselves = std::env::current_exe()?;
                Ok((
                    ourselves,
                    [vec!["contend".to_owned()], flags.to_vec()].concat(),
                ))
            }
        }
    }
}

/// What a reader is told of a contender of this name.
#[must_use]
pub fn title(name: &str) -> &str {
    let mut all = CONTENDERS.iter();
    all.find(|contender| contender.name == name)
        .map_or(name, |contender| contender.title)
}
