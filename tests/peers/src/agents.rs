//! Whole agents that scrape, relabel and write on: what a user would pay instead.
//!
//! An agent scrapes on its own clock. A round starts one, lets it become steady, and takes its CPU time from the begin of
//! one scrape to the begin of another.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tagalong_kong::CaptureKong;
use tokio::time::Instant;

use crate::compare::compare;
use crate::machine::{self, Machine};
use crate::process::{Process, pin_self, pinned};
use crate::programs::{PROMETHEUS, Program, VMAGENT};
use crate::record::{AgentOutcome, Agents, Judgement, ROUNDS};
use crate::say;
use crate::sink::Sink;
use crate::work::Work;

/// Kong's own way: its package with the scraper and the enricher.
const KONG_OPERATOR: &str = "github.com/kong/kong-operator/v2@v2.2.3";

/// One agent, set up in one way.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Its name in the record.
    pub name: &'static str,
    /// What a reader is told.
    pub title: &'static str,
    program: Program,
    rules: bool,
    stream: bool,
}

/// All of them, in the order of the tables.
pub const AGENTS: [Agent; 5] = [
    Agent {
        name: "vmagent",
        title: "vmagent, with the rules",
        program: VMAGENT,
        rules: true,
        stream: false,
    },
    Agent {
        name: "vmagent-stream",
        title: "vmagent, with the rules, `stream_parse`",
        program: VMAGENT,
        rules: true,
        stream: true,
    },
    Agent {
        name: "vmagent-bare",
        title: "vmagent, no rules",
        program: VMAGENT,
        rules: false,
        stream: false,
    },
    Agent {
        name: "prometheus",
        title: "Prometheus agent, with the rules",
        program: PROMETHEUS,
        rules: true,
        stream: false,
    },
    Agent {
        name: "prometheus-bare",
        title: "Prometheus agent, no rules",
        program: PROMETHEUS,
        rules: false,
        stream: false,
    },
];

/// How a capture is scraped.
struct Pace {
    /// Seconds between two scrapes.
    interval: u64,
    /// Scrapes before those that count.
    before: usize,
    /// Scrapes that count.
    counted: usize,
    rounds: usize,
}

fn pace(capture: &str) -> Pace {
    let (interval, before, counted, rounds) = match capture {
        "medium" => (1, 2, 2, ROUNDS),
        _ => (8, 1, 1, 3),
    };
    Pace {
        interval,
        before,
        counted,
        rounds,
    }
}

/// How long an agent may take to begin a scrape.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Seconds between two scrapes where an agent's writes are judged: all of one must have come before the next.
const JUDGED: u64 = 30;

/// Runs it.
///
/// # Errors
/// A program cannot be built, or an agent ends or does not scrape.
pub fn run() -> io::Result<Agents> {
    VMAGENT.build()?;
    PROMETHEUS.build()?;
    let kong_operator = machine::go_module(KONG_OPERATOR).err();
    pin_self()?;
    let sink = Sink::start()?;
    let mut record = Agents {
        machine: Machine::now(),
        works: Vec::new(),
        versions: BTreeMap::from([
            (
                "vmagent".to_owned(),
                VMAGENT.version("github.com/VictoriaMetrics/VictoriaMetrics"),
            ),
            (
                "prometheus".to_owned(),
                PROMETHEUS.version("github.com/prometheus/prometheus"),
            ),
        ]),
        outcomes: Vec::new(),
        kong_operator,
    };
    for capture in ["medium", "large"] {
        let work = Work::new(capture)?;
        record.works.push(work.facts());
        // What rules cost is told by one capture.
        let agents = AGENTS
            .iter()
            .filter(|agent| agent.rules || capture == "medium");
        let mut outcomes = Vec::new();
        for agent in agents {
            say!("agents, {capture}, judging {}", agent.name);
            let judgement = match agent.rules {
                true => Some(judge(*agent, &work, &sink)?),
                false => None,
            };
            outcomes.push((*agent, outcome(*agent, capture, judgement)));
        }
        for round in 0..pace(capture).rounds {
            for (agent, outcome) in &mut outcomes {
                say!("agents, {capture}, round {}, {}", round + 1, agent.name);
                take(*agent, &work, &sink, outcome)?;
            }
        }
        let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
        record.outcomes.extend(outcomes);
    }
    record.machine = record.machine.ended();
    Ok(record)
}

