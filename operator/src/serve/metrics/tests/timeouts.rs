//! Scrapers that wait longer or less long than others, and one that does not read.

use super::*;
use crate::collect::announce;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

const BODY: &str = "# TYPE k counter\nk{service=\"a\"} 1\n";
const WAIT: Duration = Duration::from_secs(60);

/// A sidecar that answers once it may, and counts.
async fn gated(
    uid: &'static str,
    body: &'static str,
    gate: watch::Receiver<bool>,
    drain: &drain::Drain,
) -> (SocketAddr, watch::Receiver<usize>) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(any).await.expect("a port");
    let (address, (count, asked)) = (server.address(), watch::channel(0));
    let count = Arc::new(count);
    let answer = move |_request: Request<hyper::body::Incoming>| {
        count.send_modify(|count| *count += 1);
        let mut gate = gate.clone();
        async move {
            let _opened = gate.wait_for(|open| *open).await.is_ok();
            let mut response = text(StatusCode::OK, body);
            let uid = HeaderValue::from_static(uid);
            response.headers_mut().insert("x-tagalong-pod-uid", uid);
            response
        }
    };
    tokio::spawn(server.serve(answer, drain.clone()));
    (address, asked)
}

fn waits(seconds: &'static str) -> Request<()> {
    let mut request = request();
    let seconds = HeaderValue::from_static(seconds);
    request.headers_mut().insert(TIMEOUT_HEADER, seconds);
    request
}

fn sample_of(answer: &str, pod: &str) -> bool {
    let sample =
        format!("k{{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"{pod}\"");
    answer.contains(&sample)
}

