//! The part on whole agents, Kong Operator, and memory.

use std::io;
use std::path::Path;

use super::plot::{self, Bar};
use super::{Records, table, told};
use crate::agents::AGENTS;
use crate::record::{AgentOutcome, Agents, OverHttp};
use crate::stats::Spread;

const MIB: f64 = 1024.0 * 1024.0;

fn peak(outcome: &AgentOutcome) -> Spread {
    Spread::of(outcome.peak_bytes.iter().map(|&bytes| bytes as f64 / MIB))
}

/// Peak memory on `large` in MiB of the leanest peer process that does the work, and of the sidecar.
pub(crate) fn memory_on_large(agents: &Agents, http: &OverHttp) -> Option<(f64, f64)> {
    let served = |name: &str| {
        let mut all = http.judgements.iter();
        all.find(|judged| judged.contender == name && judged.capture == "large")
            .map(|judged| judged.peak_bytes as f64 / MIB)
    };
    let outcomes = agents.outcomes.iter();
    let theirs = outcomes
        .filter(|outcome| outcome.capture == "large" && outcome.judgement.is_some())
        .map(|outcome| peak(outcome).median);
    let leanest = theirs.chain(served("expfmt")).min_by(f64::total_cmp)?;
    Some((leanest, served("tagalong")?))
}

pub(super) fn section(record: &Agents, http: &OverHttp) -> String {
    let mut text = String::from(
        "## Whole agents\n\n\
         vmagent and Prometheus in agent mode scrape the same bodies, relabel them with the same rules, and write them to a sink (remote \
         write 1.0, snappy). This is another job than the sidecar's, which neither stores nor writes: it is what one pays to get the \
         labels there instead. Without rules shows what of it the rules cost. The sink reads what arrives, and it is compared as \
         everything else; both leave out empty labels, and Prometheus writes `le=\"1\"` as `le=\"1.0\"`.\n\n",
    );
    for facts in &record.works {
        let mine = record
            .outcomes
            .iter()
            .filter(|outcome| outcome.capture == facts.capture);
        let rows = mine.map(|outcome| {
            let cpu = Spread::of(outcome.cpu_seconds.iter().map(|seconds| seconds * 1e3));
            let title = AGENTS.iter().find(|agent| agent.name == outcome.agent);
            vec![
                title
                    .map_or(outcome.agent.as_str(), |agent| agent.title)
                    .to_owned(),
                outcome
                    .judgement
                    .as_ref()
                    .map_or_else(|| "no rules".to_owned(), told),
                table::spread(cpu),
                table::number(cpu.median * 1e6 / facts.samples as f64),
                table::spread(peak(outcome)),
                outcome.cpu_seconds.len().to_string(),
            ]
        });
        let sidecar = http.cells.iter().find(|cell| {
            cell.contender == "tagalong"
                && cell.capture == facts.capture
                && cell.coding == "identity"
                && cell.scrapers == 1
        });
        let served = http
            .judgements
            .iter()
            .find(|judged| judged.contender == "tagalong" && judged.capture == facts.capture);
        let ours = sidecar.zip(served).map(|(cell, judged)| {
            let rounds = cell.rounds.iter();
            let cpu =
                Spread::of(rounds.map(|round| round.cpu_seconds * 1e3 / round.scrapes as f64));
            vec![
                "tagalong's sidecar, from the part above".to_owned(),
                told(&judged.judgement),
                table::spread(cpu),
                table::number(cpu.median * 1e6 / facts.samples as f64),
                table::number(judged.peak_bytes as f64 / MIB),
                cell.rounds.len().to_string(),
            ]
        });
        let rows: Vec<_> = rows.chain(ours).collect();
        let header = [
            "agent",
            "same samples",
            "CPU ms per scrape",
            "CPU ns per sample",
            "peak MiB (VmHWM)",
            "rounds",
        ];
        text += &format!(
            "### `{}`\n\n{}\n",
            facts.capture,
            table::markdown(&header, &rows)
        );
    }
    text += "![Peak memory on large](benchmarks/memory.svg)\n\n";
    if let Some((theirs, ours)) = memory_on_large(record, http) {
        let ratio = ours / theirs;
        let kept = if ratio <= 0.1 { "kept" } else { "**missed**" };
        text += &format!(
            "- Peak memory of the sidecar on `large`: {} of the leanest peer process's ({} MiB of {} MiB); the aim of at most 0.1 is {kept}.\n\n",
            table::number(ratio),
            table::number(ours),
            table::number(theirs),
        );
    }
    text + &kong_operator(record)
}

fn kong_operator(record: &Agents) -> String {
    let state = match &record.kong_operator {
        Some(error) => format!(
            "Not measured: this run could not get its packages as a Go module. The client's words: `{error}`. Its scraper decodes each \
             body with `expfmt` (`controller/cpextensions/metricsscraper`), for which the `expfmt` rows stand in part; no \
             claim is made here on its CPU, its memory or what it loses."
        ),
        None => "Its packages can be had as a Go module where this was run, but no program here drives them yet.".to_owned(),
    };
    format!("### Kong Operator 2.2's own scraper\n\n{state}\n")
}

pub(super) fn plot(records: &Records, path: &Path) -> io::Result<()> {
    let served = records
        .over_http
        .judgements
        .iter()
        .filter(|judged| judged.capture == "large");
    let mut bars: Vec<_> = served
        .map(|judged| Bar {
            label: judged.contender.clone(),
            value: judged.peak_bytes as f64 / MIB,
            ours: judged.contender == "tagalong",
        })
        .collect();
    let agents = records
        .agents
        .outcomes
        .iter()
        .filter(|outcome| outcome.capture == "large");
    bars.extend(agents.map(|outcome| Bar {
        label: outcome.agent.clone(),
        value: peak(outcome).median,
        ours: false,
    }));
    plot::bars(path, "large: peak resident MiB (log scale)", &bars)
}
