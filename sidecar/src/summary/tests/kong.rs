//! A Kong that counts as Kong does, may lose what it has counted, and knows what it has truly answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tagalong_exposition::{LabelTable, Options, Rewriter};

use crate::summary::ledger::Ledger;

const BOUNDS: [(&str, u64); 14] = [
    ("25", 25),
    ("50", 50),
    ("80", 80),
    ("100", 100),
    ("250", 250),
    ("400", 400),
    ("700", 700),
    ("1000", 1000),
    ("2000", 2000),
    ("5000", 5000),
    ("10000", 10000),
    ("30000", 30000),
    ("60000", 60000),
    ("+Inf", u64::MAX),
];

/// What was truly answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    pub arrivals: u64,
    pub count: u64,
    pub sum: u64,
    pub request_sum: u64,
}

/// Cells of Kong's shared memory by their keys; a key that is not there was never counted, or was lost.
pub type Cells = BTreeMap<String, u64>;

pub struct Kong {
    node: String,
    nginx: u64,
    series: BTreeMap<(String, String), Cells>,
    owners: BTreeMap<String, String>,
    truths: BTreeMap<String, Truth>,
}

impl Kong {
    pub fn new() -> Self {
        Self {
            node: "node".into(),
            nginx: 0,
            series: BTreeMap::new(),
            owners: BTreeMap::new(),
            truths: BTreeMap::new(),
        }
    }

    pub fn node(&mut self, node: &str) {
        node.clone_into(&mut self.node);
    }

    /// The Kubernetes Service that a Kong service stands for from now on, in the table and in truth.
    pub fn owns(&mut self, kong: &str, service: Option<&str>) {
        match service {
            Some(service) => drop(self.owners.insert(kong.into(), service.into())),
            None => drop(self.owners.remove(kong)),
        }
    }

    /// So many requests have ended, after so long at the backend if they got there.
    pub fn answer(&mut self, kong: &str, route: &str, times: u64, waited: Option<u64>) {
        self.nginx += times;
        if let Some(service) = self.owners.get(kong) {
            let truth = self.truths.entry(service.clone()).or_default();
            truth.arrivals += times;
            truth.request_sum += times * (waited.unwrap_or(0) + 2);
            if let Some(waited) = waited {
                truth.count += times;
                truth.sum += times * waited;
            }
        }
        self.count(kong, route, times, waited);
    }

    /// Kong shows requests that Nginx does not count any more.
    pub fn answer_unseen_by_nginx(&mut self, kong: &str, route: &str, times: u64) {
        self.count(kong, route, times, Some(10));
    }

    fn count(&mut self, kong: &str, route: &str, times: u64, waited: Option<u64>) {
        let cells = self.series.entry((kong.into(), route.into())).or_default();
        let mut add = |key: &str, by: u64| *cells.entry(key.into()).or_default() += by;
        add("request_latency_ms_count", times);
        add("request_latency_ms_sum", times * (waited.unwrap_or(0) + 2));
        if let Some(waited) = waited {
            add("upstream_latency_ms_count", times);
            add("upstream_latency_ms_sum", times * waited);
            for (bound, most) in BOUNDS {
                if waited <= most {
                    add(&format!("upstream_latency_ms_bucket {bound}"), times);
                    add(&format!("request_latency_ms_bucket {bound}"), times);
                }
            }
        }
    }

    /// Requests that Nginx sees and Kong counts under no name.
    pub fn probe(&mut self, times: u64) {
        self.nginx += times;
    }

    /// The memory is full, and a number is thrown out.
    pub fn lose(&mut self, kong: &str, route: &str, key: &str) {
        if let Some(cells) = self.series.get_mut(&(kong.into(), route.into())) {
            cells.remove(key);
        }
    }

    pub fn lose_all(&mut self, kong: &str, route: &str) {
        self.series.remove(&(kong.into(), route.into()));
    }

    pub fn cells(&self, kong: &str, route: &str) -> Cells {
        self.series[&(kong.into(), route.into())].clone()
    }

    pub fn set_cells(&mut self, kong: &str, route: &str, cells: Cells) {
        self.series.insert((kong.into(), route.into()), cells);
    }

    pub fn keys(&self) -> Vec<(String, String)> {
        self.series.keys().cloned().collect()
    }

    pub fn restart(&mut self, new_node: bool) {
        self.series.clear();
        self.nginx = 0;
        if new_node {
            self.node.push('x');
        }
    }

    pub fn truth(&self, service: &str) -> Truth {
        self.truths.get(service).cloned().unwrap_or_default()
    }

    pub fn forget_truth(&mut self) {
        self.truths.clear();
    }

    /// Kong's `/metrics`, which Nginx counts, too.
    pub fn print(&self) -> String {
        let node = &self.node;
        let mut lines = Vec::new();
        let requests = self.nginx + 1;
        lines.push(format!(
            "kong_nginx_requests_total{{node_id=\"{node}\",subsystem=\"http\"}} {requests}"
        ));
        lines.push(format!(
            "kong_nginx_connections_total{{node_id=\"{node}\",subsystem=\"http\",state=\"writing\"}} 1"
        ));
        for name in ["request_latency_ms", "upstream_latency_ms"] {
            lines.push(format!("# HELP kong_{name} what it is"));
            lines.push(format!("# TYPE kong_{name} histogram"));
            for (kind, le) in [("bucket", true), ("count", false), ("sum", false)] {
                for ((kong, route), cells) in &self.series {
                    let labels =
                        format!("service=\"{kong}\",route=\"{route}\",workspace=\"default\"");
                    let key = format!("{name}_{kind}");
                    if !le {
                        if let Some(value) = cells.get(&key) {
                            lines.push(format!("kong_{key}{{{labels}}} {value}"));
                        }
                        continue;
                    }
                    for (bound, _) in BOUNDS {
                        if let Some(value) = cells.get(&format!("{key} {bound}")) {
                            lines.push(format!("kong_{key}{{{labels},le=\"{bound}\"}} {value}"));
                        }
                    }
                }
            }
        }
        lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// Shows a body to a ledger as a flight does, in chunks.
    pub fn show(&self, text: &str, ledger: &mut Ledger) {
        let table = self
            .owners
            .iter()
            .fold(LabelTable::builder(), |table, (kong, service)| {
                table.service(kong, "default", service)
            });
        let table = table.build();
        let mut rewriter = Rewriter::new(Options::default());
        let mut out = Vec::new();
        ledger.begin();
        for chunk in text.as_bytes().chunks(777) {
            rewriter.push_observed(&table, chunk, &mut out, ledger);
            out.clear();
        }
        rewriter.finish_observed(&table, &mut out, ledger);
    }
}
