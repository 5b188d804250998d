//! A share for each asker: however many requests come from one address, or of one user, only few of them take the place of
//! others'.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Peers<K> = Arc<Mutex<HashMap<K, Arc<Semaphore>>>>;

/// Permits of peers that have requests under way. A peer without any is not remembered.
#[derive(Debug)]
pub struct Shares<K> {
    each: usize,
    peers: Peers<K>,
}

/// One of a peer's permits.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    peer: K,
    peers: Peers<K>,
    /// Taken out when dropped, before the peer is looked for.
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// `each` permits for every peer.
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self {
            each,
            peers: Arc::default(),
        }
    }

    /// Waits for one of the peer's permits; its own requests only are before it.
    pub async fn of(&self, peer: K) -> Share<K> {
        let semaphore = {
            let mut peers = self.peers.lock();
            let share = peers.entry(peer);
            Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(self.each))))
        };
        let mut share = Share {
            peer,
            peers: Arc::clone(&self.peers),
            permit: None,
        };
        // It is never closed.
        share.permit = semaphore.acquire_owned().await.ok();
        share
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut peers = self.peers.lock();
        // Whoever waits or holds a permit has the semaphore, too.
        if peers
            .get(&self.peer)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            peers.remove(&self.peer);
        }
    }
}

#[cfg(test)]
mod tests;
