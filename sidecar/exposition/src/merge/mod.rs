//! Many expositions made one.
//!
//! Each [`MergeSource`] is read as it streams in, in text format 0.0.4, and held as what is new in each of its lines, some
//! sixth of its size. A [`Merger`] brings the sources together family by family, and [`Merged`] writes them out.
//!
//! Whatever the sources send, the result is one that a strict reader accepts:
//!
//! - A family stands in one place, with one HELP and one TYPE in front, also if a source brought it twice. Families come
//!   in the order in which they were first seen, and in each the sources in the order in which they were added.
//! - The samples of each series of a histogram or summary stand together, with its labels as they were first written and
//!   the bound behind them.
//! - OpenMetrics calls a family `unknown` whose series are not whole, or whose name leaves it no other type.
//! - Sources that give a family another type than it is agreed to have lose their own samples of it, as do those whose
//!   family has the name of a histogram's or summary's samples, as `x_sum` beside a histogram `x`. Both are counted.
//! - A line that text format 0.0.4 does not allow is left out and counted, as is a number that no float holds, and a sample
//!   that a family of its type cannot have. A line feed inside of a value breaks all lines that the value is on.
//! - A series that one source sends twice is written once, the first time. What series a sample is of does not depend on
//!   the order of its labels, or on labels without a value. Two sources never share a series, because their labels in front
//!   differ; a source whose labels do not is refused.
//! - The labels of the source stand in front of those of the sample, escaped. A sample that already has a label of such
//!   a name is left out and counted.
//! - Lines are written without needless blanks, and with braces in any case. Comments that are no metadata, units and
//!   blank lines are not kept.

mod agree;
mod delta;
mod family;
mod finished;
mod format;
mod grouped;
mod header;
mod kong;
mod line;
mod merger;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod number;
mod output;
mod record;
mod source;
mod stats;
mod types;
mod whole;

pub use agree::Types;
pub use finished::FinishedSource;
pub use format::Format;
pub use merger::Merger;
pub use output::Merged;
pub use source::MergeSource;
pub use stats::{Disagreement, MergeStats, SourceStats};

#[cfg(test)]
mod tests;
