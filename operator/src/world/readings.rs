//! The end of older readings: an index that waits for Kong is told the time when it has asked for it, and never else.

use crate::world::World;
use tagalong_runtime::Drain;

/// Ends older readings when their time is over, until the drain begins.
pub async fn end(world: World, drain: Drain) {
    let mut next = world.next_tick();
    loop {
        let due = *next.borrow_and_update();
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let woken = drain.cancel(async {
            tokio::select! {
                () = due => world.tick(),
                _the_world_lives = next.changed() => {}
            }
        });
        if woken.await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
