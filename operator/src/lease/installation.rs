//! Which installation of tagalong works in this cluster, if there are several: one left behind under another name, or
//! one for each team. Two that both write would take each other's objects back for ever.
//!
//! The mark is one object for the whole cluster, in every release the same. It names the installation that works by
//! the namespace and name of its Lease: not by a UID, which a restore from a backup changes. Whoever comes later writes
//! nothing until that Lease is gone, or has not been renewed for a minute. So a restart, a rollout or a rollback of the
//! one that works changes nothing, and neither do its replicas, which share the Lease.
//!
//! Two that come at once both write the mark over the same version, so one of them fails. A mark that names nobody is
//! free, and so is one that is not there: then nothing but the chart's older version knows of it.

use crate::lease::PutError;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tagalong_index::Key;
use tokio::time::Instant;

/// An installation whose Lease nobody has renewed for so long works no more. A claim on a Lease lasts a quarter of it.
pub const STALE: Duration = Duration::from_secs(60);

/// Whether this installation works here. Installations go by the namespace and name of their Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Not known yet: nothing is written.
    #[default]
    Unknown,
    /// This one works.
    Works {
        /// Another one, which waits for it to go.
        waiting: Option<Key>,
    },
    /// Another one works, and this one waits.
    Waits {
        /// The other one.
        working: Key,
    },
}

/// What the mark says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The version that it was read at.
    pub version: String,
    /// Which installation works.
    pub working: Option<Key>,
    /// Which other one waits, so that whoever looks at the one that works hears of it.
    pub waiting: Option<Key>,
}

/// The mark, and everybody's Leases.
pub trait Marks: Send + Sync {
    /// The mark, or `None` if there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Mark>, String>> + Send;

    /// Writes the mark, if it still has the version that it names.
    fn write(&self, mark: Mark) -> impl Future<Output = Result<(), PutError>> + Send;

    /// The version of a Lease, or `None` if it is gone.
    fn lease(&self, of: &Key) -> impl Future<Output = Result<Option<String>, String>> + Send;
}

/// Looks at the mark for one installation.
pub struct Watchman<M> {
    marks: M,
    us: Key,
    /// The versions of others' Leases, and since when we have seen each: clocks need not agree.
    seen: BTreeMap<Key, (String, Instant)>,
}

impl<M: Marks> Watchman<M> {
    /// Looks for the installation whose Lease is `us`.
    pub fn new(marks: M, us: Key) -> Self {
        Self {
            marks,
            us,
            seen: BTreeMap::new(),
        }
    }

    /// How things stand. Whoever holds the installation's Lease takes a free mark.
    ///
    /// # Errors
    ///
    /// When the cluster does not say, or somebody else wrote the mark first.
    pub async fn look(&mut self, holds_lease: bool, now: Instant) -> Result<Standing, String> {
        let Some(mark) = self.marks.read().await? else {
            return Ok(Standing::Works { waiting: None });
        };
        match mark.working.clone() {
            Some(working) if working == self.us => self.works(mark, holds_lease, now).await,
            Some(working) if self.lives(&working, now).await? => {
                if holds_lease && mark.waiting.is_none() {
                    let waiting = Some(self.us.clone());
                    // For people's sake only. Whoever else waits may have been faster, and is as good a name.
                    let _told = self.write(Mark { waiting, ..mark }).await;
                }
                Ok(Standing::Waits { working })
            }
            _ if !holds_lease => Ok(Standing::Unknown),
            gone => {
                let working = Some(self.us.clone());
                let waiting = mark.waiting.clone().filter(|other| *other != self.us);
                let taken = Mark {
                    working,
                    waiting,
                    ..mark
                };
                self.write(taken).await?;
                if let Some(gone) = gone {
                    tracing::info!(of = %gone, "takes over from an installation that no longer works");
                }
                Ok(Standing::Works { waiting: None })
            }
        }
    }

    /// This installation works; whoever waited and has gone is no longer named.
    async fn works(
        &mut self,
        mark: Mark,
        holds_lease: bool,
        now: Instant,
    ) -> Result<Standing, String> {
        let waiting = match mark.waiting.clone() {
            Some(other) if other != self.us && self.lives(&other, now).await? => Some(other),
            Some(_) if holds_lease => {
                self.write(Mark {
                    waiting: None,
                    ..mark
                })
                .await?;
                None
            }
            _ => None,
        };
        Ok(Standing::Works { waiting })
    }

    /// As others' claims are judged: by how long *we* have seen the Lease unchanged.
    async fn lives(&mut self, other: &Key, now: Instant) -> Result<bool, String> {
        let Some(version) = self.marks.lease(other).await? else {
            self.seen.remove(other);
            return Ok(false);
        };
        match self.seen.get(other) {
            Some((same, since)) if *same == version => Ok(now.duration_since(*since) <= STALE),
            _ => {
                self.seen.insert(other.clone(), (version, now));
                Ok(true)
            }
        }
    }

    async fn write(&self, mark: Mark) -> Result<(), String> {
        let written = self.marks.write(mark).await;
        written.map_err(|error| format!("cannot write the mark of the installation: {error}"))
    }
}

#[cfg(test)]
mod tests;
