//! Writes families in the text format.

use std::io::Write as _;

/// Appends to an exposition. Each name gets the prefix `tagalong_sidecar_`; label values need no escapes.
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

impl Text<'_> {
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory does not fail.
        let _ = write!(
            self.0,
            "# HELP tagalong_sidecar_{name} {help}\n# TYPE tagalong_sidecar_{name} {kind}\n"
        );
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let _ = write!(self.0, "tagalong_sidecar_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push(b'}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}
