//! What is read and written: families and samples.

#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub name: String,
    /// Names and values, the values as they are escaped.
    pub labels: Vec<(String, String)>,
    pub value: String,
    pub timestamp: Option<i64>,
    /// As it was written, which may have zeros in front.
    pub written: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub name: String,
    pub kind: Option<String>,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

/// A family of all sources: of each that has it, which it is, and what it says.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    pub name: String,
    pub said: Vec<(usize, Family)>,
    pub kind: Option<String>,
    pub help: Option<String>,
    pub out: bool,
}

impl Merged {
    pub fn takes(&self, family: &Family) -> bool {
        let fits = match (&self.kind, &family.kind) {
            (kind, Some(_)) => *kind == family.kind,
            (Some(kind), None) if kind == "counter" => !family.samples.iter().any(uncountable),
            (Some(kind), None) => !composed(kind),
            (None, None) => true,
        };
        fits && !self.out
    }
}

/// Whether no counter can have the sample's value.
pub(super) fn uncountable(sample: &Sample) -> bool {
    let value: f64 = sample.value.parse().unwrap_or(f64::NAN);
    value.is_nan() || value < 0.0
}

pub(super) fn composed(kind: &str) -> bool {
    kind == "histogram" || kind == "summary"
}
