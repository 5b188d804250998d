use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says what it is told to, after a while, and keeps the questions.
#[derive(Clone, Default)]
struct Says {
    answer: Arc<Mutex<Option<Result<bool, String>>>>,
    asked: Arc<Mutex<Vec<SubjectAccessReview>>>,
    at_once: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Says {
    fn say(&self, answer: Result<bool, &str>) {
        *self.answer.lock() = Some(answer.map_err(str::to_owned));
    }

    fn count(&self) -> usize {
        self.asked.lock().len()
    }
}

impl Decider for Says {
    async fn decide(&self, review: SubjectAccessReview) -> Result<bool, String> {
        self.asked.lock().push(review);
        let (now, most) = &*self.at_once;
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        now.fetch_sub(1, Ordering::Relaxed);
        let answer = self.answer.lock().clone();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn user(name: &str) -> Arc<User> {
    Arc::new(User {
        name: name.to_owned(),
        ..User::default()
    })
}

fn to<'a>(name: &'a str, subresource: &'a str) -> Permission<'a> {
    Permission {
        version: "v1beta2",
        object: Described {
            resource: "services",
            namespace: "ns",
            name,
        },
        subresource,
    }
}

fn new() -> (Says, Authorization<Says>) {
    let says = Says::default();
    (says.clone(), Authorization::new(says, Counter::default()))
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_question_names_everything() {
    let (says, authorization) = new();
    says.say(Ok(true));
    let user = Arc::new(User {
        name: "ann".to_owned(),
        uid: Some("u-1".to_owned()),
        groups: vec!["dev".to_owned()],
        extra: [("scopes".to_owned(), vec!["r".to_owned()])].into(),
    });
    assert_eq!(authorization.allows(&user, to("echo", "m")).await, Ok(true));
    let review = serde_json::to_value(&says.asked.lock()[0].spec).expect("JSON");
    assert_eq!(
        review,
        serde_json::json!({
            "user": "ann", "uid": "u-1", "groups": ["dev"], "extra": {"scopes": ["r"]},
            "resourceAttributes": {
                "group": "custom.metrics.k8s.io", "version": "v1beta2", "resource": "services",
                "subresource": "m", "namespace": "ns", "name": "echo", "verb": "get",
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_allowance_holds_a_minute_and_is_renewed_behind_the_askers_back() {
    let (says, authorization) = new();
    let (ann, echo) = (user("ann"), to("echo", "m"));
    says.say(Ok(true));
    assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    wait(9).await;
    assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    assert_eq!(says.count(), 1, "remembered");
    wait(1).await;
    // An answer at once, and one question however many ask.
    let before = Instant::now();
    for _ in 0..3 {
        assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    wait(1).await;
    assert_eq!(says.count(), 2);
    // It is allowed no more: known by the question after the next.
    says.say(Ok(false));
    wait(10).await;
    assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    wait(1).await;
    assert_eq!(authorization.allows(&ann, echo).await, Ok(false));
    assert_eq!(says.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_answers_an_allowance_holds_but_not_for_ever() {
    let (says, authorization) = new();
    let (ann, echo) = (user("ann"), to("echo", "m"));
    says.say(Ok(true));
    assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    says.say(Err("no route to host"));
    for _ in 0..5 {
        wait(11).await;
        assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
    }
    // Each time it was asked anew.
    wait(1).await;
    assert_eq!(says.count(), 6);
    wait(5).await;
    assert_eq!(
        authorization.allows(&ann, echo).await,
        Err("no route to host".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_shortly_and_only_for_what_it_was() {
    let (says, authorization) = new();
    let (ann, echo) = (user("ann"), to("echo", "m"));
    says.say(Ok(false));
    assert_eq!(authorization.allows(&ann, echo).await, Ok(false));
    says.say(Ok(true));
    assert_eq!(authorization.allows(&ann, echo).await, Ok(false));
    assert_eq!(authorization.allows(&user("bob"), echo).await, Ok(true));
    assert_eq!(authorization.allows(&ann, to("other", "m")).await, Ok(true));
    assert_eq!(authorization.allows(&ann, to("echo", "n")).await, Ok(true));
    wait(10).await;
    assert_eq!(authorization.allows(&ann, echo).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn masters_are_not_asked_about() {
    let (says, authorization) = new();
    let root = Arc::new(User {
        groups: vec!["system:masters".to_owned()],
        ..User::default()
    });
    assert_eq!(authorization.allows(&root, to("echo", "m")).await, Ok(true));
    assert_eq!(says.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_falls_on_the_api_server_nor_takes_others_turns() {
    let (says, authorization) = new();
    says.say(Ok(true));
    let names: Vec<String> = (0..100).map(|i| format!("service-{i}")).collect();
    let users: Vec<_> = (0..20).map(|i| user(&format!("user-{i}"))).collect();
    let one = names
        .iter()
        .map(|name| authorization.allows(&users[0], to(name, "m")));
    futures::future::join_all(one).await;
    assert_eq!(says.at_once.1.swap(0, Ordering::Relaxed), OF_ONE_USER);
    let (authorization, users) = (&authorization, &users);
    let all = users[1..].iter().flat_map(|user| {
        names
            .iter()
            .take(10)
            .map(move |name| authorization.allows(user, to(name, "m")))
    });
    futures::future::join_all(all).await;
    assert_eq!(says.at_once.1.load(Ordering::Relaxed), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_remembered_than_there_is_room_for() {
    let (_says, authorization) = new();
    let shared = &authorization.shared;
    let key = |i: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&i.to_le_bytes());
        key
    };
    let now = Instant::now();
    for i in 0..FOR_ONE_USER + 10 {
        shared.remember(key(0), key(i), true, now);
    }
    for i in 1..USERS + 10 {
        shared.remember(key(i), key(0), false, now);
    }
    let count = |user: usize| {
        shared
            .decided
            .lock()
            .get(&key(user))
            .map_or(0, HashMap::len)
    };
    assert_eq!(count(0), FOR_ONE_USER);
    assert_eq!(shared.decided.lock().len(), USERS);
    // What has run out makes room.
    let later = now + FRESH;
    shared.remember(key(USERS + 1), key(0), true, later);
    assert_eq!(count(USERS + 1), 1);
    let later = now + HOLDS;
    shared.remember(key(0), key(FOR_ONE_USER + 1), true, later);
    assert_eq!(count(0), 1);
}
