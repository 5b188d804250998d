//! What the demo prints; in colour on a terminal only.

use std::error::Error;
use std::io::{IsTerminal as _, Write};

use serde_json::Value;

use crate::check::{self, Verdict};
use crate::example::Table;
use crate::pod::Pod;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";

/// Standard output, and whether it takes colours.
pub struct Screen {
    colours: bool,
}

impl Screen {
    pub fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("{colour}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A closed pipe is the reader's choice, not an error.
    fn line(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    pub fn table(&self, table: &Table) {
        self.line(&self.paint(
            BOLD,
            "\ntagalong: two Kong pods, a sidecar each, and the operator; no cluster\n",
        ));
        self.line(
            "What the published example (tests/data/published-example) says about Kong's names:",
        );
        for (kong, service) in &table.services {
            let target = self.paint(
                GREEN,
                &format!("Service {}/{}", service.namespace, service.name),
            );
            self.line(&format!("  {kong}  is  {target}"));
        }
        for (kong, backends) in &table.split {
            let reason = self.paint(
                DIM,
                &format!("split over {}: gets no label", backends.join(" and ")),
            );
            self.line(&format!("  {kong}  is  {reason}"));
        }
        self.line("");
    }

    pub fn pod(&self, pod: &Pod) {
        self.line(&format!(
            "{}  {}",
            self.paint(BOLD, &format!("pod {}", pod.name)),
            self.paint(DIM, pod.capture)
        ));
        self.line(&format!("  Kong's own       {}", pod.kong_url()));
        self.line(&format!(
            "  by its sidecar   {}",
            self.paint(BOLD, &pod.sidecar_url())
        ));
    }

    /// One histogram line and one of a Kong service that the table leaves alone, before and after.
    pub fn samples(&self, before: &[u8], after: &[u8], table: &Table) {
        let (before, after) = (
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(after),
        );
        let shown = [
            "kong_http_requests_total{",
            "kong_upstream_latency_ms_bucket{",
            "kong_upstream_latency_ms_sum{",
        ];
        self.line("");
        for family in shown {
            let wanted = |line: &&str| {
                line.starts_with(family) && check::labelled(table, line.as_bytes()).is_some()
            };
            let Some(index) = before.lines().position(|line| wanted(&line)) else {
                continue;
            };
            let Some((old, new)) = before.lines().nth(index).zip(after.lines().nth(index)) else {
                continue;
            };
            self.line(&format!("  before  {old}"));
            self.line(&format!("  after   {}\n", self.highlight(new, table)));
        }
    }

    fn highlight(&self, line: &str, table: &Table) -> String {
        let mut line = line.to_owned();
        for service in table.services.values() {
            let labels = format!("{}kong_", check::labels(service));
            line = line.replace(&labels, &self.paint(GREEN, &labels));
        }
        line
    }

    pub fn verdict(&self, pod: &Pod, verdict: &Verdict) {
        let Verdict {
            enriched,
            untouched,
            own,
        } = verdict;
        let tick = self.paint(GREEN, "ok");
        self.line(&format!(
            "{tick}  pod {}: {enriched} lines enriched, {untouched} the same byte for byte, {own} of the sidecar's own",
            pod.name
        ));
    }

    /// One line for each operation, its value cut short.
    pub fn patch(&self, operations: &[Value]) {
        self.line(
            "\nHow a sidecar comes into a pod: the webhook's patch for the example's DataPlane",
        );
        for operation in operations {
            let path = operation["path"].as_str().unwrap_or_default();
            let value = operation
                .get("value")
                .map(Value::to_string)
                .unwrap_or_default();
            let short: String = value.chars().take(100).collect();
            let more = if short.len() < value.len() { "…" } else { "" };
            let verb = operation["op"].as_str().unwrap_or_default();
            self.line(&format!(
                "  {verb} {path}  {}",
                self.paint(DIM, &format!("{short}{more}"))
            ));
        }
    }

    pub fn invite(&self, pods: &[Pod]) {
        let Some(pod) = pods.first() else { return };
        self.line("\nLook for yourself, in another terminal:");
        self.line(&format!(
            "  curl -s {} | grep 'service=\"echo\"'",
            pod.sidecar_url()
        ));
        self.line(&format!(
            "  diff <(curl -s {}) <(curl -s {})",
            pod.kong_url(),
            pod.sidecar_url()
        ));
        self.line("Why a name has its labels, or has none:");
        self.line(
            "  target/debug/tagalong-operator explain httproute.default.httproute-testing.0 \\",
        );
        self.line("    --manifests tests/data/published-example");
        self.line(&self.paint(BOLD, "\nCtrl-C ends the demo."));
    }

    pub fn failure(&self, error: &dyn Error) {
        let _ = writeln!(std::io::stderr(), "{}  {error}", self.paint(RED, "failed"));
    }
}
