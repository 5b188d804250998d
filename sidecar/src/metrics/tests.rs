use std::collections::BTreeSet;

use super::*;

fn text(metrics: &Metrics, table: &ActiveTable) -> String {
    let mut out = Vec::new();
    metrics.write(table, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn outcomes_stand_in_their_own_place() {
    for (at, (outcome, _)) in OUTCOMES.iter().enumerate() {
        assert_eq!(*outcome as usize, at);
    }
}

#[test]
fn every_family_is_told_once_and_every_sample_belongs_to_it() {
    let metrics = Metrics::default();
    metrics.push.used.store(true, Relaxed);
    metrics.push.last_message.store(1, Relaxed);
    metrics.ended(ScrapeOutcome::TooSlow);
    let room = crate::memory::Room::within(None);
    let table =
        ActiveTable::snapshot(br#"{"version":3}"#, &ActiveTable::default(), room).expect("a table");
    let text = text(&metrics, &table);
    let (mut family, mut told, mut samples) = ("", BTreeSet::new(), BTreeSet::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().expect("a name");
            assert!(told.insert(family), "{family} is told twice");
            let kind = lines
                .next()
                .and_then(|line| line.strip_prefix("# TYPE "))
                .expect("TYPE follows HELP");
            let kind = kind
                .strip_prefix(family)
                .expect("of the same family")
                .trim();
            assert_eq!(
                kind == "counter",
                family.ends_with("_total"),
                "{family} {kind}"
            );
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert_eq!(series.split('{').next(), Some(family));
        assert!(samples.insert(series), "{series} comes twice");
        value.parse::<u64>().expect("a number");
    }
    assert!(
        text.ends_with('\n')
            && told
                .iter()
                .all(|name| name.starts_with("tagalong_sidecar_"))
    );
    assert!(text.contains("tagalong_sidecar_scrapes_total{result=\"too_slow\"} 1\n"));
    assert!(text.contains("tagalong_sidecar_table_version 3\n"));
}

#[test]
fn ambiguous_names_are_told_where_they_were_seen() {
    let mut out = Vec::new();
    write_ambiguous(&AmbiguousNames::default(), &mut out);
    assert!(out.is_empty());
    let mut table = tagalong_exposition::LabelTable::builder();
    table.set_ambiguous_service("a\"b");
    let mut rewriter = tagalong_exposition::Rewriter::new(tagalong_exposition::Options::default());
    rewriter.push(
        &table.build(),
        b"m{service=\"a\\\"b\"} 1\n",
        &mut Vec::new(),
    );
    write_ambiguous(rewriter.ambiguous(), &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(
        text.ends_with("tagalong_sidecar_ambiguous_samples{name=\"a\\\"b\"} 1\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3);
    let metrics = Metrics::default();
    metrics.samples(rewriter.stats());
    let text = self::text(&metrics, &ActiveTable::default());
    assert!(text.contains("tagalong_sidecar_samples_total{result=\"ambiguous\"} 1\n"));
}

#[test]
fn what_there_is_not_is_not_told() {
    let text = text(&Metrics::default(), &ActiveTable::default());
    for absent in ["table_version", "table_timestamp", "push_"] {
        assert!(!text.contains(absent), "{absent}");
    }
}
