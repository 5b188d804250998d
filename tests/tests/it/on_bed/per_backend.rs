//! The function that measures each backend of a rule (`operator/lua/per-backend.lua`), in a real nginx with Lua: several
//! workers, Kong's dictionary, the names of Kong's sandbox only.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod capture;
mod kong;
mod oracle;

use std::collections::BTreeMap;
use std::time::Duration;

use kong::{Kong, Settings};
use oracle::Request;
use tokio::time::Instant;

const USUAL: Settings = Settings {
    workers: 2,
    dictionary: "5m",
    instead: &[],
};
const OURS: [&str; 2] = [
    "kong_upstream_latency_ms_target",
    "kong_http_requests_with_target_total",
];
const UNRECORDED: &str = "kong_upstream_latency_ms_target_unrecorded";
const USED: &str = "kong_upstream_latency_ms_target_used_bytes";

/// Numbers that look random and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }
}

fn request(dice: &mut Dice) -> Request {
    let services = ["httproute.default.multi.0", "a\"b\\c\nd", "ünïcode"];
    let ips = [
        "10.0.0.1",
        "10.0.0.2",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
    ];
    let pick = |from: &[&str], n: u64| from[usize::try_from(n).expect("small")].to_owned();
    let service = pick(&services, dice.below(3));
    Request {
        route: format!("{service}.{}", dice.below(2)),
        service,
        ip: pick(&ips, dice.below(3)),
        port: if dice.below(2) == 0 { 80 } else { 8080 },
        // As often at a bound as beside one.
        ms: [
            0, 24, 25, 26, 50, 99, 100, 101, 1000, 59_999, 60_000, 60_001,
        ][usize::try_from(dice.below(12)).expect("small")],
        status: [200, 201, 404, 503, 504][usize::try_from(dice.below(5)).expect("small")],
    }
}

/// Sends them all, on some connections at once, and goes on where a worker closes what it kept.
fn send(kong: &Kong, requests: &[Request]) {
    std::thread::scope(|threads| {
        for part in requests.chunks(requests.len().div_ceil(4)) {
            threads.spawn(move || {
                let mut client = kong.client();
                for request in part {
                    while client.try_get(&request.target()).is_err() {
                        client = kong.client();
                    }
                }
            });
        }
    });
}

fn ours(samples: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    samples
        .into_iter()
        .filter(|(series, value)| {
            *value != 0.0 && series != USED && OURS.iter().any(|name| series.starts_with(name))
        })
        .collect()
}

/// Waits for the workers' next flush, and that the page then says just this.
fn assert_becomes(kong: &Kong, expected: &BTreeMap<String, f64>) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = ours(kong.samples());
        if seen == *expected {
            return;
        }
        if Instant::now() > until {
            for (series, value) in expected {
                let is = seen.get(series);
                assert_eq!(is, Some(value), "{series}");
            }
            let too_many: Vec<_> = seen.keys().filter(|s| !expected.contains_key(*s)).collect();
            panic!("not expected: {too_many:#?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn sum_of(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let counts = samples.iter().filter(|(series, _)| {
        let rest = series.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
    });
    counts.map(|(_, value)| value).sum()
}

#[test]
fn every_number_adds_up_over_workers_pushes_and_reloads() {
    let kong = Kong::start(&USUAL);
    let mut dice = Dice(1);
    let mut requests: Vec<_> = (0..6000).map(|_| request(&mut dice)).collect();
    let mut late_ones = Vec::new();
    for (round, part) in requests.chunks(500).enumerate() {
        send(&kong, part);
        if round % 2 == 0 {
            kong.get("/push");
        }
        if round % 4 == 3 {
            // It ends in a worker that is on its way out and gets no timer any more.
            let late = request(&mut dice);
            let mut client = kong.client();
            std::thread::scope(|threads| {
                let target = format!("{}&seconds=1", late.target());
                threads.spawn(move || client.get(&target));
                std::thread::sleep(Duration::from_millis(300));
                kong.reload();
            });
            late_ones.push(late);
        }
    }
    requests.extend(late_ones);
    assert_becomes(&kong, &oracle::lines(&requests, Request::address));
    kong.assert_quiet();
}

/// The oracle and the stand-in believe what we do; this is what somebody else's program printed.
#[test]
fn the_requests_of_a_real_kong_give_the_lines_that_it_printed() {
    for name in ["base", "churn"] {
        let printed = capture::lines(name);
        let requests = capture::requests(&printed);
        assert!(requests.len() > 1000, "{name}: {}", requests.len());
        let kong = Kong::start(&USUAL);
        send(&kong, &requests);
        assert_becomes(&kong, &ours(printed));
        kong.assert_quiet();
    }
}

