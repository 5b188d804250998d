//! What is remembered for a while, and of which no more than there is room for.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;

/// Remembers `V` of `K` until a time of `T`. What has run out makes room when room is short.
#[derive(Debug)]
pub struct Memory<K, V, T> {
    room: usize,
    all: Mutex<HashMap<K, (V, T)>>,
}

impl<K: Eq + Hash, V: Clone, T: Copy + Ord> Memory<K, V, T> {
    /// Room for so many.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            room,
            all: Mutex::default(),
        }
    }

    /// What is remembered, if it still holds.
    pub fn get(&self, key: &K, now: T) -> Option<V> {
        let all = self.all.lock();
        let (what, until) = all.get(key)?;
        (now < *until).then(|| what.clone())
    }

    /// Remembers it, unless there is no room for one more.
    pub fn put(&self, key: K, what: V, until: T, now: T) {
        let mut all = self.all.lock();
        if all.len() >= self.room {
            all.retain(|_, (_, until)| now < *until);
        }
        if all.len() < self.room {
            all.insert(key, (what, until));
        }
    }

    /// How many are remembered, with those that have run out.
    pub fn len(&self) -> usize {
        self.all.lock().len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_its_time_and_no_more_than_there_is_room_for() {
        let memory = Memory::new(2);
        memory.put("a", 1, 10, 0);
        memory.put("b", 2, 20, 0);
        memory.put("c", 3, 20, 0);
        assert_eq!(memory.get(&"a", 9), Some(1));
        assert_eq!(memory.get(&"a", 10), None);
        assert_eq!(memory.get(&"c", 0), None, "there was no room");
        memory.put("c", 3, 20, 10);
        assert_eq!(memory.get(&"c", 10), Some(3), "the first made room");
        assert_eq!(memory.len(), 2);
    }
}
