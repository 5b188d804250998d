//! What passes through a rewriter, shown to whoever reckons with its numbers.

/// A sample with labels, and the line that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedSample<'a> {
    /// The line as it came, without its line feed.
    pub line: &'a [u8],
    /// Where its first label begins in the line.
    pub labels: usize,
    /// Where its last label begins, if it has no more than twelve.
    pub last: usize,
    /// The index behind the closing brace.
    pub after: usize,
    /// The value of its `service` label as it is escaped there; empty if it names no Kong service.
    pub service: &'a [u8],
    /// The labels that it earns, as the rewriter writes them: `namespace="…",service="…",…`. None if it is not enriched.
    pub added: Option<&'a [u8]>,
}

/// Sees the samples of an exposition in their order, as [`Rewriter::push_observed`](crate::Rewriter::push_observed) passes
/// them.
///
/// Not shown are samples without labels, and those that pass because they have an added label or their service twice.
pub trait Observer {
    /// Whether it wants to see anything. Where it does not, looking costs nothing.
    const SEES: bool = true;

    /// A sample. Says whether those that follow are to be shown, as far as they differ from it in the last label's
    /// value and in their number only: such as the buckets of one histogram.
    fn sample(&mut self, sample: &ObservedSample<'_>) -> bool;

    /// A sample that is as the one before it, but for the last label's value, as it is escaped there, and the number: one to
    /// seven digits. Only enriched samples are shown so, and only where [`sample`](Self::sample) asked for it; any sample
    /// may come as a [`sample`](Self::sample) of its own instead.
    fn follower(&mut self, label: &[u8], value: &[u8]);

    /// A line, or the first piece of one that is too long, that is neither sample nor comment nor blank. What such a line's
    /// quoted value goes on with in further lines is not shown.
    fn unread(&mut self, line: &[u8]);
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    const SEES: bool = false;

    #[inline]
    fn sample(&mut self, _: &ObservedSample<'_>) -> bool {
        false
    }

    #[inline]
    fn follower(&mut self, _: &[u8], _: &[u8]) {}

    #[inline]
    fn unread(&mut self, _: &[u8]) {}
}
