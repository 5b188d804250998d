//! From the numbers of one look after another to totals that only grow.
//!
//! Each series is reckoned by itself and its increment added to the Service that its name stands for. Reckoning by the
//! Services' sums would take one series that Kong has lost for a restart, and its Service's whole past for new.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;
use tagalong_exposition::{ObservedSample, Observer};
use tagalong_wire::{MAX_SERVICE, MAX_SUMMARY, PodTotals};
use tokio::time::Instant;

use super::names::{Names, Owners};
use super::nginx::{Nginx, Since};
use super::reading::{
    ARRIVALS, BUCKETS, COUNT, FIELDS, Field, REQUEST_SUM, Reading, SUM, field, is_missed, number,
    read,
};
use super::series::{SERIES, Store};
use super::services::Services;

/// The numbers of each family.
const FAMILIES: [(Field, Field); 2] = [(ARRIVALS, REQUEST_SUM), (COUNT, SUM)];
/// By so much a bucket may run ahead of the count, since a body is no snapshot.
const AHEAD: u64 = 64;

/// What has gone into no total, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Requests whose name stood for another Service, or for none, at the look before.
    pub renamed: u64,
    /// Requests of series that were new or had fallen, where Nginx cannot have had so many.
    pub implausible: u64,
    /// Looks at bodies that were cut off or held lines that cannot be read.
    pub looks: u64,
}

/// Totals, and what the next look is compared with.
#[derive(Debug)]
pub(crate) struct Ledger {
    hasher: RandomState,
    store: Store,
    names: Names,
    pub(super) services: Services,
    nginx: Nginx,
    pub(super) pod: PodTotals,
    pub(super) dropped: Dropped,
    /// Looks that counted.
    pub(super) sequence: u64,
    /// The last of these that changed a Service's totals.
    pub(super) changed: u64,
    /// Whether all series had room at the last look.
    pub(super) whole: bool,
    /// How much memory there is, in bytes.
    room: usize,
    /// The look under way; counts also those that come to nothing.
    look: u32,
    /// The last look that counted.
    landed: u32,
    broken: bool,
    left_out: bool,
    /// The series that was read last, and the bucket.
    at: usize,
    bucket: usize,
}

/// What a number has grown by.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    by: u64,
    /// Whether the numbers beside it may have another past.
    apart: bool,
}

