//! The series of Kong, each with the numbers of the last look and of the one under way.
//!
//! They stand in pages, number by number, since Kong prints a number of all series before it prints the next: so reading
//! walks straight through memory, and no growth moves what is there.

use hashbrown::HashTable;

use super::reading::{BUCKETS, FIELDS, Field};

const PAGE: usize = 256;
/// Rows of a page: the last look's numbers, the ones of the look under way, and the marks.
const NEXT: usize = FIELDS;
const MARK: usize = 2 * FIELDS;
const ROWS: usize = MARK + BUCKETS;
/// What a series takes in memory, in bytes, with its place in the index.
pub(super) const SERIES: usize = ROWS * size_of::<u64>() + size_of::<Head>() + 2 * 8;

/// What is known of a series beside its numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    hash: u64,
    /// Its Kong service.
    pub name: u32,
    /// The look that saw it last.
    pub looked: u32,
    /// The last look that counted and saw it.
    pub settled: u32,
    /// Which numbers that look has seen.
    pub seen: u32,
    /// Which numbers have a base: were seen at a look that counted.
    pub based: u32,
    /// Which of them have not been seen since the series became another Service's.
    pub stale: u32,
}

/// All series.
#[derive(Debug, Default)]
pub(super) struct Store {
    index: HashTable<u32>,
    heads: Vec<Head>,
    pages: Vec<Vec<[u64; PAGE]>>,
}

impl Store {
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The series of this hash; the likely one is looked at first.
    #[inline]
    pub(super) fn find(&self, hash: u64, likely: usize) -> Option<usize> {
        if self.heads.get(likely).is_some_and(|head| head.hash == hash) {
            return Some(likely);
        }
        let is = |at: &u32| self.head(*at as usize).hash == hash;
        self.index.find(hash, is).map(|at| *at as usize)
    }

    /// Adds a series, which must be new.
    pub(super) fn add(&mut self, hash: u64, name: u32) -> Option<usize> {
        let at = self.heads.len();
        let index = u32::try_from(at).ok()?;
        if at.is_multiple_of(PAGE) {
            self.pages.push(vec![[0; PAGE]; ROWS]);
            self.heads.reserve_exact(PAGE);
        }
        self.heads.push(Head {
            hash,
            name,
            ..Head::default()
        });
        let heads = &self.heads;
        self.index.insert_unique(hash, index, |at| {
            heads.get(*at as usize).map_or(0, |head| head.hash)
        });
        Some(at)
    }

    #[inline]
    pub(super) fn head(&self, at: usize) -> Head {
        self.heads.get(at).copied().unwrap_or_default()
    }

    /// The number of the last look that counted.
    #[inline]
    pub(super) fn base(&self, at: usize, field: Field) -> u64 {
        self.cell(at, field)
    }

    /// The number of the look under way.
    #[inline]
    pub(super) fn next(&self, at: usize, field: Field) -> u64 {
        self.cell(at, NEXT + field)
    }

    /// The highest that the number ever was, if it has fallen since Kong began; only of those that are no buckets.
    #[inline]
    pub(super) fn mark(&self, at: usize, field: Field) -> u64 {
        if field < BUCKETS {
            self.cell(at, MARK + field)
        } else {
            0
        }
    }

    /// The look under way has seen a number. Of one that comes twice the larger counts.
    #[inline]
    pub(super) fn see(&mut self, at: usize, field: Field, look: u32, value: u64) {
        let Some(head) = self.heads.get_mut(at) else {
            return;
        };
        if head.looked != look {
            head.looked = look;
            head.seen = 0;
        }
        let bit = 1 << field;
        let again = head.seen & bit != 0;
        head.seen |= bit;
        if let Some(next) = self.cell_mut(at, NEXT + field) {
            *next = if again { value.max(*next) } else { value };
        }
    }

    pub(super) fn set_mark(&mut self, at: usize, field: Field, mark: u64) {
        if field < BUCKETS
            && let Some(cell) = self.cell_mut(at, MARK + field)
        {
            *cell = mark;
        }
    }

    /// The numbers that the look has seen become the base; the others keep theirs, unless they are of `another` Service.
    pub(super) fn settle(&mut self, at: usize, look: u32, another: bool) {
        let Some(head) = self.heads.get_mut(at).filter(|head| head.looked == look) else {
            return;
        };
        if another {
            head.stale |= head.based;
        }
        head.stale &= !head.seen;
        head.based |= head.seen;
        head.settled = look;
        let seen = head.seen;
        for field in (0..FIELDS).filter(|field| seen & (1 << field) != 0) {
            let next = self.next(at, field);
            if let Some(base) = self.cell_mut(at, field) {
                *base = next;
            }
        }
    }

    /// Kong has begun again: so have all numbers.
    pub(super) fn restart(&mut self) {
        for page in &mut self.pages {
            for row in page.iter_mut().take(NEXT) {
                row.fill(0);
            }
            for row in page.iter_mut().skip(MARK) {
                row.fill(0);
            }
        }
    }

    #[inline]
    fn cell(&self, at: usize, row: usize) -> u64 {
        let page = self.pages.get(at / PAGE);
        let row = page.and_then(|page| page.get(row));
        row.and_then(|row| row.get(at % PAGE))
            .copied()
            .unwrap_or_default()
    }

    #[inline]
    fn cell_mut(&mut self, at: usize, row: usize) -> Option<&mut u64> {
        self.pages
            .get_mut(at / PAGE)?
            .get_mut(row)?
            .get_mut(at % PAGE)
    }
}
