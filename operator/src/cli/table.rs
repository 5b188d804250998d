//! `tagalong-operator table`: what a DataPlane's sidecars are sent.

use crate::args::OperateArgs;
use crate::cli::read::{print, read};
use crate::error::Failure;
use tagalong_index::Key;
use tagalong_wire::Message;

/// Prints the SNAPSHOT message of a DataPlane.
///
/// # Errors
///
/// When there is no such DataPlane, or nothing can be read.
pub fn run(args: &OperateArgs, dataplane: &str) -> Result<(), Failure> {
    let asked: Key = dataplane.parse().map_err(Failure::NotADataPlane)?;
    let world = read(args)?;
    let snapshot = world.with(|state| {
        let known = state.index.dataplanes().map(|one| one.key.clone());
        state.index.snapshot(&asked).ok_or_else(|| known.collect())
    });
    let snapshot = snapshot.map_err(|known| Failure::UnknownDataPlane { asked, known })?;
    let mut line = Vec::new();
    Message::Snapshot(snapshot).write(&mut line);
    print(&line)
}
