//! Each row of what can happen to a pod, and what is answered then.

#![allow(
    clippy::cast_possible_truncation,
    reason = "times and counts of tests are small"
)]

mod bed;
mod lives;

use bed::{Bed, Kong, near};

use crate::{NotKnown, PlaneSignal, ServiceSignal};

const RATE: ServiceSignal = ServiceSignal::UpstreamRequests;
const FLIGHT: ServiceSignal = ServiceSignal::InFlight;

/// Pods of the same load, asked at different times.
fn fleet(count: usize) -> Bed {
    let mut bed = Bed::new();
    for at in 0..count {
        bed.add(
            Kong::new(&format!("pod-{at}"))
                .rate(100.0)
                .phase(at as i64 * 1_700),
        );
    }
    bed
}

#[test]
fn nothing_is_said_before_there_is_enough_and_then_it_is_right() {
    let mut bed = fleet(2);
    bed.run(12_000);
    assert!(matches!(bed.value(RATE), Err(NotKnown::TooEarly(_))));
    bed.run(60_000);
    let value = bed.value(RATE).unwrap();
    near(value.value, 200.0);
    assert_eq!((value.window.as_secs(), value.basis.reporting), (30, 2));
    near(bed.known(FLIGHT), 200.0 * 0.05);
    near(bed.known(ServiceSignal::Average), 50.0);
    near(bed.known(ServiceSignal::P50), 37.5);
    near(bed.known(ServiceSignal::Requests), 200.0);
}

#[test]
fn traffic_that_moves_to_other_pods_leaves_no_dip() {
    let mut bed = fleet(3);
    bed.run(90_000);
    bed.kong("pod-0").set_rate(0.0);
    bed.kong("pod-1").set_rate(200.0);
    bed.kong("pod-0").last_look();
    bed.remove("pod-0");
    for _ in 0..40 {
        bed.run(1_000);
        let value = bed.known(RATE);
        assert!((270.0..330.0).contains(&value), "{value}");
    }
}

#[test]
fn a_new_pod_counts_from_its_second_summary_on_and_takes_nothing_along() {
    let mut bed = fleet(1);
    bed.run(90_000);
    bed.add(Kong::new("new").rate(300.0));
    for _ in 0..60 {
        bed.run(1_000);
        let value = bed.known(RATE);
        assert!((95.0..420.0).contains(&value), "{value}");
    }
    near(bed.known(RATE), 400.0);
}

#[test]
fn a_pod_that_another_replica_has_asked_for_long_brings_no_past() {
    let mut bed = Bed::new();
    bed.add(Kong::new("old").rate(100.0).asked_since(-3_000_000));
    bed.run(90_000);
    near(bed.known(RATE), 100.0);
}

#[test]
fn nor_does_it_beside_others() {
    let mut bed = fleet(1);
    bed.run(90_000);
    let asked = bed.time - 3_000_000;
    bed.add(Kong::new("old").rate(1_000.0).asked_since(asked));
    bed.kong("old").set_rate(100.0);
    for _ in 0..60 {
        bed.run(1_000);
        let value = bed.value(RATE);
        assert!(
            value.is_err() || value.is_ok_and(|value| value.value < 215.0),
            "{value:?}"
        );
    }
    near(bed.known(RATE), 200.0);
}

#[test]
fn fewer_than_half_cannot_speak_for_all() {
    let mut bed = fleet(3);
    bed.run(90_000);
    bed.kong("pod-0").silent = true;
    bed.kong("pod-1").silent = true;
    bed.run(30_000);
    let few = NotKnown::TooFew {
        reporting: 1,
        of: 3,
    };
    assert_eq!(bed.value(RATE), Err(few));
}

#[test]
fn a_late_pods_own_last_rate_stands_for_it() {
    // Not the mean: with sticky traffic the late one may have had most of it.
    let mut bed = Bed::new();
    bed.add(Kong::new("much").rate(900.0));
    bed.add(Kong::new("little").rate(100.0).phase(2_000));
    bed.run(90_000);
    bed.kong("much").silent = true;
    for _ in 0..200 {
        bed.run(1_000);
        near(bed.known(RATE), 1000.0);
    }
    assert_eq!(bed.value(RATE).unwrap().basis.late, 1);
    // Then nobody knows any more.
    bed.run(120_000);
    let few = NotKnown::TooFew {
        reporting: 1,
        of: 2,
    };
    assert_eq!(bed.value(RATE), Err(few));
    // Back again: all that it did meanwhile belongs to that time.
    bed.kong("much").silent = false;
    bed.run(10_000);
    for _ in 0..60 {
        bed.run(1_000);
        near(bed.known(RATE), 1000.0);
    }
}

#[test]
fn traffic_of_a_lost_pod_that_others_took_is_not_counted_twice() {
    let mut bed = fleet(3);
    bed.run(90_000);
    bed.kong("pod-0").silent = true;
    bed.kong("pod-0").set_rate(0.0);
    bed.kong("pod-1").set_rate(150.0);
    bed.kong("pod-2").set_rate(150.0);
    for _ in 0..120 {
        bed.run(1_000);
        let value = bed.known(RATE);
        assert!((280.0..315.0).contains(&value), "{value}");
    }
}

