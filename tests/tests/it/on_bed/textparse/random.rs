//! Random expositions: of pieces that are well, odd or wrong, and now and then with bytes that were changed.

/// The same for the same seed, everywhere.
pub struct Random(u64);

const NAMES: &[&str] = &[
    "kong_http_requests_total",
    "kong_upstream_latency_ms",
    "kong_bandwidth_bytes",
    "kong_nginx_connections_total",
    "x",
    "x_total",
    "x_created",
    "x_info",
    "x_bucket",
    "x_sum",
    "x_count",
    "a:b",
    "_",
    "up",
    "9x",
    "é",
    "a.b",
    "",
];
const SUFFIXES: &[&str] = &["", "", "_bucket", "_sum", "_count", "_total", "_created"];
const TYPES: &[&str] = &[
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    "unknown",
    "info",
    "stateset",
    "gaugehistogram",
    "COUNTER",
    "counter x",
    "odd",
    "",
];
const LABELS: &[&str] = &[
    "service",
    "route",
    "code",
    "le",
    "quantile",
    " le\t",
    "l",
    "l",
    "9",
    "",
    "__name__",
    "a.b",
    "\"q\"",
    "dataplane_pod",
    "é",
];
const TEXTS: &[&str] = &[
    "", "a", "b", "0.5", "5", "+Inf", "1e3", "\\n", "\\\\", "\\\"", "\\q", "\\", "é", "\u{2028}",
    "{", "}", ",", "#", " ", "\n", "\r", "\t", "\0", "\"",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "17",
    "1.5",
    "-1",
    "NaN",
    "nan",
    "Inf",
    "+Inf",
    "-inf",
    "infinity",
    "+infinity",
    "1e308",
    "1e309",
    "-1e309",
    "1e400",
    "1e-400",
    "1e99999999999999999999",
    "0x1p3",
    "0x",
    "1_0",
    ".5",
    "5.",
    ".",
    "007",
    "-0",
    "+1",
    "1e",
    "1e+",
    "--1",
    "a",
    "",
    "1,5",
];
const TIMESTAMPS: &[&str] = &[
    "",
    "",
    "",
    "",
    " 1",
    " 0",
    " -1",
    " +1",
    " 1700000000000",
    " 9223372036854775807",
    " 9223372036854775808",
    " -9223372036854775808",
    " 1.5",
    " 1e3",
    " 0x1",
    " a",
    " 1 1",
    " 1_0",
];
const ENDS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "\n",
    "\n",
    "\r\n",
    " \n",
    "\n\n",
    " # {a=\"b\"} 1\n",
    "",
];
const REMARKS: &[&str] = &[
    "# EOF\n",
    "#\n",
    "# a remark\n",
    "#TYPE x counter\n",
    "# UNIT x bytes\n",
    "# TYPE\n",
    "# HELP\n",
    "# HELP x\n",
    "\t# TYPE x gauge\n",
    "\n",
    "{\"q\"} 1\n",
    "{} 1\n",
    "x{l=\"a\" 1\n",
];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// What the pods of one world send.
    pub fn pods(&mut self) -> Vec<Vec<u8>> {
        (0..=self.below(3)).map(|_| self.text()).collect()
    }

    fn below(&mut self, end: usize) -> usize {
        // Marsaglia's xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap_or_default()
    }

    fn of<'t>(&mut self, table: &[&'t str]) -> &'t str {
        table[self.below(table.len())]
    }

    /// Most often the first few of a table, which are well.
    fn mostly<'t>(&mut self, table: &[&'t str], well: usize) -> &'t str {
        let end = if self.below(6) == 0 {
            table.len()
        } else {
            well
        };
        table[self.below(end)]
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = String::new();
        for _ in 0..self.below(30) {
            match self.below(10) {
                0 => text += self.of(REMARKS),
                1 | 2 => {
                    let name = self.mostly(NAMES, 6);
                    text += &format!("# TYPE {name} {}\n", self.mostly(TYPES, 4));
                }
                3 => text += &format!("# HELP {} {}\n", self.mostly(NAMES, 6), self.of(TEXTS)),
                4 => self.histogram(&mut text),
                _ => {
                    let name = self.mostly(NAMES, 6);
                    text += name;
                    text += self.of(SUFFIXES);
                    self.rest(&mut text);
                }
            }
        }
        let mut text = text.into_bytes();
        if !text.is_empty() && self.below(5) == 0 {
            for _ in 0..=self.below(3) {
                let at = self.below(text.len());
                text[at] = u8::try_from(self.below(256)).unwrap_or_default();
            }
        }
        text
    }

    /// Labels, a value and what follows.
    fn rest(&mut self, text: &mut String) {
        let labels: Vec<String> = (0..self.below(4))
            .map(|_| {
                let name = self.mostly(LABELS, 5);
                format!("{name}=\"{}\"", self.mostly(TEXTS, 7))
            })
            .collect();
        if !labels.is_empty() || self.below(4) == 0 {
            *text += &format!("{{{}}}", labels.join(","));
        }
        let value = self.mostly(NUMBERS, 5);
        *text += &format!(" {value}{}{}", self.of(TIMESTAMPS), self.mostly(ENDS, 5));
    }

    /// One that may be whole, in Kong's order or not.
    fn histogram(&mut self, text: &mut String) {
        let name = self.mostly(NAMES, 6);
        let label = self.of(TEXTS);
        let mut lines: Vec<String> = ["1", "5", "+Inf"]
            .iter()
            .enumerate()
            .map(|(count, le)| format!("{name}_bucket{{l=\"{label}\",le=\"{le}\"}} {count}\n"))
            .collect();
        lines.push(format!("{name}_count{{l=\"{label}\"}} 2\n"));
        lines.push(format!("{name}_sum{{l=\"{label}\"}} 3.5\n"));
        let gone = self.below(12);
        if gone < lines.len() {
            lines.remove(gone);
        }
        *text += &format!("# TYPE {name} histogram\n{}", lines.concat());
    }
}
