//! tagalong and its peers at the same work, side by side.
//!
//! The peers are driven by small Go programs (`go/`) against pinned modules, or are whole agents built from pinned modules.
//! Every output is compared, sample by sample, before any time is taken.

pub mod agents;
pub mod canonical;
pub mod cli;
pub mod compare;
pub mod contend;
pub mod contenders;
pub mod floors;
pub mod in_process;
pub mod machine;
pub mod merging;
pub mod over_http;
pub mod page;
pub mod process;
pub mod programs;
pub mod record;
pub mod scrape;
pub mod sink;
pub mod stats;
pub mod work;

/// Tells whoever waits.
#[macro_export]
macro_rules! say {
    ($($told:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "bench-peers: {}", format_args!($($told)*));
    }};
}
