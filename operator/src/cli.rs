//! What a person or a Job runs once: questions about a cluster or about files, a probe, and the uninstaller.

pub mod explain;
pub mod probe;
mod read;
pub mod table;
pub mod uninstall;
pub mod values;