#[test]
fn a_sidecar_that_begins_again_leaves_neither_hole_nor_hill() {
    let mut bed = fleet(2);
    bed.run(90_000);
    bed.kong("pod-0").restart();
    for _ in 0..60 {
        bed.run(1_000);
        near(bed.known(RATE), 200.0);
    }
}

#[test]
fn nor_one_that_was_away_for_long_before() {
    let mut bed = fleet(2);
    bed.run(90_000);
    bed.kong("pod-0").silent = true;
    bed.run(60_000);
    bed.kong("pod-0").restart();
    bed.kong("pod-0").silent = false;
    for _ in 0..60 {
        bed.run(1_000);
        near(bed.known(RATE), 200.0);
    }
}

#[test]
fn a_pod_that_was_never_seen_is_as_the_others_up_to_a_quarter() {
    let mut bed = fleet(4);
    bed.kong("pod-3").silent = true;
    bed.run(90_000);
    near(bed.known(RATE), 400.0);
    assert_eq!(bed.value(RATE).unwrap().basis.missing, 1);
    bed.kong("pod-2").silent = true;
    bed.run(400_000);
    let few = NotKnown::TooFew {
        reporting: 2,
        of: 4,
    };
    assert_eq!(bed.value(RATE), Err(few));
    // One that gets no requests says nothing about the load.
    bed.kong("pod-3").ready = false;
    bed.kong("pod-2").ready = false;
    bed.run(2_000);
    near(bed.known(RATE), 200.0);
}

#[test]
fn one_that_was_not_reached_at_first_has_no_hole_before_it() {
    let mut bed = fleet(4);
    bed.kong("pod-3").silent = true;
    bed.run(90_000);
    bed.kong("pod-3").silent = false;
    for _ in 0..60 {
        bed.run(1_000);
        near(bed.known(RATE), 400.0);
    }
}

#[test]
fn a_pod_that_is_just_born_is_not_missing() {
    let mut bed = fleet(2);
    bed.run(90_000);
    bed.add(Kong::new("born").rate(0.0));
    bed.kong("born").silent = true;
    for _ in 0..14 {
        bed.run(1_000);
        near(bed.known(RATE), 200.0);
    }
}

#[test]
fn none_is_zero_only_where_all_say_so() {
    let mut bed = fleet(2);
    for kong in ["pod-0", "pod-1"] {
        bed.kong(kong).set_rate(0.0);
    }
    bed.run(90_000);
    for signal in ServiceSignal::ALL {
        assert_eq!(bed.known(signal), 0.0, "{signal:?}");
    }
    // No table, so a Service that is not named may have had any.
    bed.kong("pod-0").complete = false;
    bed.run(10_000);
    let few = NotKnown::TooFew {
        reporting: 1,
        of: 2,
    };
    assert_eq!(bed.value(RATE), Err(few));
    let elsewhere = bed.loads.service(bed.now(), ["none"], bed::SERVICE, RATE);
    assert!(elsewhere.is_err());
}

#[test]
fn a_look_that_is_not_renewed_is_late_however_often_it_is_told() {
    let mut bed = fleet(1);
    bed.run(90_000);
    bed.kong("pod-0").hangs = true;
    bed.run(20_000);
    let few = NotKnown::TooFew {
        reporting: 0,
        of: 1,
    };
    assert_eq!(bed.value(RATE), Err(few));
}

#[test]
fn a_slow_kong_keeps_its_own_pace_and_is_not_late() {
    let mut bed = Bed::new();
    bed.add(Kong::new("slow").rate(100.0).every(60_000));
    bed.run(400_000);
    for _ in 0..120 {
        bed.run(1_000);
        near(bed.known(RATE), 100.0);
    }
    assert_eq!(bed.value(RATE).unwrap().window.as_secs(), 180);
    // Six seconds are two polls.
    let mut bed = Bed::new();
    bed.add(Kong::new("six").rate(100.0).every(6_000));
    bed.run(90_000);
    for _ in 0..60 {
        bed.run(1_000);
        near(bed.known(RATE), 100.0);
    }
}

#[test]
fn requests_of_nobody_make_a_service_unknown_until_they_are_old() {
    let mut bed = fleet(1);
    bed.run(90_000);
    bed.kong("pod-0").unsettled += 3;
    bed.run(10_000);
    assert!(matches!(bed.value(RATE), Err(NotKnown::Unsettled(_))));
    bed.run(40_000);
    near(bed.known(RATE), 100.0);
}

#[test]
fn what_was_reset_is_in_no_average_but_in_the_rate() {
    let mut bed = fleet(1);
    bed.run(90_000);
    bed.kong("pod-0").apart = (100, 900_000);
    bed.run(10_000);
    near(bed.known(ServiceSignal::Average), 50.0);
    assert!(bed.known(RATE) > 101.0);
}

