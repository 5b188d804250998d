//! A family of all sources, in parts.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::source::Block;
use super::types::FamilyType;

/// The place of each family, by its name.
pub(super) type Names = HashMap<Box<[u8]>, usize, RandomState>;

/// One family of all sources.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub name: Box<[u8]>,
    /// Each source's part.
    pub parts: VecDeque<Part>,
}

/// One family of one source.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The source's number, and that of its group.
    pub source: usize,
    pub group: usize,
    pub family: Option<FamilyType>,
    pub help: Option<Arc<[u8]>>,
    pub lines: Arc<Vec<u8>>,
    pub samples: u64,
    pub timed: bool,
    pub uncountable: bool,
    pub whole: bool,
    pub members: [bool; 3],
}

impl Part {
    pub(super) fn new(block: Block) -> Self {
        Self {
            source: 0,
            group: 0,
            family: block.family,
            help: block.help.map(Into::into),
            lines: Arc::new(block.lines),
            samples: block.samples,
            timed: block.timed,
            uncountable: block.uncountable,
            whole: block.whole,
            members: block.members,
        }
    }

    /// The same, of the source and the group of these numbers.
    pub(super) fn of(&self, source: usize, group: usize) -> Self {
        Self {
            source,
            group,
            ..self.clone()
        }
    }
}
