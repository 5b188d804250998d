//! Pods that lie, and pods that cannot help it.

use super::*;
use crate::collect::announce;

const HONEST: &str = "# HELP kong_http_requests_total HTTP\n# TYPE kong_http_requests_total counter\n\
    kong_http_requests_total{service=\"a\",code=\"200\"} 5\nkong_http_requests_total{service=\"a\",code=\"500\"} 7\n";
const LIAR: &str = "# TYPE kong_http_requests_total gauge\nkong_http_requests_total{service=\"a\"} 1\n\
    mine{service=\"a\"} 1e400\nup{service=\"a\"} 0\nALERTS{service=\"a\"} 1\nscrape_samples_scraped{service=\"a\"} 1\n\
    tagalong_build_info{service=\"a\"} 5\ntagalong_sidecar_samples_total{service=\"a\"} 1\n\
    # TYPE pw histogram\npw{service=\"a\",le=\"1\"} 1\n";

#[tokio::test]
async fn a_lying_pod_costs_its_own_samples_only() {
    let (_trigger, drain) = drain::channel();
    let (liar, _) = sidecar("0", LIAR, &drain).await;
    let (honest, _) = sidecar("1", HONEST, &drain).await;
    let metrics = Metrics::default();
    let (announcer, mut troubles) = announce::channel();
    let collector = Collector::new(
        world(vec![pod("0", liar), pod("1", honest)]),
        Aggregate::Enriched,
        PodLimits::default(),
        metrics.collect.clone(),
        Some(announcer),
    );
    let scrape = Scrape {
        metrics,
        collector: Some((collector, Writes::always())),
    };
    let answer = body(scrape.clone().answer(request()).await).await;
    let of = |pod: &str| -> Vec<&str> {
        let pod = format!("dataplane_pod=\"pod-{pod}\",dataplane_url");
        let lines = answer.lines().filter(|line| line.contains(&pod));
        lines.filter_map(|line| line.split('{').next()).collect()
    };
    assert_eq!(of("1"), ["kong_http_requests_total"; 2], "{answer}");
    assert_eq!(
        of("0"),
        ["tagalong_sidecar_samples_total", "pw"],
        "{answer}"
    );
    assert!(
        answer.contains("# TYPE kong_http_requests_total counter\n"),
        "{answer}"
    );
    let told = "tagalong_collect_pod_samples_left_out{dataplane=\"kong\",dataplane_namespace=\"default\",\
        dataplane_pod=\"pod-0\",family=\"kong_http_requests_total\"} 1\n";
    assert!(answer.contains(told), "in the same scrape: {answer}");
    let event = format!("{:?}", troubles.try_recv().expect("an Event"));
    assert!(event.contains("MetricsLeftOut"), "{event}");
    assert!(
        event.contains("kong_http_requests_total is gauge here, and counter elsewhere"),
        "{event}"
    );
    let answer = body(scrape.answer(request()).await).await;
    assert!(troubles.try_recv().is_err(), "once");
    for (reason, lines) in [("reserved", 4), ("unparsed", 1), ("conflicting_samples", 1)] {
        let line =
            format!("tagalong_collect_lines_left_out_total{{reason=\"{reason}\"}} {lines}\n");
        assert!(answer.contains(&line), "no {line} in {answer}");
    }
}

/// Before anybody lied, all said the same; that is what holds.
#[tokio::test]
async fn a_lie_does_not_win_where_nobody_knows_better() {
    let (_trigger, drain) = drain::channel();
    let (liar, _) = sidecar("0", "# TYPE x gauge\nx{service=\"a\"} 1\n", &drain).await;
    let (honest, _) = sidecar("1", "# TYPE x counter\nx{service=\"a\"} 1\n", &drain).await;
    let world = world(vec![pod("1", honest)]);
    let scrape = scraper(world.clone(), Writes::always());
    body(scrape.clone().answer(request()).await).await;
    world.replace(&objects(vec![pod("0", liar), pod("1", honest)]));
    for _ in 0..2 {
        let answer = body(scrape.clone().answer(request()).await).await;
        assert!(answer.contains("# TYPE x counter\n"), "{answer}");
    }
}

/// As Kong's are under load.
#[tokio::test]
async fn a_series_that_is_not_whole_is_text_for_whoever_takes_it() {
    let (_trigger, drain) = drain::channel();
    let racing = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_count 3\nh_sum 1\n";
    let (address, _) = sidecar("1", racing, &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    for (accept, format, header) in [
        (
            "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
            TEXT,
            "# TYPE h histogram\n",
        ),
        (
            "application/openmetrics-text;version=1.0.0",
            OPEN,
            "# TYPE h_bucket unknown\n",
        ),
    ] {
        let mut request = request();
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(accept));
        let answer = scrape.clone().answer(request).await;
        assert_eq!(answer.headers()[CONTENT_TYPE], format);
        let answer = body(answer).await;
        assert!(answer.contains(header), "{answer}");
        assert_eq!(
            answer.lines().filter(|line| line.starts_with("h_")).count(),
            3,
            "{answer}"
        );
    }
}
