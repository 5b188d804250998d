//! What one source brought, shared.

use std::sync::Arc;

use super::family::Part;
use super::source::MergeSource;
use super::stats::SourceStats;

/// What a source brought that has [finished](MergeSource::finish), to be added to any number of mergers. A clone shares the
/// samples, as do the mergers.
///
/// ```
/// use tagalong_exposition::merge::{FinishedSource, Merger, MergeSource};
///
/// let mut source = MergeSource::new(&[("dataplane_pod", "kong-1")], 64 * 1024);
/// source.push(b"up 1\n");
/// source.finish();
/// let finished = FinishedSource::from(source);
/// let (mut one, mut other) = (Merger::default(), Merger::default());
/// assert_eq!(one.add_finished(&finished), Some(0));
/// assert_eq!(other.add_finished(&finished), Some(0));
/// ```
#[derive(Clone, Debug)]
pub struct FinishedSource {
    pub(super) labels: Arc<[u8]>,
    pub(super) group: Option<Arc<str>>,
    /// By name of the family; of no source's number yet.
    pub(super) families: Arc<[(Box<[u8]>, Part)]>,
    stats: SourceStats,
}

impl FinishedSource {
    /// What was read.
    #[must_use]
    pub fn stats(&self) -> SourceStats {
        self.stats
    }
}

impl From<MergeSource> for FinishedSource {
    fn from(source: MergeSource) -> Self {
        let stats = source.stats();
        let families = source.blocks.into_iter().map(|mut block| {
            let name = std::mem::take(&mut block.name);
            (name, Part::new(block))
        });
        Self {
            labels: source.labels.into(),
            group: source.group.map(Into::into),
            families: families.collect(),
            stats,
        }
    }
}