#[test]
fn a_busy_address_outlives_its_time_to_live_and_an_idle_one_goes() {
    let kong = Kong::start(&Settings {
        instead: &[("TTL = 3600", "TTL = 6")],
        ..USUAL
    });
    let mut dice = Dice(2);
    let idle = Request {
        ip: "10.9.9.9".to_owned(),
        ..request(&mut dice)
    };
    send(&kong, std::slice::from_ref(&idle));
    let mut busy = Vec::new();
    let until = Instant::now() + Duration::from_secs(11);
    while Instant::now() < until {
        let now: Vec<_> = (0..40)
            .map(|n| Request {
                ms: n,
                status: 200,
                ip: "10.0.0.1".to_owned(),
                port: 80,
                ..idle.clone()
            })
            .collect();
        send(&kong, &now);
        busy.extend(now);
        // Each makes the function anew, which knows nothing of what the one before had counted.
        kong.get("/push");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_becomes(&kong, &oracle::lines(&busy, Request::address));
    // And it may come back.
    send(&kong, std::slice::from_ref(&idle));
    busy.push(idle);
    assert_becomes(&kong, &oracle::lines(&busy, Request::address));
    kong.assert_quiet();
}

#[test]
fn a_quarter_of_the_dictionary_is_kept_for_kongs_own() {
    let kong = Kong::start(&Settings {
        dictionary: "1m",
        ..USUAL
    });
    let free = || kong.get("/free").parse::<u32>().expect("a number");
    let mut families = 0;
    while free() >= 1024 * 1024 / 4 {
        families += 1;
        kong.get(&format!("/fill?keys=50&family=filter_{families:03}_total"));
    }
    assert!(free() > 1024 * 1024 / 8, "there would be room: {}", free());
    let before = kong.samples();
    let mut dice = Dice(3);
    let requests: Vec<_> = (0..400).map(|_| request(&mut dice)).collect();
    send(&kong, &requests);
    assert_becomes(&kong, &BTreeMap::from([(UNRECORDED.to_owned(), 400.0)]));
    let mut after = kong.samples();
    after.retain(|series, _| !OURS.iter().any(|name| series.starts_with(name)));
    assert_eq!(before, after, "Kong's own");
    // And where nothing at all is left, nothing of Kong's goes to make room.
    kong.get("/fill?keys=100000");
    assert_eq!(free(), 0);
    let before = kong.samples().len();
    send(&kong, &requests);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(kong.samples().len(), before);
    kong.assert_quiet();
}

#[test]
fn ours_take_an_eighth_of_the_dictionary_and_no_more() {
    let kong = Kong::start(&Settings {
        dictionary: "4m",
        ..USUAL
    });
    let free = || kong.get("/free").parse::<f64>().expect("a number of bytes");
    let before = free();
    let mut dice = Dice(4);
    let addresses: Vec<_> = (0..400)
        .map(|n| Request {
            ip: format!("10.0.{}.{}", n / 250, n % 250),
            ..request(&mut dice)
        })
        .collect();
    send(&kong, &addresses);
    let until = Instant::now() + Duration::from_secs(20);
    let samples = loop {
        let samples = kong.samples();
        let told = sum_of(&samples, UNRECORDED);
        let counted = sum_of(&samples, "kong_upstream_latency_ms_target_count");
        if told + counted >= 400.0 {
            assert!(told > 50.0 && counted > 50.0, "{told} {counted}");
            break samples;
        }
        assert!(Instant::now() < until, "{told} {counted}");
        std::thread::sleep(Duration::from_millis(100));
    };
    // What is there is whole.
    let whole = sum_of(&samples, "kong_upstream_latency_ms_target_count");
    let codes = sum_of(&samples, "kong_http_requests_with_target_total");
    assert!((whole - codes).abs() < 0.5, "{whole} {codes}");
    // The codes of series that are there come on top of the eighth, and pages are not filled to the last byte.
    let taken = before - free();
    let used = samples[USED];
    let eighth = 4.0 * 1024.0 * 1024.0 / 8.0;
    assert!(used > eighth * 0.9 && used < eighth * 1.1, "{used}");
    assert!(taken <= eighth * 1.25, "{taken}");
    kong.assert_quiet();
}

#[test]
fn beyond_the_bound_addresses_are_counted_together() {
    let kong = Kong::start(&Settings {
        workers: 1,
        dictionary: "64m",
        ..USUAL
    });
    let requests: Vec<_> = (0..1200)
        .map(|n| Request {
            service: "httproute.default.multi.0".to_owned(),
            route: "httproute.default.multi.0.0".to_owned(),
            ip: format!("10.0.{}.{}", n % 600 / 250, n % 600 % 250),
            port: 80,
            ms: n % 130,
            status: 200,
        })
        .collect();
    // In order, so that it is known which are the first 500.
    let mut client = kong.client();
    for request in &requests {
        client.get(&request.target());
    }
    let told_apart: Vec<_> = requests[..500].iter().map(Request::address).collect();
    let expected = oracle::lines(&requests, |request| {
        let address = request.address();
        if told_apart.contains(&address) {
            address
        } else {
            "other".to_owned()
        }
    });
    assert_becomes(&kong, &expected);
    kong.assert_quiet();
}

#[test]
fn whatever_the_context_lacks_no_error_is_raised() {
    let kong = Kong::start(&USUAL);
    let fields = [
        "service=s",
        "service=",
        "route=r",
        "route=",
        "ip=10.0.0.1",
        "ip=",
        "port=80",
        "ms=5",
        "ms=-1",
        "ms=1e300",
        "host=h",
        "id=i",
        "status=504",
    ];
    let mut client = kong.client();
    for chosen in 0..1_u32 << fields.len() {
        let query: Vec<_> = (0..fields.len())
            .filter(|n| chosen >> n & 1 == 1)
            .map(|n| fields[n])
            .collect();
        client.get(&format!("/request?{}", query.join("&")));
    }
    let until = Instant::now() + Duration::from_secs(20);
    while sum_of(&kong.samples(), "kong_upstream_latency_ms_target_count") == 0.0 {
        assert!(Instant::now() < until, "no complete context was counted");
        std::thread::sleep(Duration::from_millis(100));
    }
    kong.assert_quiet();
}

#[test]
fn a_killed_worker_loses_its_last_second_and_no_more() {
    let kong = Kong::start(&USUAL);
    let mut dice = Dice(5);
    let settled: Vec<_> = (0..2000).map(|_| request(&mut dice)).collect();
    send(&kong, &settled);
    assert_becomes(&kong, &oracle::lines(&settled, Request::address));
    let mut client = kong.client();
    let last = request(&mut dice);
    let worker = client.get(&last.target()).worker;
    kong.signal("KILL", worker);
    let more: Vec<_> = (0..500).map(|_| request(&mut dice)).collect();
    send(&kong, &more);
    let mut sent = settled;
    sent.extend(more);
    // The last one was a moment ago, but on a busy machine that may have been long enough.
    let with_last = oracle::lines(&[&sent[..], &[last]].concat(), Request::address);
    let without = oracle::lines(&sent, Request::address);
    let until = Instant::now() + Duration::from_secs(20);
    while ![&with_last, &without].contains(&&ours(kong.samples())) {
        assert!(Instant::now() < until, "{:#?}", ours(kong.samples()));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn its_families_stand_directly_behind_kongs_own() {
    let kong = Kong::start(&USUAL);
    let own = [
        "bandwidth_bytes",
        "http_requests_total",
        "kong_latency_ms_bucket",
        "memory_lua_shared_dict_bytes",
        "nginx_connections_total",
        "request_latency_ms_sum",
        "upstream_latency_ms_bucket",
        "upstream_latency_ms_count",
        "upstream_latency_ms_sum",
        "upstream_target_health",
    ];
    for family in own {
        kong.get(&format!("/fill?keys=2&family={family}"));
    }
    let mut dice = Dice(6);
    let requests: Vec<_> = (0..100).map(|_| request(&mut dice)).collect();
    send(&kong, &requests);
    assert_becomes(&kong, &oracle::lines(&requests, Request::address));
    let page = kong.get("/metrics");
    let mut families: Vec<_> = page
        .lines()
        .map(|line| line.split(['{', ' ']).next().expect("a name"))
        .collect();
    families.dedup();
    let at = |name: &str| {
        let found: Vec<_> = (0..families.len())
            .filter(|n| families[*n] == name)
            .collect();
        assert_eq!(found.len(), 1, "{name} is torn: {families:?}");
        found[0]
    };
    assert_eq!(
        at("kong_http_requests_with_target_total"),
        at("kong_http_requests_total") + 1
    );
    let latency = at("kong_upstream_latency_ms_sum");
    for (n, part) in ["bucket", "count", "sum"].iter().enumerate() {
        assert_eq!(
            at(&format!("kong_upstream_latency_ms_target_{part}")),
            latency + 1 + n
        );
    }
}

#[test]
fn a_sandbox_without_the_dictionary_makes_it_do_nothing() {
    let kong = Kong::start(&Settings {
        instead: &[("ngx.shared.prometheus_metrics", "ngx.shared.nothing")],
        ..USUAL
    });
    let mut dice = Dice(7);
    send(
        &kong,
        &(0..50).map(|_| request(&mut dice)).collect::<Vec<_>>(),
    );
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(ours(kong.samples()), BTreeMap::new());
    kong.assert_quiet();
}
