//! The label tables on their way out: each change is encoded once, however many sidecars get it.

use crate::push::stream::{Subscription, Update};
use bytes::Bytes;
use std::collections::HashMap;
use tagalong_index::{Changes, Index, Key, Name, TableUpdate};
use tagalong_wire::Message;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Changes that may wait for a slow stream before it is dropped.
const WAITING: usize = 256;

/// One feed for each DataPlane with a sidecar that listens, or listened.
#[derive(Debug, Default)]
pub struct Feeds {
    feeds: HashMap<Key, Feed>,
    pods: HashMap<Name, CancellationToken>,
}

#[derive(Debug)]
struct Feed {
    updates: broadcast::Sender<Update>,
    /// The whole table as last encoded, until it changes.
    snapshot: Option<Update>,
    /// The version last sent.
    sent: u64,
}

impl Feeds {
    /// Sends what changed to whom it concerns. Says how many changes of tables there were.
    pub fn publish(&mut self, changes: &Changes, index: &Index) -> u64 {
        let mut sent = 0;
        for change in &changes.tables {
            let Some(feed) = self.feeds.get_mut(&change.dataplane) else {
                continue;
            };
            feed.snapshot = None;
            let update = match &change.update {
                TableUpdate::Gone => {
                    self.feeds.remove(&change.dataplane);
                    continue;
                }
                // A snapshot is of now: it may hold what an older delta is still to say.
                TableUpdate::Delta(delta) if delta.version <= feed.sent => continue,
                TableUpdate::Reset { version } if *version <= feed.sent => continue,
                TableUpdate::Delta(delta) => {
                    Some(encoded(delta.version, &Message::Delta(delta.clone())))
                }
                TableUpdate::Reset { .. } => {
                    let snapshot = whole(index, &change.dataplane);
                    feed.snapshot.clone_from(&snapshot);
                    snapshot
                }
            };
            if let Some(update) = update {
                feed.sent = update.version;
                sent += 1;
                let _nobody_listens = feed.updates.send(update);
            }
        }
        for uid in &changes.revoked {
            if let Some(gone) = self.pods.remove(uid) {
                gone.cancel();
            }
        }
        sent
    }

    /// The table of a pod's DataPlane, and what will change in it.
    pub fn subscribe(&mut self, pod_uid: &str, index: &Index) -> Option<Subscription> {
        let pod = index.pod(pod_uid)?;
        let (snapshot, updates) = self.feed(pod.dataplane.as_ref()?, index)?;
        Some(Subscription {
            snapshot,
            updates,
            gone: self.pods.entry(pod.uid.clone()).or_default().clone(),
        })
    }

    /// The table of a DataPlane, and what will change in it, for somebody who is no pod.
    pub fn subscribe_to(&mut self, dataplane: &Key, index: &Index) -> Option<Subscription> {
        let (snapshot, updates) = self.feed(dataplane, index)?;
        Some(Subscription {
            snapshot,
            updates,
            gone: CancellationToken::new(),
        })
    }

    fn feed(
        &mut self,
        dataplane: &Key,
        index: &Index,
    ) -> Option<(Update, broadcast::Receiver<Update>)> {
        let feed = self.feeds.entry(dataplane.clone()).or_insert_with(|| Feed {
            updates: broadcast::channel(WAITING).0,
            snapshot: None,
            sent: 0,
        });
        if feed.snapshot.is_none() {
            feed.snapshot = whole(index, dataplane);
        }
        let snapshot = feed.snapshot.clone()?;
        feed.sent = feed.sent.max(snapshot.version);
        Some((snapshot, feed.updates.subscribe()))
    }
}

fn whole(index: &Index, dataplane: &Key) -> Option<Update> {
    let snapshot = index.snapshot(dataplane)?;
    let version = snapshot.version;
    Some(encoded(version, &Message::Snapshot(snapshot)))
}

fn encoded(version: u64, message: &Message) -> Update {
    let mut line = Vec::new();
    message.write(&mut line);
    let line = Bytes::from(line);
    Update { version, line }
}

#[cfg(test)]
mod tests;
