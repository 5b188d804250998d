//! What one pod said last, and how fast its numbers grew.

use tagalong_wire::{Look, PodTotals};

use crate::grown::{RATES, ServiceBase};
use crate::names::Id;
use crate::ring::narrow;
use crate::settings::{Millis, said};

/// The numbers of a DataPlane in a cell: requests, and what is under way and open, in seconds of one.
pub(crate) const PLANE_NUMBERS: usize = 3;
pub(crate) const REQUESTS: usize = 0;
pub(crate) const UNDER_WAY: usize = 1;
pub(crate) const CONNECTIONS: usize = 2;
/// A Kong is looked at once a minute at least: who says more is not believed.
const SLOWEST: Millis = 60_000;

/// A pod.
#[derive(Debug)]
pub(crate) struct PodLoad {
    pub(crate) known_since: Millis,
    /// It came while we watched, so what it did before its first look is next to nothing.
    pub(crate) born: bool,
    pub(crate) ready: bool,
    pub(crate) ends: bool,
    pub(crate) last: Option<LastLook>,
}

/// What it said last.
#[derive(Debug)]
pub(crate) struct LastLook {
    pub(crate) epoch: String,
    pub(crate) sequence: u64,
    /// When Kong was looked at.
    pub(crate) at: Millis,
    /// The time between looks, as it comes out for whoever asks at our interval.
    pub(crate) pace: Millis,
    pub(crate) complete: bool,
    pub(crate) nginx: PodTotals,
    /// Requests under way, at the last look and the one before.
    pub(crate) held: [u64; 2],
    /// How many looks there were, of whatever epoch.
    pub(crate) looks: u64,
    /// There was an increment: its rates are known.
    pub(crate) rated: bool,
    pub(crate) plane_rates: [f32; PLANE_NUMBERS],
    /// In the order of the numbers of Services.
    pub(crate) bases: Vec<ServiceBase>,
    /// What the whole DataPlane had when the pod became late, of each Service of its own.
    pub(crate) late: Option<Box<Whole>>,
}

/// What a DataPlane had of Services, in a second, in the order of their numbers.
pub(crate) type Whole = [(Id, [f32; RATES])];

impl LastLook {
    /// Of a look that was the first of its pod.
    pub(crate) fn first(look: &Look, at: Millis, interval: Millis) -> Self {
        let held = under_way(&look.pod);
        Self {
            epoch: look.epoch.clone(),
            sequence: look.sequence,
            at,
            pace: pace(look, interval),
            complete: look.complete,
            nginx: look.pod,
            held: [held, held],
            looks: 1,
            rated: false,
            plane_rates: [0.0; PLANE_NUMBERS],
            bases: Vec::new(),
            late: None,
        }
    }

    /// Notes how fast Nginx' numbers grew.
    pub(crate) fn note_rates(&mut self, grown: &[f64; PLANE_NUMBERS], span: Millis, weight: f32) {
        let seconds = span as f64 / 1000.0;
        for (rate, grown) in self.plane_rates.iter_mut().zip(grown) {
            *rate += (narrow(grown / seconds) - *rate) * weight;
        }
    }

    /// What stands for a Service.
    pub(crate) fn base(&self, id: Id) -> Option<&ServiceBase> {
        let at = self.bases.binary_search_by_key(&id, |base| base.id).ok()?;
        self.bases.get(at)
    }

    /// After this time without a look the pod is late. One that keeps its own pace is not.
    pub(crate) fn patience(&self) -> Millis {
        self.pace * 3 / 2
    }
}

/// Looks come when they are asked for, and Kong has to be left alone for as long as the sidecar says: so every so many polls.
pub(crate) fn pace(look: &Look, interval: Millis) -> Millis {
    let every = said(look.every_ms).min(SLOWEST);
    interval * ((every + interval - 1) / interval).max(1)
}

/// Requests under way but for the look itself.
pub(crate) fn under_way(nginx: &PodTotals) -> u64 {
    nginx
        .reading
        .saturating_add(nginx.writing)
        .saturating_sub(1)
}
