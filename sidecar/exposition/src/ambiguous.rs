//! Which ambiguous names were seen.

/// Ambiguous names that samples have named, the first of them, with how many samples each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmbiguousNames(Vec<(Box<[u8]>, u64)>);

impl AmbiguousNames {
    /// So many are kept. Whoever mends these sees the next ones.
    pub const KEPT: usize = 8;

    /// The names as they are escaped on a line, in the order of their first samples.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.0.iter().map(|(name, samples)| (&**name, *samples))
    }

    /// A sample names it. Few names are ambiguous, so a body without any allocates nothing.
    #[cold]
    pub(crate) fn add(&mut self, name: &[u8]) {
        if let Some((_, samples)) = self.0.iter_mut().find(|(known, _)| **known == *name) {
            *samples += 1;
        } else if self.0.len() < Self::KEPT {
            self.0.push((name.into(), 1));
        }
    }
}
