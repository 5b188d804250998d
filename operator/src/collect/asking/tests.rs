use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tagalong_exposition::merge::MergeSource;
use tagalong_index::Key;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Pods that need so long to answer, or never do.
#[derive(Clone, Default)]
struct Sky {
    needs: Arc<Mutex<BTreeMap<String, Option<Duration>>>>,
    /// By pod: requests that were made, are under way, and were under way at once.
    counts: Arc<Mutex<BTreeMap<String, [usize; 3]>>>,
    asking: Option<Asking>,
}

struct UnderWay(Sky, String);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.counts.lock().entry(self.1.clone()).or_default()[1] -= 1;
    }
}

impl Sky {
    fn new(pods: &[(&str, Option<Duration>)]) -> Self {
        let mut sky = Self::default();
        for (uid, needs) in pods {
            sky.needs(uid, *needs);
        }
        let pods = sky.clone();
        sky.asking = Some(Asking::new(Box::new(move |target, deadline| {
            let pods = pods.clone();
            async move { pods.answer(target, deadline).await }.boxed()
        })));
        sky
    }

    fn needs(&self, uid: &str, needs: Option<Duration>) {
        self.needs.lock().insert(uid.to_owned(), needs);
    }

    async fn answer(
        self,
        target: PodTarget,
        deadline: Instant,
    ) -> Result<FinishedSource, FetchError> {
        let needs = self.needs.lock()[&target.uid];
        {
            let mut counts = self.counts.lock();
            let [made, now, most] = counts.entry(target.uid.clone()).or_default();
            (*made, *now) = (*made + 1, *now + 1);
            *most = (*most).max(*now);
        }
        let _under_way = UnderWay(self.clone(), target.uid.clone());
        let answer = async {
            match needs {
                Some(needs) => sleep(needs).await,
                None => std::future::pending().await,
            }
        };
        let answered = timeout_at(deadline, answer).await;
        answered.map_err(|_| FetchError::Timeout)?;
        let mut source = MergeSource::new(&[("pod", &target.uid)], 100);
        source.push(b"up 1\n");
        source.finish();
        Ok(source.into())
    }

    fn asking(&self) -> &Asking {
        self.asking.as_ref().expect("it was made")
    }

    /// What a scrape gets that gives pods so long: of each pod how old the request was at its arrival, if there are samples; and
    /// how long it took.
    async fn scrape(&self, timeout: Duration) -> (BTreeMap<String, Option<Duration>>, Duration) {
        let arrived = Instant::now();
        let times = Times {
            arrived,
            deadline: arrived + timeout,
        };
        let target = |uid: &String| PodTarget {
            uid: uid.clone(),
            pod: Key::new("default", uid.as_str()),
            dataplane: Key::new("default", "kong"),
            ends: false,
            address: "127.0.0.1:1".parse().expect("an address"),
            url: String::new(),
        };
        let targets = self.needs.lock().keys().map(target).collect();
        let _waiting = self.asking().waiting();
        let wants = self.asking().all(targets, times).await;
        let took = arrived.elapsed();
        let asked = self.asking().asked_for(&wants).into_iter();
        let taken = self.asking().taken(&wants, arrived).into_iter().zip(asked);
        let got = taken.map(|(answer, (_, asked))| {
            let asked = asked.filter(|_| answer.source.is_ok());
            let age = asked.map(|asked| arrived.saturating_duration_since(asked));
            (answer.target.uid.clone(), age)
        });
        (got.collect(), took)
    }

    fn begin(&self, timeout: Duration) -> Scrape {
        let sky = self.clone();
        tokio::spawn(async move { sky.scrape(timeout).await })
    }

    fn made(&self, uid: &str) -> usize {
        self.counts.lock()[uid][0]
    }
}

type Scrape = tokio::task::JoinHandle<(BTreeMap<String, Option<Duration>>, Duration)>;