impl Ledger {
    pub(super) fn new(room: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            store: Store::default(),
            names: Names::default(),
            services: Services::default(),
            nginx: Nginx::default(),
            pod: PodTotals::default(),
            dropped: Dropped::default(),
            sequence: 0,
            changed: 0,
            whole: true,
            room,
            look: 0,
            landed: 0,
            broken: false,
            left_out: false,
            at: usize::MAX,
            bucket: 0,
        }
    }

    /// How many series are followed.
    pub(super) fn series(&self) -> usize {
        self.store.len()
    }

    /// A look begins.
    pub(super) fn begin(&mut self) {
        self.look = self.look.wrapping_add(1).max(1);
        self.broken = false;
        self.left_out = false;
        self.at = usize::MAX;
        self.nginx.begin();
    }

    /// The look has come to its end, and says how Kong was at `now`. Whether it counts.
    pub(super) fn land(&mut self, now: Instant) -> bool {
        if self.broken || !self.nginx.is_seen() {
            self.dropped.looks += 1;
            return false;
        }
        let since = self.nginx.land(now, &mut self.pod);
        if since == Since::Restart {
            self.store.restart();
        }
        let first = matches!(since, Since::Nothing | Since::Stranger);
        let may_be_new = self.nginx.may_be_new(now);
        let (arrivals, count) = self.new_or_fallen(since);
        let plausible = arrivals <= may_be_new && count <= may_be_new;
        if !first && !plausible {
            self.dropped.implausible += arrivals.max(count);
        }
        let mut changed = false;
        for at in 0..self.store.len() {
            if self.store.head(at).looked == self.look {
                if !first {
                    changed |= self.add(at, since, plausible, now);
                }
                let name = self.store.head(at).name;
                let another = self.names.has_changed(name, self.look);
                self.store.settle(at, self.look, another);
            }
        }
        self.names.settle(self.look, since == Since::Restart);
        self.landed = self.look;
        self.whole = !self.left_out;
        self.sequence += 1;
        if changed || self.sequence == 1 {
            self.changed = self.sequence;
        }
        true
    }

    /// Requests of series in which an old total could come in as new: those never seen before, and those that have fallen.
    fn new_or_fallen(&self, since: Since) -> (u64, u64) {
        let sum = |field: Field, family: u32| -> u64 {
            let series = (0..self.store.len()).filter(|at| {
                let head = self.store.head(*at);
                let new = head.based & family == 0 || since == Since::Restart;
                let fallen = self.store.next(*at, field) < self.store.base(*at, field);
                head.looked == self.look && head.seen & (1 << field) != 0 && (new || fallen)
            });
            series.fold(0, |sum, at| sum.saturating_add(self.store.next(at, field)))
        };
        (
            sum(ARRIVALS, mask(FAMILIES[0])),
            sum(COUNT, mask(FAMILIES[1])),
        )
    }

    /// Adds what a series has grown by to its Service. Whether that changed anything.
    fn add(&mut self, at: usize, since: Since, plausible: bool, now: Instant) -> bool {
        let [arrivals, request_sum, count, sum] =
            [ARRIVALS, REQUEST_SUM, COUNT, SUM].map(|f| self.growth(at, f, since, plausible));
        let requests = arrivals.by.max(count.by);
        let head = self.store.head(at);
        let since_look = match head.settled {
            // Never seen: all its requests are of the time since the last look.
            0 => self.landed,
            settled => settled,
        };
        let owner = match self.names.owners(head.name, since_look, now) {
            Owners::One(owner) => owner,
            Owners::None => return false,
            Owners::Unsettled(owners) => {
                if requests == 0 {
                    return false;
                }
                self.dropped.renamed += requests;
                for totals in owners.into_iter().flatten() {
                    if let Some(totals) = self.services.totals_mut(totals) {
                        totals.unsettled = totals.unsettled.saturating_add(requests);
                    }
                }
                return true;
            }
        };
        let apart = count.apart || sum.apart;
        let buckets = (!apart).then(|| self.buckets(at, count.by, since));
        let Some(totals) = self.services.totals_mut(owner) else {
            return false;
        };
        let add = |total: &mut u64, by: u64| *total = total.saturating_add(by);
        add(&mut totals.arrivals, arrivals.by);
        add(&mut totals.request_sum, request_sum.by);
        add(&mut totals.count, count.by);
        add(&mut totals.sum, sum.by);
        match buckets.flatten() {
            Some(buckets) => {
                for (total, by) in totals.buckets.0.iter_mut().zip(buckets) {
                    add(total, by);
                }
            }
            None => {
                add(&mut totals.apart.count, count.by);
                add(&mut totals.apart.sum, sum.by);
            }
        }
        requests > 0 || sum.by > 0 || request_sum.by > 0
    }

    fn growth(&mut self, at: usize, field: Field, since: Since, plausible: bool) -> Growth {
        let head = self.store.head(at);
        let family = FAMILIES
            .into_iter()
            .find(|(c, s)| [*c, *s].contains(&field));
        let known = head.based & family.map_or(0, mask) != 0;
        if head.seen & (1 << field) == 0 {
            // Kong drops and shows lines again: what is missing keeps its base.
            return Growth::default();
        }
        let (base, next) = (self.store.base(at, field), self.store.next(at, field));
        let if_plausible = if plausible { next } else { 0 };
        if !known || since == Since::Restart {
            // Kong makes a series at its first request, so it was 0 at the look before.
            return Growth {
                by: if_plausible,
                apart: !plausible,
            };
        }
        let (mark, lost) = (self.store.mark(at, field), Growth { by: 0, apart: true });
        if next < base {
            self.store.set_mark(at, field, mark.max(base));
        }
        if (head.based & !head.stale) & (1 << field) == 0 {
            // The numbers beside it were there, so this one was lost, and may have any past.
            return lost;
        }
        if next < base {
            // What falls once was lost and begins again. What falls once more may be what was there before.
            return if mark == 0 {
                Growth {
                    by: if_plausible,
                    apart: true,
                }
            } else {
                lost
            };
        }
        if base < mark && next >= mark {
            // At the latest now the old number may be back, with what it has counted at any time.
            self.store.set_mark(at, field, next);
            return lost;
        }
        Growth {
            by: next - base,
            apart: false,
        }
    }

    /// What the buckets have grown by; none if that cannot be.
    fn buckets(&self, at: usize, count: u64, since: Since) -> Option<[u64; FIELDS - BUCKETS]> {
        let head = self.store.head(at);
        let mut grown = [0; FIELDS - BUCKETS];
        for (bucket, by) in grown.iter_mut().enumerate() {
            let field = BUCKETS + bucket;
            if head.seen & (1 << field) == 0 {
                continue;
            }
            if head.stale & (1 << field) != 0 {
                return None;
            }
            let (base, next) = (self.store.base(at, field), self.store.next(at, field));
            // Kong leaves out the buckets below the least observation: what was never there was 0.
            *by = match since {
                Since::Restart => next,
                _ => next.checked_sub(base)?,
            };
            if *by > count.saturating_add(AHEAD) {
                return None;
            }
        }
        Some(grown)
    }

    fn series_of(&mut self, key: &[u8], seen: &ObservedSample<'_>) -> Option<usize> {
        let hash = self.hash(key);
        let likely = self.at.wrapping_add(1);
        let at = match self.store.find(hash, likely) {
            Some(at) => at,
            None => {
                if self.is_full() {
                    self.left_out = true;
                    return None;
                }
                let name = self.names.of(self.hash(seen.service), self.look)?;
                self.store.add(hash, name)?
            }
        };
        let name = self.store.head(at).name;
        if self.names.is_new_to(name, self.look) {
            let owner = seen.added.and_then(|added| self.services.of(added));
            if seen.added.is_some() && owner.is_none() {
                self.left_out = true;
            }
            self.names.owned(name, self.look, owner);
        }
        Some(at)
    }

    /// Whether another series, with a name and a Service of its own, would be one too many.
    fn is_full(&self) -> bool {
        let series = (self.store.len() + 256) * SERIES;
        let bytes = series + self.names.bytes() + self.services.bytes();
        bytes > self.room || (self.services.len() + 1) * MAX_SERVICE > MAX_SUMMARY
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

fn mask((count, sum): (Field, Field)) -> u32 {
    1 << count | 1 << sum
}

impl Observer for Ledger {
    #[inline]
    fn sample(&mut self, seen: &ObservedSample<'_>) -> bool {
        match read(seen) {
            Reading::Other => false,
            Reading::Series { key, field, value } => {
                let Some(at) = self.series_of(key, seen) else {
                    self.at = usize::MAX;
                    return false;
                };
                self.at = at;
                self.bucket = field.wrapping_sub(BUCKETS);
                self.store.see(at, field, self.look, value);
                field >= BUCKETS
            }
            Reading::Requests { node, value } => {
                let node = self.hash(node);
                self.nginx.requests(node, value);
                false
            }
            Reading::Connections { state, value } => {
                self.nginx.connections(state, value);
                false
            }
            Reading::Broken => {
                self.broken = true;
                false
            }
        }
    }

    #[inline]
    fn follower(&mut self, label: &[u8], value: &[u8]) {
        let Some(field) = field(label, self.bucket.wrapping_add(1)) else {
            return;
        };
        self.bucket = field - BUCKETS;
        match number(value) {
            Some(value) => self.store.see(self.at, field, self.look, value),
            None => self.broken = true,
        }
    }

    fn unread(&mut self, line: &[u8]) {
        self.broken |= is_missed(line);
    }
}