/// Judges again those of a record whose writes were not as they should be, for what came too late was not seen.
///
/// # Errors
/// As [`run`].
pub fn judge_again(mut record: Agents) -> io::Result<Agents> {
    pin_self()?;
    let sink = Sink::start()?;
    for capture in ["medium", "large"] {
        let work = Work::new(capture)?;
        for outcome in &mut record.outcomes {
            let wrong = outcome
                .judgement
                .as_ref()
                .is_some_and(|judgement| !judgement.equal());
            let agent = AGENTS.iter().find(|agent| agent.name == outcome.agent);
            if let Some(agent) = agent.filter(|_| wrong && outcome.capture == capture) {
                say!("agents, {capture}, judging {} again", agent.name);
                outcome.judgement = Some(judge(*agent, &work, &sink)?);
            }
        }
    }
    Ok(record)
}

fn outcome(agent: Agent, capture: &str, judgement: Option<Judgement>) -> AgentOutcome {
    AgentOutcome {
        agent: agent.name.to_owned(),
        capture: capture.to_owned(),
        judgement,
        cpu_seconds: Vec::new(),
        peak_bytes: Vec::new(),
    }
}

fn kong(work: &Work) -> io::Result<CaptureKong> {
    let kong = CaptureKong::builder().body(work.input.clone()).start_now();
    kong.map_err(io::Error::other)
}

/// What the agent writes of one scrape, against what it should.
fn judge(agent: Agent, work: &Work, sink: &Sink) -> io::Result<Judgement> {
    let (kong, home) = (kong(work)?, tempfile::tempdir()?);
    sink.keep();
    let mut process = start(agent, work, &kong, sink, home.path(), JUDGED)?;
    wait(&mut process, &kong, 1)?;
    std::thread::sleep(Duration::from_secs(JUDGED - 1));
    let found = sink.kept()?;
    Ok(Judgement::Compared(compare(&work.expected, &found)))
}

fn take(agent: Agent, work: &Work, sink: &Sink, outcome: &mut AgentOutcome) -> io::Result<()> {
    let pace = pace(work.name);
    let (kong, home) = (kong(work)?, tempfile::tempdir()?);
    let mut process = start(agent, work, &kong, sink, home.path(), pace.interval)?;
    wait(&mut process, &kong, pace.before + 1)?;
    let began = process.cpu_seconds()?;
    wait(&mut process, &kong, pace.before + pace.counted + 1)?;
    let used = process.cpu_seconds()? - began;
    outcome.cpu_seconds.push(used / pace.counted as f64);
    outcome.peak_bytes.push(process.peak_bytes()?);
    Ok(())
}

/// Until so many scrapes have begun.
fn wait(process: &mut Process, kong: &CaptureKong, scrapes: usize) -> io::Result<()> {
    let began = Instant::now();
    while kong.scrapes() < scrapes {
        process.check()?;
        if began.elapsed() > TIMEOUT {
            return Err(io::Error::other("an agent does not scrape"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn start(
    agent: Agent,
    work: &Work,
    kong: &CaptureKong,
    sink: &Sink,
    home: &Path,
    interval: u64,
) -> io::Result<Process> {
    let write = format!("http://{}/api/v1/write", sink.address);
    let mut config = format!(
        "global:\n  scrape_interval: {interval}s\n  scrape_timeout: {interval}s\nscrape_configs:\n- job_name: kong\n  honor_labels: true\n"
    );
    if agent.stream {
        config += "  stream_parse: true\n";
    }
    config += &format!("  static_configs:\n  - targets: ['{}']\n", kong.addr());
    if agent.rules {
        let rules = work.rules()?;
        let indented = rules.lines().map(|line| format!("  {line}\n"));
        config += "  metric_relabel_configs:\n";
        config.extend(indented);
    }
    if agent.program.name == PROMETHEUS.name {
        config += &format!("remote_write:\n- url: {write}\n");
    }
    let file = home.join("config.yaml");
    std::fs::write(&file, config)?;
    let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
    let mut command = pinned(&agent.program.build()?);
    if agent.program.name == PROMETHEUS.name {
        command
            .args([
                "--agent",
                "--web.listen-address=127.0.0.1:0",
                "--log.level=error",
            ])
            .arg(flag("config.file", &file))
            .arg(flag("storage.agent.path", &home.join("data")));
    } else {
        command
            .args(["--httpListenAddr=127.0.0.1:0", "--loggerLevel=ERROR"])
            // As Prometheus writes, and more than its default of 16 MB for one body.
            .args([
                "--remoteWrite.forcePromProto",
                "--promscrape.maxScrapeSize=256MB",
            ])
            .arg(flag("promscrape.config", &file))
            .arg(flag("remoteWrite.tmpDataPath", &home.join("data")))
            .arg(format!("--remoteWrite.url={write}"));
    }
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))
}
