//! Who holds the places for connections, and who has to give one up when there is none left.
//!
//! The API server and Prometheus are the idlest of all, so "whoever has idled longest" would let a stranger evict them by
//! opening connections. It is the address with the most places that pays, and never for one that holds more itself.

use super::answers::Answers;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The places of one server.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    by: Vec<Holder>,
}

#[derive(Clone, Debug)]
struct Holder {
    id: u64,
    address: IpAddr,
    answers: Answers,
    lost: Arc<Notify>,
}

/// A place that is held. It is free again when this is dropped, or when it has been lost to another.
#[derive(Debug)]
pub(super) struct Place {
    holder: Holder,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: Mutex::default(),
        })
    }

    /// A place for a connection from `address`, and the address that lost it, if another one had to. None if all are held
    /// by those with a better right.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<(Place, Option<IpAddr>)> {
        let mut held = self.held.lock();
        let mut from = None;
        if held.by.len() >= self.most {
            let loser = held.loser(address)?;
            held.by.retain(|holder| holder.id != loser.id);
            loser.lost.notify_one();
            from = Some(loser.address);
        }
        let id = held.next;
        held.next += 1;
        let holder = Holder {
            id,
            address,
            answers: Answers::new(),
            lost: Arc::default(),
        };
        held.by.push(holder.clone());
        let places = Arc::clone(self);
        Some((Place { holder, places }, from))
    }
}

impl Held {
    /// Of the addresses that hold at least as much as the newcomer, those with the most first: the connection that has
    /// idled longest. If none idles, of one that holds more than the newcomer will: what has been at it longest.
    fn loser(&self, newcomer: IpAddr) -> Option<Holder> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for holder in &self.by {
            *counts.entry(holder.address).or_default() += 1;
        }
        let count = |address: &IpAddr| counts.get(address).copied().unwrap_or_default();
        let own = count(&newcomer);
        let first = |least: usize, since: fn(&Answers) -> Option<Instant>| {
            let rank = |holder: &Holder| {
                let (count, since) = (count(&holder.address), since(&holder.answers)?);
                (count >= least).then_some((count, holder.address, Reverse(since)))
            };
            self.by
                .iter()
                .rev()
                .filter_map(|holder| Some((rank(holder)?, holder)))
                .max_by_key(|(rank, _)| *rank)
                .map(|(_, holder)| holder.clone())
        };
        first(own.max(1), Answers::idle_since).or_else(|| first(own + 2, Answers::busy_since))
    }
}

impl Place {
    /// What is under way on its connection.
    pub(super) fn answers(&self) -> &Answers {
        &self.holder.answers
    }

    /// Resolves once it is another's.
    pub(super) async fn lost(&self) {
        self.holder.lost.notified().await;
        // Whoever asks again is told again.
        self.holder.lost.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.lock();
        held.by.retain(|holder| holder.id != self.holder.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn take(places: &Arc<Places>, last: u8) -> (Place, Option<IpAddr>) {
        places.take(ip(last)).expect("a place")
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_of_the_address_with_the_most_goes() {
        let places = Places::new(4);
        // The scraper is the idlest of all.
        let (scraper, _) = take(&places, 1);
        let mut strangers = Vec::new();
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            strangers.push(take(&places, 9).0);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let busy = strangers[0].answers().begin();
        let (_another, from) = take(&places, 9);
        assert_eq!(from, Some(ip(9)));
        strangers[1].lost().await;
        drop(busy);
        let (_probe, from) = take(&places, 2);
        assert_eq!(from, Some(ip(9)));
        let lost = tokio::time::timeout(Duration::from_secs(1), scraper.lost()).await;
        assert!(lost.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_more_takes_nothing_from_who_has_less() {
        let places = Places::new(3);
        let (scraper, _) = take(&places, 1);
        let strangers: Vec<_> = (0..2).map(|_| take(&places, 9).0).collect();
        let busy = |place: &Place| place.answers().begin();
        let _under_way = (busy(&scraper), busy(&strangers[0]), busy(&strangers[1]));
        assert!(places.take(ip(9)).is_none());
        // Who has less may take what has been at it longest.
        let (second, from) = take(&places, 2);
        assert_eq!(from, Some(ip(9)));
        strangers[0].lost().await;
        // One each: nobody takes from anybody who is at it, and who idles loses nothing by it.
        let under_way = busy(&second);
        assert!(places.take(ip(3)).is_none());
        drop(under_way);
        let (_third, from) = take(&places, 3);
        assert_eq!(from, Some(ip(2)));
    }

    #[tokio::test]
    async fn a_place_is_free_when_its_connection_is_gone() {
        let places = Places::new(1);
        let (place, _) = take(&places, 1);
        let under_way = place.answers().begin();
        assert!(places.take(ip(2)).is_none());
        drop((under_way, place));
        assert_eq!(take(&places, 2).1, None);
    }
}
