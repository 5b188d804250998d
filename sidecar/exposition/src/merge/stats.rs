//! Statistics of a merge.

/// What has been read of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Bytes taken in.
    pub bytes: u64,
    /// Samples kept.
    pub samples: u64,
    /// Lines left out because they are not what text format 0.0.4 allows.
    pub unparsed: u64,
    /// Lines left out because they are too long.
    pub over_long: u64,
    /// Samples left out because their series had come before.
    pub duplicates: u64,
    /// Samples left out because they have one of the labels that are to be put in front.
    pub labelled: u64,
    /// Samples left out because a family of their declared type has no such sample: a bucket without `le`, a bare sample in a
    /// histogram, a counter that is NaN or negative; or because there are too many families.
    pub misplaced: u64,
    /// Samples left out because their name, or their family's, is [reserved](super::MergeSource::without).
    pub reserved: u64,
    /// TYPE lines that say otherwise than an earlier one, or than the samples before them.
    pub conflicts: u64,
}

/// What has been left out of a merge as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeStats {
    /// Sources that were added.
    pub sources: u64,
    /// Sources that were refused because they have the same labels as another.
    pub refused: u64,
    /// Samples of the sources that were added.
    pub samples: u64,
    /// Families of one source that were left out because they are agreed to be of another type, or are named as the samples
    /// of another family.
    pub conflicts: u64,
    /// The samples of these families.
    pub conflicting_samples: u64,
}

/// One family of one source that is left out, because sources do not agree what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The source's number, as [`Merger::add`](super::Merger::add) returned it.
    pub source: usize,
    /// The family's name.
    pub family: String,
    /// The type that the source gives it.
    pub said: &'static str,
    /// The type that it has instead. None if its name is that of another family's samples.
    pub agreed: Option<&'static str>,
    /// How many samples are left out.
    pub samples: u64,
}

impl MergeStats {
    /// A source's family with so many samples is left out.
    pub(super) fn leave_out(&mut self, samples: u64) {
        self.conflicts += 1;
        self.conflicting_samples += samples;
        self.samples -= samples;
    }
}
