//! Nginx' own numbers, and what they say of Kong: whether it has begun again, and how many requests it can have had.

use std::collections::VecDeque;
use std::time::Duration;

use tagalong_wire::PodTotals;
use tokio::time::Instant;

/// Nginx counts a request when it begins, Kong when it ends, at the latest after its timeouts, which are a minute each. So
/// what Kong counts in one interval may have begun in an earlier one.
const WINDOW: Duration = Duration::from_secs(120);
/// How far apart the numbers are that are remembered for that.
const APART: Duration = Duration::from_secs(4);
/// Nodes that are remembered.
const NODES: usize = 4;

/// What lies between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// There was no look before.
    Nothing,
    /// The same Kong went on.
    Same,
    /// Kong has begun again, and so have its numbers.
    Restart,
    /// Another Kong answers, whose numbers say nothing of the time since the last look.
    Stranger,
}

/// Nginx' own numbers.
#[derive(Debug, Default)]
pub(super) struct Nginx {
    /// Of the look under way: the node, and its requests.
    seen: Option<(u64, u64)>,
    now: PodTotals,
    /// Nodes by their hashes, the last one in front.
    nodes: VecDeque<u64>,
    last: u64,
    /// Requests at looks of the last two minutes.
    past: VecDeque<(Instant, u64)>,
}

impl Nginx {
    pub(super) fn begin(&mut self) {
        self.seen = None;
        self.now = PodTotals::default();
    }

    pub(super) fn requests(&mut self, node: u64, value: u64) {
        self.seen = Some((node, value));
    }

    pub(super) fn connections(&mut self, state: &[u8], value: u64) {
        match state {
            b"reading" => self.now.reading = value,
            b"writing" => self.now.writing = value,
            b"active" => self.now.active = value,
            _ => {}
        }
    }

    /// Whether the look has found the number of requests. What has none is no Kong of version 3.
    pub(super) fn is_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// The look counts. What has happened since the last one.
    pub(super) fn land(&mut self, now: Instant, pod: &mut PodTotals) -> Since {
        let Some((node, requests)) = self.seen else {
            return Since::Stranger;
        };
        let fell = requests < self.last;
        let since = match self.nodes.front() {
            None => Since::Nothing,
            Some(last) if *last == node && fell => Since::Restart,
            Some(last) if *last == node => Since::Same,
            // One that has begun anew has had fewer requests, and was not here before: else two answer in turn.
            Some(_) if fell && !self.nodes.contains(&node) => Since::Restart,
            Some(_) => Since::Stranger,
        };
        let grown = match since {
            Since::Nothing | Since::Stranger => 0,
            Since::Same => requests - self.last,
            Since::Restart => requests,
        };
        match since {
            Since::Same => {}
            Since::Restart => self.past = VecDeque::from([(now, 0)]),
            Since::Nothing | Since::Stranger => self.past = VecDeque::from([(now, requests)]),
        }
        self.remember(now, requests);
        self.nodes.retain(|other| *other != node);
        self.nodes.push_front(node);
        self.nodes.truncate(NODES);
        self.last = requests;
        *pod = PodTotals {
            requests: pod.requests.saturating_add(grown),
            ..self.now
        };
        since
    }

    /// How many requests can have ended since the last look, as far as is known: those that have begun in the last two
    /// minutes, or since Kong has.
    pub(super) fn may_be_new(&self, now: Instant) -> u64 {
        let old = |(at, _): &&(Instant, u64)| now.saturating_duration_since(*at) >= WINDOW;
        let before = self.past.iter().rev().find(old).or(self.past.front());
        before.map_or(0, |(_, requests)| self.last.saturating_sub(*requests))
    }

    fn remember(&mut self, now: Instant, requests: u64) {
        let due = self
            .past
            .back()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= APART);
        if due {
            self.past.push_back((now, requests));
        }
        // The newest of those that are old enough stays.
        while let Some((at, _)) = self.past.get(1)
            && now.saturating_duration_since(*at) >= WINDOW
        {
            self.past.pop_front();
        }
    }
}