#[tokio::test(start_paused = true)]
async fn three_who_wait_long_and_a_pod_that_hangs_keep_nobody_waiting() {
    let sky = Sky::new(&[("good", Some(SECOND / 4)), ("hangs", None)]);
    let long: Vec<_> = [100, 107, 114]
        .map(|seconds| sky.begin(seconds * SECOND))
        .into();
    for round in 0..6 {
        sleep(15 * SECOND).await;
        let (got, took) = sky.scrape(9 * SECOND).await;
        let age = got["good"].expect("its samples");
        assert!(age <= FRESH, "{age:?} old in round {round}");
        assert!(took <= 9 * SECOND, "{took:?} in round {round}");
        assert_eq!(got["hangs"], None);
        let (_, samples) = sky.asking().held();
        assert_eq!(samples, 1, "what came is held once, whoever waits");
    }
    for one in long {
        let (got, _) = one.await.expect("no panic");
        assert!(got["good"].is_some());
    }
    assert_eq!(sky.asking().held().1, 0, "nobody waits");
    sleep(LONGEST).await;
    assert_eq!(sky.asking().held(), (0, 0), "nothing goes on for ever");
}

#[tokio::test(start_paused = true)]
async fn those_who_come_together_ask_once_and_the_next_asks_anew() {
    let sky = Sky::new(&[("good", Some(SECOND))]);
    let all: Vec<_> = (0..300).map(|_| sky.begin(9 * SECOND)).collect();
    for one in all {
        let (got, took) = one.await.expect("no panic");
        assert!(got["good"].is_some() && took <= SECOND);
    }
    assert_eq!(sky.made("good"), 1);
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["good"], took), (Some(Duration::ZERO), SECOND));
    assert_eq!(sky.made("good"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_timeout_takes_nothing_from_a_long_one() {
    let sky = Sky::new(&[("slow", Some(20 * SECOND))]);
    let brief = [1, 5, 9].map(|seconds| sky.begin(seconds * SECOND));
    sleep(SECOND / 2).await;
    let (got, took) = sky.scrape(27 * SECOND).await;
    assert!(got["slow"].is_some(), "after {took:?}");
    for one in brief {
        assert_eq!(one.await.expect("no panic").0["slow"], None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_did_not_answer_has_twice_what_it_needed_then() {
    let sky = Sky::new(&[
        ("large", Some(3400 * SECOND / 1000)),
        ("good", Some(SECOND / 4)),
    ]);
    assert!(sky.scrape(9 * SECOND).await.0["large"].is_some());
    sky.needs("large", None);
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["large"], took), (None, 9 * SECOND));
    sky.needs("large", Some(5800 * SECOND / 1000));
    let (got, _) = sky.scrape(9 * SECOND).await;
    assert!(got["large"].is_some(), "after one hiccup it fits again");
    sky.needs("large", None);
    let _hiccup = sky.scrape(9 * SECOND).await;
    sky.needs("good", None);
    let _both = sky.scrape(20 * SECOND).await;
    sky.needs("large", Some(3400 * SECOND / 1000));
    let (got, took) = sky.scrape(20 * SECOND).await;
    assert!(got["large"].is_some());
    assert_eq!(
        took,
        3400 * SECOND / 1000,
        "the other is waited for less long"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_hangs_keeps_scrapers_for_a_short_time_only() {
    let sky = Sky::new(&[("good", Some(SECOND / 4)), ("hangs", None)]);
    let (_, took) = sky.scrape(9 * SECOND).await;
    assert_eq!(took, 9 * SECOND);
    for _ in 0..5 {
        sleep(6 * SECOND).await;
        let (got, took) = sky.scrape(9 * SECOND).await;
        assert_eq!((got["good"].is_some(), took), (true, FAIR));
    }
    sky.needs("hangs", Some(SECOND));
    sleep(9 * SECOND).await;
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["hangs"].is_some(), took), (true, SECOND));
}

/// Else a pod that is slow and failed before it ever answered would never be collected.
#[tokio::test(start_paused = true)]
async fn what_a_pod_needs_is_learnt_while_nobody_waits_for_it() {
    let sky = Sky::new(&[("large", None)]);
    let _hangs = sky.scrape(9 * SECOND).await;
    sky.needs("large", Some(6 * SECOND));
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["large"], took), (None, FAIR));
    sleep(6 * SECOND).await;
    assert_eq!(sky.asking().held(), (0, 0), "its samples are nobody's");
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["large"].is_some(), took), (true, 6 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn too_short_a_time_is_not_the_pods_failure() {
    let sky = Sky::new(&[("large", Some(4 * SECOND))]);
    assert_eq!(sky.scrape(SECOND).await.0["large"], None);
    let (got, _) = sky.scrape(9 * SECOND).await;
    assert!(got["large"].is_some());
}

/// Whoever waits long for a connection that is lost keeps nobody from trying another.
#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_not_shared_by_those_who_come_later() {
    let sky = Sky::new(&[("lost", None)]);
    let _long = sky.begin(100 * SECOND);
    sleep(15 * SECOND).await;
    sky.needs("lost", Some(SECOND / 4));
    let (got, took) = sky.scrape(9 * SECOND).await;
    assert_eq!((got["lost"], took), (Some(Duration::ZERO), SECOND / 4));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_leaves_nothing_under_way() {
    let sky = Sky::new(&[("hangs", None)]);
    let one = sky.begin(100 * SECOND);
    sleep(SECOND).await;
    one.abort();
    sleep(SECOND).await;
    assert_eq!(sky.asking().held(), (0, 0));
    assert_eq!(sky.counts.lock()["hangs"][1], 0);
}

fn seconds() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), Just(9.0), Just(27.0), Just(119.0), 1.0..119.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever else scrapes, a scrape gets what it would get alone, no older than its own timeout, in its own time.
    #[test]
    fn nobody_loses_by_others(
        pods in prop::collection::vec(prop::option::weighted(0.7, 0.0..30.0), 1..5),
        scrapes in prop::collection::vec((0.0..200.0, seconds()), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let names: Vec<String> = (0..pods.len()).map(|pod| pod.to_string()).collect();
            let needs = pods.iter().map(|needs| needs.map(Duration::from_secs_f64));
            let named: Vec<_> = names.iter().map(String::as_str).zip(needs.clone()).collect();
            let sky = Sky::new(&named);
            let all: Vec<_> = scrapes.iter().map(|(at, timeout)| {
                let (sky, at) = (sky.clone(), Duration::from_secs_f64(*at));
                let timeout = Duration::from_secs_f64(*timeout);
                tokio::spawn(async move {
                    sleep(at).await;
                    (timeout, sky.scrape(timeout).await)
                })
            }).collect();
            let moment = Duration::from_millis(10);
            // A pod that always answers, and has always had the time to, was never given less.
            let least = scrapes.iter().map(|(_, timeout)| *timeout).fold(f64::MAX, f64::min);
            for one in all {
                let (timeout, (got, took)) = one.await.expect("no panic");
                assert!(took <= timeout + moment, "{took:?} of {timeout:?}");
                for (name, needs) in &named {
                    let age = got[*name];
                    if let Some(age) = age {
                        assert!(age <= timeout.max(FRESH) + moment || needs.is_some_and(|needs| age <= needs), "{age:?} old, {timeout:?}");
                    }
                    match needs {
                        None => assert_eq!(age, None),
                        Some(needs) if *needs + moment > timeout => {}
                        Some(needs) if needs.as_secs_f64() < least.max(FAIR.as_secs_f64()) => {
                            assert!(age.is_some(), "{name} needs {needs:?} of {timeout:?}");
                        }
                        Some(_) => {}
                    }
                }
            }
            assert_eq!(sky.asking().held().1, 0);
            let counts = sky.counts.lock();
            assert!(counts.values().all(|[_, _, most]| *most <= REQUESTS), "{counts:?}");
        });
    }
}
