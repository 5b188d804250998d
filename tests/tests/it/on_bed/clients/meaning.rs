//! Samples reduced to what Kong said in them.

use std::collections::{BTreeMap, BTreeSet};

use tagalong_peers::canonical::{Sample, Spelling, samples};

use super::REFUSED_OF_KONG;

/// Labels that Kong did not write: ours, and those of the target.
const ADDED: [&str; 13] = [
    "namespace",
    "kubernetes_apiversion",
    "kubernetes_kind",
    "kubernetes_name",
    "kubernetes_namespace",
    "kong_service",
    "dataplane",
    "dataplane_namespace",
    "dataplane_pod",
    "dataplane_url",
    "job",
    "instance",
    "__name__",
];

/// The values of each series; more than one where Kong repeats it.
pub type Meaning = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

/// What Kong says; a line that is no sample says nothing.
pub fn of_kong(text: &[u8]) -> Meaning {
    let lines = text.split(|&byte| byte == b'\n');
    let found = lines.filter_map(|line| samples(line).ok()).flatten();
    of(found.collect())
}

/// What a client has read, as Kong said it.
pub fn of(samples: Vec<Sample>) -> Meaning {
    let mut meaning = Meaning::new();
    for mut sample in samples {
        let value = std::mem::replace(&mut sample.value, b"0".to_vec());
        let value = std::str::from_utf8(&value).expect("a number");
        let value: f64 = value.trim().parse().expect("a number");
        let series = sample.canonical(Spelling::AsPrometheusReads);
        let values = meaning.entry(series).or_default();
        values.insert(value.to_string().into_bytes());
    }
    meaning
}

/// The sample as Kong wrote it, and whether it was enriched.
pub fn undone(mut sample: Sample) -> (Sample, bool) {
    let kong = sample.label(b"kong_service").map(<[u8]>::to_vec);
    let by_upstream = sample.label(b"kubernetes_name").is_some() && kong.is_none();
    let enriched = kong.is_some() || by_upstream;
    sample.labels.retain(|(name, _)| {
        let name = name.as_slice();
        let service = name == b"service" && enriched;
        !service && !ADDED.iter().any(|added| added.as_bytes() == name)
    });
    sample
        .labels
        .extend(kong.map(|name| (b"service".to_vec(), name)));
    (sample, enriched)
}

/// Holds what a client has read of one pod to what Kong said, and tells how many series were enriched.
pub fn hold(who: &str, kong: &Meaning, found: impl Iterator<Item = Sample>) -> usize {
    let (mut count, mut samples) = (0, Vec::new());
    for sample in found.filter(|sample| sample.name.starts_with(b"kong_")) {
        let (sample, enriched) = undone(sample);
        count += usize::from(enriched);
        samples.push(sample);
    }
    let found = of(samples);
    assert!(!found.is_empty(), "{who}: nothing");
    for (series, values) in &found {
        let shown = String::from_utf8_lossy(series);
        let said = kong.get(series);
        let said = said.unwrap_or_else(|| panic!("{who}: not Kong's: {shown}"));
        assert!(values.is_subset(said), "{who}: {shown}");
    }
    // Of a broken line two halves are left, which no reader but a careless one takes for samples.
    let whole = !REFUSED_OF_KONG.iter().any(|pod| who.ends_with(pod));
    let said = kong.keys().filter(|series| series.starts_with(b"kong_"));
    for series in said.filter(|_| whole) {
        let shown = String::from_utf8_lossy(series);
        assert!(found.contains_key(series), "{who}: missing: {shown}");
    }
    count
}
