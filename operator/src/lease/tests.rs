use super::*;
use parking_lot::Mutex;
use std::sync::Arc;
use tagalong_runtime::drain;

/// A lease in memory that can be out of reach.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<(Option<Object>, u64, bool)>>);

impl Memory {
    fn away(&self, away: bool) {
        self.0.lock().2 = away;
    }

    fn edit(&self, edit: impl FnOnce(&mut Object)) {
        let mut state = self.0.lock();
        state.1 += 1;
        let version = state.1.to_string();
        let object = state.0.get_or_insert_default();
        object.metadata.resource_version = Some(version);
        edit(object);
    }

    fn holder(&self) -> String {
        let state = self.0.lock();
        state
            .0
            .as_ref()
            .map_or(String::new(), |o| holder(o).to_owned())
    }
}

impl Store for Memory {
    async fn get(&self) -> Result<Option<Object>, String> {
        let state = self.0.lock();
        if state.2 {
            Err("away".into())
        } else {
            Ok(state.0.clone())
        }
    }

    async fn put(&self, mut lease: Object) -> Result<Object, PutError> {
        let mut state = self.0.lock();
        if state.2 {
            return Err(PutError::Other("away".into()));
        }
        let stands = state
            .0
            .as_ref()
            .and_then(|o| o.metadata.resource_version.clone());
        if lease.metadata.resource_version != stands {
            return Err(PutError::Conflict);
        }
        state.1 += 1;
        lease.metadata.resource_version = Some(state.1.to_string());
        state.0 = Some(lease.clone());
        Ok(lease)
    }
}

struct Replica {
    writes: Writes,
    trigger: drain::Trigger,
    run: JoinHandle<Result<(), Lost>>,
}

fn start(store: &Memory, name: &str) -> Replica {
    let (lease, writes) = Lease::new(store.clone(), LeaseSettings::new(name));
    let (trigger, drain) = drain::channel();
    Replica {
        writes,
        trigger,
        run: tokio::spawn(lease.run(drain)),
    }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_holder_and_a_quick_handover() {
    let store = Memory::default();
    let first = start(&store, "first");
    first.writes.granted().await;
    let second = start(&store, "second");
    seconds(60).await;
    assert!(first.writes.allowed() && !second.writes.allowed());

    assert!(first.trigger.drain(Duration::from_secs(10)).await);
    assert!(first.run.await.expect("no panic").is_ok());
    assert!(!first.writes.allowed());
    seconds(4).await;
    assert!(
        second.writes.allowed(),
        "a lease given back is free at once"
    );
}

#[tokio::test(start_paused = true)]
async fn never_two_writers_when_the_holder_dies() {
    let store = Memory::default();
    let first = start(&store, "first");
    first.writes.granted().await;
    let second = start(&store, "second");
    seconds(10).await;
    first.run.abort();
    let mut both_silent = 0;
    for _ in 0..60 {
        assert!(!(first.writes.allowed() && second.writes.allowed()));
        both_silent += u32::from(!first.writes.allowed() && !second.writes.allowed());
        seconds(1).await;
    }
    assert!(second.writes.allowed());
    assert!(both_silent > 0, "there is a safe gap between the two");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_process() {
    let store = Memory::default();
    let replica = start(&store, "first");
    replica.writes.granted().await;
    store.away(true);
    seconds(11).await;
    assert!(
        !replica.writes.allowed(),
        "writes end before the claim does"
    );
    let lost = replica.run.await.expect("no panic");
    assert!(matches!(lost, Err(Lost::Unrenewed(reason)) if reason == "away"));
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_and_others_edits_end_nothing() {
    let store = Memory::default();
    let replica = start(&store, "first");
    replica.writes.granted().await;
    store.away(true);
    seconds(6).await;
    store.away(false);
    store.edit(|object| object.metadata.labels = Some([("a".into(), "b".into())].into()));
    seconds(60).await;
    assert!(replica.writes.allowed() && !replica.run.is_finished());
    assert_eq!(store.holder(), "first");
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_by_force_is_lost() {
    let store = Memory::default();
    let replica = start(&store, "first");
    replica.writes.granted().await;
    store.edit(|object| {
        object.spec.get_or_insert_default().holder_identity = Some("thief".into());
    });
    let lost = replica.run.await.expect("no panic");
    assert!(matches!(lost, Err(Lost::Taken(by)) if by == "thief"));
    assert_eq!(
        store.holder(),
        "thief",
        "what is not ours is not given back"
    );
}

#[tokio::test(start_paused = true)]
async fn writes_need_a_claim_and_do_not_outlive_it() {
    let store = Memory::default();
    let (lease, writes) = Lease::new(store.clone(), LeaseSettings::new("first"));
    assert_eq!(writes.run(async { 1 }).await, Err(NotLeader));
    let (_trigger, drain) = drain::channel();
    let run = tokio::spawn(lease.run(drain));
    writes.granted().await;
    assert_eq!(writes.run(async { 1 }).await, Ok(1));
    let renewed = writes.run(tokio::time::sleep(Duration::from_secs(60)));
    assert_eq!(renewed.await, Ok(()), "renewals carry a long write");
    store.away(true);
    let hangs = writes.run(std::future::pending::<()>());
    assert_eq!(hangs.await, Err(NotLeader));
    assert!(run.await.expect("no panic").is_err());
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_given_back_only_after_running_writes() {
    let store = Memory::default();
    let replica = start(&store, "first");
    replica.writes.granted().await;
    let writes = replica.writes.clone();
    let write =
        tokio::spawn(async move { writes.run(tokio::time::sleep(Duration::from_secs(2))).await });
    tokio::task::yield_now().await;
    let drained = tokio::spawn(replica.trigger.drain(Duration::from_secs(10)));
    seconds(1).await;
    assert_eq!(store.holder(), "first");
    assert_eq!(write.await.expect("no panic"), Ok(()));
    assert!(drained.await.expect("no panic"));
    assert_eq!(store.holder(), "");
}

#[tokio::test]
async fn alone_one_may_write() {
    assert_eq!(Writes::always().run(async { 1 }).await, Ok(1));
}

/// A lease that can be written, but for a while not be looked at: requests hang.
#[derive(Clone, Default)]
struct Hanging(Memory, Arc<Mutex<bool>>);

impl Store for Hanging {
    async fn get(&self) -> Result<Option<Object>, String> {
        let hangs = *self.1.lock();
        if hangs {
            std::future::pending::<()>().await;
        }
        self.0.get().await
    }

    async fn put(&self, lease: Object) -> Result<Object, PutError> {
        self.0.put(lease).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_ends_with_the_claim() {
    for (hangs, lost) in [(6, false), (60, true)] {
        let store = Hanging::default();
        let (lease, writes) = Lease::new(store.clone(), LeaseSettings::new("first"));
        let (_trigger, drain) = drain::channel();
        let run = tokio::spawn(lease.run(drain));
        writes.granted().await;
        *store.1.lock() = true;
        store
            .0
            .edit(|object| object.metadata.labels = Some([("a".into(), "b".into())].into()));
        seconds(hangs).await;
        *store.1.lock() = false;
        seconds(10).await;
        assert_eq!(run.is_finished(), lost, "after {hangs} s");
        assert_eq!(writes.allowed(), !lost);
    }
}
