//! The raw results, as stored in `docs/benchmarks/`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::compare::Comparison;
use crate::machine::Machine;
use crate::programs::HERE;
use crate::work::Facts;

/// How often each contender was measured, unless a record says otherwise.
pub const ROUNDS: usize = 10;

/// Whether a contender's output is the expected one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It gave an output, compared with the expected.
    Compared(Comparison),
    /// It gave none, and why.
    Refused(String),
}

impl Judgement {
    /// Whether it did the work that the others did.
    #[must_use]
    pub fn equal(&self) -> bool {
        matches!(self, Self::Compared(comparison) if comparison.equal())
    }
}

/// The results in process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InProcess {
    /// On what.
    pub machine: Machine,
    /// The captures.
    pub works: Vec<Facts>,
    /// Runtime and libraries of each contender.
    pub versions: BTreeMap<String, Vec<String>>,
    /// Contender by contender, capture by capture.
    pub outcomes: Vec<InProcessOutcome>,
}

/// One contender on one capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InProcessOutcome {
    /// Who.
    pub contender: String,
    /// On what.
    pub capture: String,
    /// Whether the output is right.
    pub judgement: Judgement,
    /// CPU seconds for the whole capture once, per round.
    pub cpu_seconds: Vec<f64>,
    /// Wall seconds for the same, per round.
    pub wall_seconds: Vec<f64>,
}

/// The results over HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OverHttp {
    /// On what.
    pub machine: Machine,
    /// The captures.
    pub works: Vec<Facts>,
    /// Whether each contender's body is right, by capture.
    pub judgements: Vec<Judged>,
    /// Everything that was timed.
    pub cells: Vec<Cell>,
}

/// Whether a contender's body is right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// Who.
    pub contender: String,
    /// On what.
    pub capture: String,
    /// The judgement.
    pub judgement: Judgement,
    /// Bytes of the identity body.
    pub body_bytes: usize,
    /// Peak resident bytes of the process after everything that was done with this capture.
    pub peak_bytes: u64,
}

/// One contender, one capture, one coding, one number of scrapers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Who.
    pub contender: String,
    /// On what.
    pub capture: String,
    /// `identity` or `gzip`.
    pub coding: String,
    /// Scrapers at once.
    pub scrapers: usize,
    /// Round by round.
    pub rounds: Vec<Round>,
}

/// One round of a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Scrapes done.
    pub scrapes: usize,
    /// From the first scrape's begin to the last one's end.
    pub wall_seconds: f64,
    /// CPU that the contender's process used meanwhile.
    pub cpu_seconds: f64,
    /// Bytes that came over the wire.
    pub wire_bytes: usize,
    /// Seconds to the first byte of a body: median and 99th percentile of the scrapes.
    pub first_byte: [f64; 2],
    /// Seconds to the last byte: median and 99th percentile of the scrapes.
    pub whole: [f64; 2],
}

/// The results of whole agents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agents {
    /// On what.
    pub machine: Machine,
    /// The captures.
    pub works: Vec<Facts>,
    /// Versions of the programs.
    pub versions: BTreeMap<String, String>,
    /// Program by program, capture by capture.
    pub outcomes: Vec<AgentOutcome>,
    /// Why Kong Operator's own code is not among them, or nothing if it can be had.
    pub kong_operator: Option<String>,
}

/// One agent on one capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentOutcome {
    /// Who.
    pub agent: String,
    /// On what.
    pub capture: String,
    /// Whether what it wrote is right; nothing where it was told no rules.
    pub judgement: Option<Judgement>,
    /// CPU seconds per scrape, per round.
    pub cpu_seconds: Vec<f64>,
    /// Peak resident bytes, per round.
    pub peak_bytes: Vec<u64>,
}

/// Where the records and the plots are.
#[must_use]
pub fn directory() -> PathBuf {
    PathBuf::from(HERE).join("../../docs/benchmarks")
}

/// Writes a record.
///
/// # Errors
/// The file cannot be written.
pub fn write(name: &str, record: &impl Serialize) -> io::Result<()> {
    let path = directory().join(name);
    std::fs::create_dir_all(directory())?;
    std::fs::write(path, serde_json::to_string_pretty(record)? + "\n")
}

/// Reads a record.
///
/// # Errors
/// There is none, or it is broken.
pub fn read<T: DeserializeOwned>(name: &str) -> io::Result<T> {
    let path = directory().join(name);
    let text = std::fs::read(&path).map_err(|error| {
        io::Error::other(format!(
            "{}: {error}; make bench-peers takes it",
            path.display()
        ))
    })?;
    Ok(serde_json::from_slice(&text)?)
}
