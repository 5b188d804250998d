//! The ledger against a Kong that knows what it has truly answered.

mod kong;
mod lives;

use std::time::Duration;

use super::ledger::Ledger;
use kong::{Kong, Truth};
use tagalong_wire::Totals;

const ROOM: usize = 4 << 20;

/// A ledger, the time, and what it said last.
struct Looker {
    ledger: Ledger,
    now: tokio::time::Instant,
}

impl Looker {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(ROOM),
            now: tokio::time::Instant::now(),
        }
    }

    /// A look at `text`, five seconds later.
    fn look(&mut self, kong: &Kong, text: &str) -> bool {
        self.now += Duration::from_secs(5);
        kong.show(text, &mut self.ledger);
        self.ledger.land(self.now)
    }

    fn see(&mut self, kong: &Kong) -> bool {
        self.look(kong, &kong.print())
    }

    fn of(&self, service: &str) -> Totals {
        let found = self
            .ledger
            .services
            .from(0)
            .find(|(_, name, _)| *name == service);
        found.map_or_else(Totals::default, |(.., totals)| totals.clone())
    }

    /// Fails unless the totals are what Kong has truly answered since the first look.
    #[track_caller]
    fn is(&self, service: &str, truth: &Truth) {
        let totals = self.of(service);
        let told = (
            totals.arrivals,
            totals.count,
            totals.sum,
            totals.request_sum,
        );
        assert_eq!(
            told,
            (truth.arrivals, truth.count, truth.sum, truth.request_sum),
            "{service}"
        );
    }
}

/// A Kong with a series of many requests, already looked at.
fn begun() -> (Kong, Looker) {
    let (mut kong, mut looker) = (Kong::new(), Looker::new());
    kong.owns("k", Some("echo"));
    kong.answer("k", "r", 1000, Some(30));
    assert!(looker.see(&kong));
    kong.forget_truth();
    (kong, looker)
}

#[test]
fn the_first_look_finds_nothing_new_and_the_next_what_has_grown() {
    let (mut kong, mut looker) = begun();
    looker.is("echo", &Truth::default());
    kong.answer("k", "r", 7, Some(60));
    kong.answer("k", "r", 2, None);
    assert!(looker.see(&kong));
    looker.is("echo", &kong.truth("echo"));
    let totals = looker.of("echo");
    assert_eq!((totals.arrivals, totals.count, totals.sum), (9, 7, 420));
    assert_eq!(
        (totals.buckets[1], totals.buckets[2], totals.buckets[13]),
        (0, 7, 7)
    );
    assert_eq!(looker.ledger.pod.requests, 9);
    assert!(looker.see(&kong));
    assert_eq!(looker.ledger.changed, 2, "the third changed nothing");
}

#[test]
fn a_series_that_was_never_seen_was_nothing_before() {
    let (mut kong, mut looker) = begun();
    kong.answer("k", "new", 5, Some(10));
    kong.owns("woken", Some("shop"));
    kong.answer("woken", "r", 3, None);
    assert!(looker.see(&kong));
    kong.answer("woken", "r", 4, Some(1));
    assert!(looker.see(&kong));
    looker.is("echo", &kong.truth("echo"));
    looker.is("shop", &kong.truth("shop"));
}

#[test]
fn what_was_unnamed_at_first_has_its_base_when_it_gets_a_name() {
    let (mut kong, mut looker) = begun();
    kong.answer("later", "r", 100, Some(10));
    assert!(looker.see(&kong));
    kong.answer("later", "r", 50, Some(10));
    kong.owns("later", Some("shop"));
    assert!(looker.see(&kong));
    let totals = looker.of("shop");
    assert_eq!(
        (totals.arrivals, totals.unsettled),
        (0, 50),
        "whose were they?"
    );
    kong.answer("later", "r", 3, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("shop").arrivals, 3);
}

