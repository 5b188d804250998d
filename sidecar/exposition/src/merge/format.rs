//! The formats in which a merge is written.

/// How the merged exposition is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0: with an end mark, counters named as it wants them, timestamps in seconds, and the type `unknown` for
    /// what it does not allow under its own.
    OpenMetrics,
}
