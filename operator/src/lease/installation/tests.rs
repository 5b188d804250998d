use super::*;
use parking_lot::Mutex;
use std::sync::Arc;

/// A mark and Leases in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    mark: Option<Mark>,
    versions: u64,
    leases: BTreeMap<Key, u64>,
}

impl Memory {
    fn marked(working: Option<&str>) -> Self {
        let memory = Self::default();
        memory.0.lock().mark = Some(Mark {
            version: "0".to_owned(),
            working: working.map(key),
            waiting: None,
        });
        memory
    }

    fn renews(&self, of: &str) {
        *self.0.lock().leases.entry(key(of)).or_default() += 1;
    }

    fn deletes(&self, of: &str) {
        self.0.lock().leases.remove(&key(of));
    }

    /// Who works, and who waits.
    fn says(&self) -> [Option<String>; 2] {
        let mark = self.0.lock().mark.clone().unwrap_or_default();
        [mark.working, mark.waiting].map(|named| named.map(|key| key.to_string()))
    }

    fn versions(&self) -> u64 {
        self.0.lock().versions
    }
}

impl Marks for Memory {
    async fn read(&self) -> Result<Option<Mark>, String> {
        Ok(self.0.lock().mark.clone())
    }

    async fn write(&self, mut mark: Mark) -> Result<(), PutError> {
        let mut state = self.0.lock();
        if state.mark.as_ref().map(|mark| &mark.version) != Some(&mark.version) {
            return Err(PutError::Conflict);
        }
        state.versions += 1;
        mark.version = state.versions.to_string();
        state.mark = Some(mark);
        Ok(())
    }

    async fn lease(&self, of: &Key) -> Result<Option<String>, String> {
        Ok(self.0.lock().leases.get(of).map(ToString::to_string))
    }
}

/// One that another reads before it writes: the race of two newcomers.
struct Slow(Memory, Mark);

impl Marks for Slow {
    async fn read(&self) -> Result<Option<Mark>, String> {
        Ok(Some(self.1.clone()))
    }

    async fn write(&self, mark: Mark) -> Result<(), PutError> {
        self.0.write(mark).await
    }

    async fn lease(&self, of: &Key) -> Result<Option<String>, String> {
        self.0.lease(of).await
    }
}

const OLD: &str = "old/tagalong-operator";
const NEW: &str = "new/second-operator";

fn key(text: &str) -> Key {
    text.parse().unwrap_or_else(|_| Key::new("", ""))
}

fn named(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn works() -> Result<Standing, String> {
    Ok(Standing::Works { waiting: None })
}

fn waits_for(text: &str) -> Result<Standing, String> {
    let working = key(text);
    Ok(Standing::Waits { working })
}

#[tokio::test]
async fn whoever_comes_first_works_and_says_so_once() {
    let memory = Memory::marked(None);
    let mut first = Watchman::new(memory.clone(), key(OLD));
    let now = Instant::now();
    // A replica that does not hold the Lease takes nothing, and knows nothing yet.
    assert_eq!(first.look(false, now).await, Ok(Standing::Unknown));
    assert_eq!(memory.says(), [None, None]);
    assert_eq!(first.look(true, now).await, works());
    assert_eq!(memory.says(), [named(OLD), None]);
    let written = memory.versions();
    // Its other replicas, a rollback, a restart and a restore all have the same name.
    for holds_lease in [true, false] {
        let mut replica = Watchman::new(memory.clone(), key(OLD));
        assert_eq!(replica.look(holds_lease, now).await, works());
    }
    assert_eq!(memory.versions(), written, "nothing is written twice");
}

#[tokio::test]
async fn whoever_comes_later_waits_and_both_know_of_each_other() {
    let memory = Memory::marked(Some(OLD));
    let mut old = Watchman::new(memory.clone(), key(OLD));
    let mut new = Watchman::new(memory.clone(), key(NEW));
    let mut now = Instant::now();
    memory.renews(OLD);
    // It looks before it leads, and tells nobody then.
    assert_eq!(new.look(false, now).await, waits_for(OLD));
    assert_eq!(memory.says(), [named(OLD), None]);
    for _ in 0..100 {
        now += Duration::from_secs(3);
        memory.renews(OLD);
        memory.renews(NEW);
        assert_eq!(new.look(true, now).await, waits_for(OLD));
        let waiting = Some(key(NEW));
        assert_eq!(old.look(true, now).await, Ok(Standing::Works { waiting }));
    }
    assert_eq!(memory.versions(), 1, "one word of the newcomer's, no more");
    // The newcomer is uninstalled again.
    memory.deletes(NEW);
    assert_eq!(old.look(false, now).await, works());
    assert_eq!(
        memory.says(),
        [named(OLD), named(NEW)],
        "only the leader writes"
    );
    assert_eq!(old.look(true, now).await, works());
    assert_eq!(memory.says(), [named(OLD), None]);
}

#[tokio::test]
async fn a_lease_that_is_gone_is_free_at_once_and_one_that_nobody_renews_after_a_minute() {
    let memory = Memory::marked(Some(OLD));
    let mut new = Watchman::new(memory.clone(), key(NEW));
    let begun = Instant::now();
    memory.renews(OLD);
    assert_eq!(new.look(true, begun).await, waits_for(OLD));
    // It comes back within the minute, as in a rollout: the minute begins again.
    memory.renews(OLD);
    let seen = begun + STALE;
    assert_eq!(new.look(true, seen).await, waits_for(OLD));
    assert_eq!(new.look(true, seen + STALE).await, waits_for(OLD));
    let late = seen + STALE + Duration::from_secs(1);
    assert_eq!(new.look(false, late).await, Ok(Standing::Unknown));
    assert_eq!(new.look(true, late).await, works());
    assert_eq!(memory.says(), [named(NEW), None]);
    // The old one comes back, and waits.
    memory.renews(NEW);
    let mut old = Watchman::new(memory.clone(), key(OLD));
    assert_eq!(old.look(true, late).await, waits_for(NEW));
    memory.deletes(NEW);
    assert_eq!(old.look(true, late).await, works());
}

#[tokio::test]
async fn of_two_that_come_at_once_one_works() {
    let memory = Memory::marked(None);
    let before = Mark {
        version: "0".to_owned(),
        ..Mark::default()
    };
    let now = Instant::now();
    let mut one = Watchman::new(memory.clone(), key(OLD));
    assert_eq!(one.look(true, now).await, works());
    let mut other = Watchman::new(Slow(memory.clone(), before), key(NEW));
    assert!(other.look(true, now).await.is_err());
    assert_eq!(memory.says(), [named(OLD), None]);
}

#[tokio::test]
async fn without_a_mark_nothing_keeps_it_from_working() {
    let mut only = Watchman::new(Memory::default(), key(OLD));
    assert_eq!(only.look(true, Instant::now()).await, works());
    assert_eq!(only.look(false, Instant::now()).await, works());
}
