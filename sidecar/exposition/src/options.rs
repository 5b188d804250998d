//! A rewriter's options, and its statistics.

/// Which lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every line. What is not enriched passes byte for byte.
    #[default]
    All,
    /// Enriched samples, the HELP, TYPE and UNIT of families that have at least one, and `# EOF`. A family's metadata is held back until
    /// its first enriched sample.
    Enriched,
}

/// How to rewrite.
///
/// ```
/// use tagalong_exposition::{Keep, Options};
///
/// let options = Options { keep: Keep::Enriched, ..Options::default() };
/// assert_eq!(options.max_line, 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest line that is read, in bytes without its line feed. A longer one passes as it is (or is left
    /// out with [`Keep::Enriched`]) and is counted. It also bounds what a rewriter holds between two chunks. Kong's
    /// longest lines are a few hundred bytes.
    pub max_line: usize,
    /// Which lines are written.
    pub keep: Keep,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_line: 64 * 1024,
            keep: Keep::All,
        }
    }
}

/// What a rewriter has seen since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes taken in.
    pub bytes_in: u64,
    /// Bytes given out.
    pub bytes_out: u64,
    /// Lines, of any kind. A last one without a line feed counts.
    pub lines: u64,
    /// Lines that are a sample.
    pub samples: u64,
    /// Samples that were given labels.
    pub enriched: u64,
    /// Samples passed as they are because they already had one of the added labels, or their service twice.
    pub already_labelled: u64,
    /// Samples that name a Kong service (or upstream) that is not in the table.
    pub unknown: u64,
    /// Samples that name a Kong service (or upstream) of which the table knows that it could stand for two Services.
    pub ambiguous: u64,
    /// Lines that are neither sample nor comment nor blank, such as the halves of a sample with a line feed in a value.
    pub unparsed: u64,
    /// Lines longer than [`Options::max_line`], whatever they hold.
    pub over_long: u64,
}