#[tokio::test]
async fn a_scraper_with_a_short_timeout_takes_no_samples_from_one_with_a_long_one() {
    let (_trigger, drain) = drain::channel();
    let (open, gate) = watch::channel(false);
    let (address, mut asked) = gated("1", BODY, gate, &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    let brief = tokio::spawn(scrape.clone().answer(waits("0.2")));
    asked.wait_for(|count| *count == 1).await.expect("asked");
    let long = tokio::spawn(scrape.answer(waits("60")));
    let brief = body(brief.await.expect("no panic")).await;
    assert!(!sample_of(&brief, "pod-1"), "{brief}");
    open.send_replace(true);
    let long = body(long.await.expect("no panic")).await;
    assert!(sample_of(&long, "pod-1"), "{long}");
}

#[tokio::test]
async fn a_patient_scraper_keeps_no_impatient_one_waiting() {
    let (_trigger, drain) = drain::channel();
    let (_never, shut) = watch::channel(false);
    let (_open, gate) = watch::channel(true);
    let (hangs, mut asked) = gated("1", BODY, shut, &drain).await;
    let (good, _) = gated("2", BODY, gate, &drain).await;
    let world = world(vec![pod("1", hangs), pod("2", good)]);
    let scrape = scraper(world, Writes::always());
    let long = tokio::spawn(scrape.clone().answer(waits("60")));
    asked.wait_for(|count| *count == 1).await.expect("asked");
    let brief = scrape.answer(waits("5")).await;
    assert_eq!(brief.status(), StatusCode::OK);
    let brief = body(brief).await;
    assert!(sample_of(&brief, "pod-2"), "{brief}");
    assert!(!long.is_finished(), "the hanging pod has its time");
    long.abort();
}

/// Else a family's type would change from one scrape to the next.
#[tokio::test]
async fn who_answers_first_decides_nothing() {
    let (_trigger, drain) = drain::channel();
    for last in [0, 1] {
        let gates = [0, 1].map(|pod| watch::channel(pod != last));
        let (counter, _) = gated("1", "# TYPE k counter\nk 1\n", gates[0].1.clone(), &drain).await;
        let (gauge, _) = gated("2", "# TYPE k gauge\nk 2\n", gates[1].1.clone(), &drain).await;
        let pods = [pod("1", counter), pod("2", gauge)];
        let opened = async {
            // Far more than the other one takes; too little of it would let the test pass, never fail.
            tokio::time::sleep(Duration::from_millis(100)).await;
            gates[last].0.send_replace(true);
        };
        let scrape = scraper(world(pods.into()), Writes::always());
        let (answer, ()) = tokio::join!(scrape.answer(waits("60")), opened);
        let answer = body(answer).await;
        assert!(answer.contains("# TYPE k counter\n"), "{answer}");
        assert!(sample_of(&answer, "pod-1"), "{answer}");
        assert!(!sample_of(&answer, "pod-2"), "{answer}");
    }
}

#[tokio::test]
async fn an_absurd_timeout_is_no_pods_failure() {
    let (_trigger, drain) = drain::channel();
    let (_never, shut) = watch::channel(false);
    let (hangs, asked) = gated("1", BODY, shut, &drain).await;
    let metrics = Metrics::default();
    let (announcer, mut troubles) = announce::channel();
    let collector = Collector::new(
        world(vec![pod("1", hangs)]),
        Aggregate::Enriched,
        PodLimits::default(),
        metrics.collect.clone(),
        Some(announcer),
    );
    let scrape = Scrape {
        metrics: metrics.clone(),
        collector: Some((collector, Writes::always())),
    };
    let failed = "tagalong_collect_failures_total{reason=\"timeout\"}";
    let all = (0..50).map(|_| scrape.clone().answer(waits("0.01")));
    futures::future::join_all(all).await;
    // Once, but on a machine so busy that the first have had their time before the last are looked at.
    let asked = *asked.borrow();
    assert!(asked <= 25, "they share, too: asked {asked} times for 50");
    assert!(!metrics.plain().contains(failed), "{}", metrics.plain());
    assert!(troubles.try_recv().is_err());
    body(scrape.answer(waits("3")).await).await;
    let failed = format!("{failed} 1\n");
    assert!(metrics.plain().contains(&failed), "{}", metrics.plain());
    assert!(troubles.try_recv().is_ok());
}

/// A pod that is well needs more than that.
#[tokio::test]
async fn an_absurd_timeout_is_taken_for_a_short_one() {
    let (_trigger, drain) = drain::channel();
    let (address, _) = sidecar("1", "k{service=\"a\"} 1\n", &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    // On a machine that is busy it may take some more.
    for _ in 0..30 {
        let answer = body(scrape.clone().answer(waits("0.05")).await).await;
        if sample_of(&answer, "pod-1") {
            return;
        }
    }
    panic!("it never got the pod's samples");
}

/// What it was to get is let go, and its connection.
#[tokio::test]
async fn who_does_not_read_is_hung_up_on() {
    let (_trigger, drain) = drain::channel();
    let value = "v".repeat(2000);
    let lines = (0..8000).map(|line| format!("k{{service=\"a\",route=\"{line}-{value}\"}} 1\n"));
    // More than the kernel takes.
    let large: &str = lines.collect::<String>().leak();
    let (_open, gate) = watch::channel(true);
    let (address, _) = gated("1", large, gate, &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    let (collector, _) = scrape.collector.clone().expect("it collects");
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(any).await.expect("a port");
    let (address, all) = (server.address(), collector.free());
    let answer = move |request| scrape.clone().answer(request);
    tokio::spawn(
        server
            .with_limits(Scrape::limits())
            .serve(answer, drain.clone()),
    );

    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small one");
    let mut stream = socket.connect(address).await.expect("connects");
    let head =
        "GET /metrics HTTP/1.1\r\nhost: a\r\nx-prometheus-scrape-timeout-seconds: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(collector.free(), all - 1, "what it does not read is held");
    let given_back = async {
        while collector.free() < all {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let given_back = tokio::time::timeout(WAIT, given_back).await;
    assert!(given_back.is_ok(), "it is held for ever");
    let mut rest = Vec::new();
    let _reset = tokio::time::timeout(WAIT, stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < large.len(), "it was hung up on");
}

/// Of Prometheus, by a real connection: reads nothing if it `stalls`.
async fn client(address: SocketAddr, seconds: u32, stalls: bool) -> std::io::Result<Vec<u8>> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    if stalls {
        socket.set_recv_buffer_size(4096)?;
    }
    let mut stream = socket.connect(address).await?;
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         x-prometheus-scrape-timeout-seconds: {seconds}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    if stalls {
        // Enough never to have paused for long.
        while stream.read_buf(&mut answer).await? > 0 {
            answer.clear();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The operator's port, with pods of these bodies, and of none that hangs.
async fn served(bodies: &[Option<&'static str>], drain: &drain::Drain) -> (SocketAddr, Collector) {
    let mut pods = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let (open, gate) = watch::channel(body.is_some());
        let uid: &str = number.to_string().leak();
        let (address, _) = gated(uid, body.unwrap_or_default(), gate, drain).await;
        pods.push(pod(uid, address));
        // It is never opened, and never gone.
        std::mem::forget(open);
    }
    let scrape = scraper(world(pods), Writes::always());
    let (collector, _) = scrape.collector.clone().expect("it collects");
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(any).await.expect("a port");
    let address = server.address();
    let answer = move |request| scrape.clone().answer(request);
    let server = server.with_limits(Scrape::limits());
    tokio::spawn(server.serve(answer, drain.clone()));
    (address, collector)
}

async fn assert_served(address: SocketAddr) {
    let begin = Instant::now();
    let answer = client(address, 10, false).await.expect("an answer");
    let (took, answer) = (begin.elapsed(), String::from_utf8_lossy(&answer));
    let status = answer.lines().next().unwrap_or_default();
    assert_eq!(status, "HTTP/1.1 200 OK", "after {took:?}");
    assert!(sample_of(&answer, "pod-0"), "after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Three requests held every permit for two minutes.
#[tokio::test]
async fn three_who_wait_long_for_a_pod_that_hangs_take_nothing_from_others() {
    let (_trigger, drain) = drain::channel();
    let (address, _) = served(&[Some(BODY), None], &drain).await;
    let long: Vec<_> = [100, 107, 114]
        .map(|seconds| tokio::spawn(client(address, seconds, false)))
        .into();
    // All three are there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_served(address).await;
    assert_served(address).await;
    for one in long {
        one.abort();
    }
}

/// So did three that read little by little.
#[tokio::test]
async fn three_who_read_slowly_take_nothing_from_others() {
    let (_trigger, drain) = drain::channel();
    let value = "v".repeat(2000);
    let lines = (0..8000).map(|line| format!("k{{service=\"a\",route=\"{line}-{value}\"}} 1\n"));
    let large: &str = lines.collect::<String>().leak();
    let (address, collector) = served(&[Some(large)], &drain).await;
    let mut slow = Vec::new();
    for seconds in [100, 107, 114] {
        slow.push(tokio::spawn(client(address, seconds, true)));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(collector.free(), 0, "each holds what it does not read");
    assert_served(address).await;
    for one in slow {
        one.abort();
    }
}