#[test]
fn after_kongs_restart_all_is_new() {
    let (mut kong, mut looker) = begun();
    kong.restart(false);
    kong.answer("k", "r", 4, Some(10));
    assert!(looker.see(&kong));
    looker.is("echo", &kong.truth("echo"));
    kong.restart(true);
    assert!(looker.see(&kong));
    kong.answer("k", "r", 2, Some(10));
    assert!(looker.see(&kong));
    looker.is("echo", &kong.truth("echo"));
    assert_eq!(looker.of("echo").buckets[0], 6);
}

#[test]
fn two_kongs_that_answer_in_turn_are_no_restarts() {
    let (mut kong, mut looker) = begun();
    let mut other = Kong::new();
    other.node("another");
    other.owns("k", Some("echo"));
    for _ in 0..4 {
        other.answer("k", "r", 400, Some(10));
    }
    for _ in 0..6 {
        kong.answer("k", "r", 1, Some(10));
        assert!(looker.see(&other) && looker.see(&kong));
    }
    assert!(
        looker.of("echo").arrivals <= 400 * 4,
        "the other came once as new at most"
    );
    let before = looker.of("echo").arrivals;
    assert!(looker.see(&other) && looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, before);
}

#[test]
fn a_number_that_falls_was_reset_and_goes_into_no_average() {
    let (mut kong, mut looker) = begun();
    kong.lose("k", "r", "upstream_latency_ms_count");
    kong.answer("k", "r", 6, Some(10));
    assert!(looker.see(&kong));
    let totals = looker.of("echo");
    assert_eq!((totals.arrivals, totals.count, totals.sum), (6, 6, 60));
    assert_eq!((totals.apart.count, totals.apart.sum), (6, 60));
    assert_eq!(totals.buckets, tagalong_wire::Buckets::default());
    kong.answer("k", "r", 1, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").buckets[0], 1);
}

#[test]
fn a_dip_and_a_return_are_not_the_past_once_more() {
    let (mut kong, mut looker) = begun();
    // Enough for the return to be plausible by itself.
    kong.probe(1_000_000);
    let old = kong.cells("k", "r");
    kong.lose_all("k", "r");
    kong.answer("k", "r", 5, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, 5);
    kong.set_cells("k", "r", old);
    kong.answer("k", "r", 2, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, 5, "these two may be older");
    kong.answer("k", "r", 3, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, 8);
}

#[test]
fn a_missing_line_keeps_its_base() {
    let (mut kong, mut looker) = begun();
    kong.answer("k", "r", 3, Some(10));
    let text = kong.print();
    let without: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("_count{") && !line.contains("_sum{"))
        .collect();
    assert!(looker.look(&kong, &without));
    assert_eq!(looker.of("echo").arrivals, 0);
    kong.answer("k", "r", 3, Some(10));
    assert!(looker.see(&kong));
    looker.is("echo", &kong.truth("echo"));
}

#[test]
fn a_number_that_was_lost_beside_others_may_have_any_past() {
    let (mut kong, mut looker) = (Kong::new(), Looker::new());
    kong.owns("k", Some("echo"));
    kong.answer("k", "r", 1000, Some(30));
    let text = kong.print();
    let without: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("kong_upstream_latency_ms_sum{"))
        .collect();
    assert!(looker.look(&kong, &without));
    kong.answer("k", "r", 1, Some(30));
    assert!(looker.see(&kong));
    let totals = looker.of("echo");
    assert_eq!((totals.count, totals.sum, totals.apart.count), (1, 0, 1));
}

#[test]
fn more_than_nginx_has_had_is_not_new() {
    let (mut kong, mut looker) = begun();
    kong.answer_unseen_by_nginx("hidden", "r", 5000);
    kong.owns("hidden", Some("shop"));
    kong.answer("k", "r", 3, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("shop").arrivals, 0);
    assert_eq!(looker.ledger.dropped.implausible, 5000);
    looker.is("echo", &kong.truth("echo"));
    kong.answer("hidden", "r", 2, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("shop").arrivals, 2, "it has its base");
}

