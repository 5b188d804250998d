//! Debian's nginx with Lua as a stand-in for the part of Kong in which the function runs (`tests/lua-kong`).

use crate::root;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tagalong_ports::Reserved;
use tempfile::TempDir;
use tokio::time::Instant;

/// How one is started.
pub(super) struct Settings<'a> {
    pub(super) workers: usize,
    /// Size of the dictionary, as nginx writes it.
    pub(super) dictionary: &'a str,
    /// Texts of the function that are others here, as `("TTL = 3600", "TTL = 2")`.
    pub(super) instead: &'a [(&'a str, &'a str)],
}

pub(super) struct Kong {
    nginx: Child,
    port: Reserved,
    prefix: TempDir,
}

impl Kong {
    pub(super) fn start(settings: &Settings) -> Self {
        let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a file");
        let prefix = tempfile::tempdir().expect("a directory");
        let port = Reserved::new().expect("a port");
        let conf = read("tests/lua-kong/nginx.conf")
            .replace("@WORKERS@", &settings.workers.to_string())
            .replace("@DICTIONARY@", settings.dictionary)
            .replace("@PORT@", &port.port().to_string());
        let mut function = read("operator/lua/per-backend.lua");
        for (text, other) in settings.instead {
            assert!(function.contains(text), "the function has no {text:?}");
            function = function.replace(text, other);
        }
        for (name, text) in [
            ("nginx.conf", conf),
            ("function.lua", function),
            ("kong.lua", read("tests/lua-kong/kong.lua")),
        ] {
            std::fs::write(prefix.path().join(name), text).expect("a file");
        }
        let nginx = Command::new(root().join("tests/lua-kong/run"))
            .arg(prefix.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut kong = Self {
            nginx,
            port,
            prefix,
        };
        kong.wait();
        kong
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_mins(2);
        while TcpStream::connect(self.address()).is_err() {
            let ended = self.nginx.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < until,
                "{ended:?} {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The body of one answer.
    pub(super) fn get(&self, target: &str) -> String {
        self.client().get(target).body
    }

    /// Its samples by name and labels.
    pub(super) fn samples(&self) -> BTreeMap<String, f64> {
        samples(&self.get("/metrics"))
    }

    /// New workers, and the old ones end when they have answered: `kong reload`.
    pub(super) fn reload(&self) {
        self.signal("HUP", self.nginx.id());
    }

    pub(super) fn signal(&self, name: &str, pid: u32) {
        let sent = Command::new("kill")
            .args(["-s", name, &pid.to_string()])
            .status();
        assert!(sent.expect("kill runs").success(), "SIG{name} to {pid}");
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.prefix.path().join("error.log")).unwrap_or_default()
    }

    /// Nothing in the log that a user of Kong would be alarmed by.
    pub(super) fn assert_quiet(&self) {
        let log = self.log();
        let loud = ["[error]", "[crit]", "[alert]", "[emerg]", "[warn]"];
        assert!(!loud.iter().any(|level| log.contains(level)), "{log}");
    }
}

impl Drop for Kong {
    fn drop(&mut self) {
        self.signal("TERM", self.nginx.id());
        let _ = self.nginx.wait();
    }
}

pub(super) struct Answer {
    pub(super) worker: u32,
    pub(super) body: String,
}

/// One connection that is kept.
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("an option");
        Self(BufReader::new(stream))
    }

    pub(super) fn get(&mut self, target: &str) -> Answer {
        self.try_get(target).expect("an answer")
    }

    /// Fails where the connection ends: a worker was killed, or closes what it keeps since it has to go.
    pub(super) fn try_get(&mut self, target: &str) -> std::io::Result<Answer> {
        write!(
            self.0.get_mut(),
            "GET {target} HTTP/1.1\r\nHost: kong\r\n\r\n"
        )?;
        let mut line = String::new();
        let (mut length, mut chunked, mut worker) = (None, false, 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok(),
                "transfer-encoding" => chunked = true,
                "x-worker" => worker = value.parse().expect("a process"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                line.clear();
                self.0.read_line(&mut line)?;
                let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's size");
                let at = body.len();
                body.resize(at + size, 0);
                self.0.read_exact(&mut body[at..])?;
                line.clear();
                self.0.read_line(&mut line)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length.expect("a length"), 0);
            self.0.read_exact(&mut body)?;
        }
        let body = String::from_utf8(body).expect("UTF-8");
        Ok(Answer { worker, body })
    }
}

/// An exposition's samples by the text before their value.
pub(super) fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let before = all.insert(series.to_owned(), value.parse().expect("a number"));
        assert!(before.is_none(), "twice: {series}");
    }
    all
}