#[test]
fn quantiles_need_requests_and_an_average_does_not() {
    let mut bed = Bed::new();
    bed.add(Kong::new("night").rate(0.5).latency(700));
    bed.run(120_000);
    assert_eq!(bed.known(ServiceSignal::P95), 0.0);
    near(bed.known(ServiceSignal::Average), 700.0);
    bed.kong("night").set_rate(2.0);
    bed.run(60_000);
    near(bed.known(ServiceSignal::P95), 685.0);
}

#[test]
fn a_lying_pod_makes_its_services_unknown_and_raises_none() {
    let mut bed = fleet(2);
    bed.run(90_000);
    bed.kong("pod-0").apart = (u64::MAX / 2, u64::MAX / 2);
    bed.run(10_000);
    assert_eq!(bed.value(RATE), Err(NotKnown::Absurd));
    assert!(bed.loads.absurd() > 0);
    // What is not in its DataPlane's table is nobody's to speak of.
    let stranger = bed
        .loads
        .service(bed.now(), [bed::PLANE], "shop/other", RATE);
    assert!(stranger.is_err());
}

#[test]
fn a_stall_does_not_echo_beyond_two_looks() {
    for stall in [8_000, 20_000] {
        let mut bed = fleet(1);
        bed.run(90_000);
        bed.kong("pod-0").stall(stall);
        bed.run(stall);
        bed.run(12_000);
        let value = bed.known(FLIGHT);
        assert!(
            value <= 5.0 + 3.0 * 5.0_f64.sqrt() + 3.5,
            "{stall}: {value}"
        );
        bed.run(60_000);
        near(bed.known(FLIGHT), 5.0);
    }
}

#[test]
fn a_few_in_flight_are_not_cut_to_what_a_look_happens_to_see() {
    let mut bed = Bed::new();
    bed.add(Kong::new("rare").rate(10.0).latency(50));
    bed.run(90_000);
    for _ in 0..30 {
        bed.run(1_000);
        near(bed.known(FLIGHT), 0.5);
    }
}

#[test]
fn several_dataplanes_are_summed_each_by_its_own_time() {
    let mut bed = fleet(1);
    bed.add(Kong::new("other").rate(50.0).plane("kong/b").every(20_000));
    bed.run(200_000);
    let both = bed
        .loads
        .service(bed.now(), [bed::PLANE, "kong/b"], bed::SERVICE, RATE);
    near(both.unwrap().value, 150.0);
    // One that runs no pod serves nothing.
    bed.remove("other");
    bed.run(120_000);
    let both = bed
        .loads
        .service(bed.now(), [bed::PLANE, "kong/b"], bed::SERVICE, RATE);
    near(both.unwrap().value, 100.0);
    let none = bed.loads.service(bed.now(), ["kong/b"], bed::SERVICE, RATE);
    assert_eq!(none, Err(NotKnown::NoPods));
}

#[test]
fn a_name_that_is_new_in_the_table_brings_no_past() {
    let mut bed = fleet(1);
    bed.table(&[]);
    bed.run(90_000);
    bed.table(&[bed::SERVICE]);
    for _ in 0..60 {
        bed.run(1_000);
        if let Ok(value) = bed.value(RATE) {
            assert!((95.0..105.0).contains(&value.value), "{value:?}");
        }
    }
    near(bed.known(RATE), 100.0);
}

#[test]
fn a_dataplane_itself_from_nginx_own_numbers() {
    let mut bed = fleet(2);
    bed.run(90_000);
    let value = |bed: &Bed, signal| {
        bed.loads
            .plane(bed.now(), bed::PLANE, signal)
            .unwrap()
            .value
    };
    near(value(&bed, PlaneSignal::Requests), 200.0);
    near(value(&bed, PlaneSignal::InFlight), 10.0);
    near(value(&bed, PlaneSignal::Connections), 14.0);
    bed.kong("pod-0").silent = true;
    bed.run(60_000);
    near(value(&bed, PlaneSignal::Requests), 200.0);
}

#[test]
fn memory_is_bounded_by_what_all_pods_say_together() {
    let mut bed = Bed::with(crate::WindowSettings {
        bases: 1,
        ..crate::WindowSettings::default()
    });
    bed.add(Kong::new("one").rate(100.0));
    bed.add(Kong::new("two").rate(100.0).phase(1_000));
    bed.run(90_000);
    assert!(bed.refused > 10);
    let few = NotKnown::TooFew {
        reporting: 1,
        of: 2,
    };
    assert_eq!(bed.value(RATE), Err(few));
}

#[test]
fn names_that_are_in_no_table_any_more_are_forgotten() {
    let mut bed = fleet(1);
    bed.run(90_000);
    assert_eq!(bed.loads.services(), 1);
    bed.table(&["shop/other"]);
    assert_eq!(bed.loads.services(), 0);
    // The number is another's now, which had none of this.
    bed.run(30_000);
    let other = bed
        .loads
        .service(bed.now(), [bed::PLANE], "shop/other", RATE);
    assert_eq!(other.unwrap().value, 0.0);
}