#[test]
fn what_a_stalled_backend_ends_may_have_begun_two_minutes_ago() {
    let (mut kong, mut looker) = begun();
    kong.probe(500);
    assert!(looker.see(&kong));
    for _ in 0..22 {
        assert!(looker.see(&kong));
    }
    kong.answer_unseen_by_nginx("k", "stalled", 400);
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, 400);
    for _ in 0..30 {
        assert!(looker.see(&kong));
    }
    kong.answer_unseen_by_nginx("k", "too old", 400);
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, 400);
}

#[test]
fn a_name_that_moves_takes_nothing_with_it_and_says_what_it_left() {
    let (mut kong, mut looker) = begun();
    kong.answer("k", "r", 9, Some(10));
    kong.owns("k", Some("shop"));
    kong.answer("k", "r", 4, Some(10));
    assert!(looker.see(&kong));
    for service in ["echo", "shop"] {
        let totals = looker.of(service);
        assert_eq!((totals.arrivals, totals.unsettled), (0, 13), "{service}");
    }
    assert_eq!(looker.ledger.dropped.renamed, 13);
    kong.answer("k", "r", 4, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(
        (looker.of("echo").arrivals, looker.of("shop").arrivals),
        (0, 4)
    );
    assert_eq!(looker.of("echo").unsettled, 13);
}

#[test]
fn a_name_without_a_label_is_remembered_for_a_while() {
    let (mut kong, mut looker) = begun();
    kong.owns("k", None);
    kong.answer("k", "r", 2, Some(10));
    assert!(looker.see(&kong));
    kong.answer("k", "r", 3, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").unsettled, 5);
    assert!(looker.see(&kong));
    assert_eq!(
        looker.ledger.changed,
        looker.ledger.sequence - 1,
        "no requests, no doubt"
    );
    looker.now += Duration::from_secs(300);
    kong.answer("k", "r", 3, Some(10));
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").unsettled, 5);
}

#[test]
fn what_cannot_be_read_moves_nothing() {
    let (mut kong, mut looker) = begun();
    kong.answer("k", "r", 3, Some(10));
    let text = kong.print();
    let counts = "kong_upstream_latency_ms_count{";
    for broken in [
        text.replace(counts, "kong_upstream_latency_ms_count {"),
        text.replace("} 1003\n", "} 1003x\n"),
        text.replace("} 1003\n", "} NaN\n"),
        text.replace("} 1003\n", "} -3\n"),
        text.replace("} 1003\n", "} 1e300\n"),
        text.replace("kong_nginx_requests_total", "kong_nginx_other_total"),
        text.replace("subsystem=\"http\"", "subsystem=\"stream\""),
        format!("{text}kong_request_latency_ms_count{{service=\"x\n"),
        format!(
            "{text}kong_request_latency_ms_count{{x=\"{}\n",
            "y".repeat(70_000)
        ),
    ]
    .iter()
    .skip(1)
    {
        assert!(!looker.look(&kong, broken), "{broken}");
    }
    let other = text.replace("# HELP", "nonsense\n# HELP");
    let consumer = format!("kong_http_requests_total{{consumer=\"a\n{counts}}} 1\n\"}} 2\n{other}");
    assert!(
        looker.look(&kong, &consumer),
        "lines of others may be what they like"
    );
    looker.is("echo", &kong.truth("echo"));
    assert_eq!(looker.ledger.dropped.looks, 8);
}

#[test]
fn there_is_no_more_of_it_than_there_is_room_for() {
    let (mut kong, mut looker) = (Kong::new(), Looker::new());
    looker.ledger = Ledger::new(1 << 20);
    kong.owns("k", Some("echo"));
    for route in 0..6000 {
        kong.answer("k", &format!("r{route:04}"), 1, Some(10));
    }
    assert!(looker.see(&kong));
    assert!(!looker.ledger.whole);
    let followed = looker.ledger.series();
    assert!((1500..6000).contains(&followed), "{followed}");
    for route in 0..6000 {
        kong.answer("k", &format!("r{route:04}"), 1, Some(10));
    }
    assert!(looker.see(&kong));
    assert_eq!(looker.of("echo").arrivals, followed as u64);
}
