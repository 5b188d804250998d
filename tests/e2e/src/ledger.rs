//! The faults of a test in order: a line for each while it runs, and a table at the end.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::Tried;
use crate::faults::Killed;
use crate::figures::say;
use crate::recovery::Recovery;
use crate::road::Road;
use crate::trickle::{Forgiven, PartStats, Trickle};

/// What was measured.
pub struct Ledger<'a> {
    road: &'a Road,
    trickle: Trickle,
    begun: Instant,
    recoveries: Vec<(&'static str, Recovery)>,
}

impl<'a> Ledger<'a> {
    /// Requests begin to flow.
    #[must_use]
    pub fn open(road: &'a Road) -> Self {
        let (cluster, gateway) = (road.stage.cluster, road.gateway);
        Self {
            road,
            trickle: Trickle::start(cluster, gateway, "before all faults", Forgiven::Nothing),
            begun: Instant::now(),
            recoveries: Vec::new(),
        }
    }

    /// A part of the test that needs no recovery.
    pub fn part(&self, name: &'static str, forgiven: Forgiven) {
        self.say(&format!("{name} ..."));
        self.trickle.part(name, forgiven);
    }

    /// Breaks something by `fault`, and waits until all is well again by itself. `former`: what the Lease said before, if
    /// its holder is a victim.
    ///
    /// # Errors
    ///
    /// When something does not come back, or a label was wrong at any time.
    pub async fn fault(
        &mut self,
        name: &'static str,
        forgiven: Forgiven,
        former: Option<Value>,
        fault: impl Future<Output = Tried<Vec<Killed>>>,
    ) -> Tried<()> {
        self.part(name, forgiven);
        let (stage, since) = (&self.road.stage, Instant::now());
        let killed = fault.await.map_err(|error| format!("{name}: {error}"))?;
        let number = self.recoveries.len();
        let well = self.road.well_again(number, former.as_ref(), since);
        let (recovery, ()) = tokio::try_join!(well, stage.started_again(&killed))
            .map_err(|error| format!("{name}: {error}"))?;
        self.recoveries.push((name, recovery));
        if let Some(stats) = self.trickle.parts().last() {
            self.say(&row(stats, Some(recovery)));
        }
        Ok(())
    }

    /// Ends the requests and prints the table. Call it in any case.
    pub async fn close(&self) {
        self.trickle.end().await;
        say(HEAD);
        for stats in self.trickle.parts() {
            let mut recoveries = self.recoveries.iter();
            let recovery = recoveries.find(|(name, _)| *name == stats.part);
            say(&row(&stats, recovery.map(|(_, recovery)| *recovery)));
        }
    }

    /// Whether all requests were answered, but for what is forgiven.
    ///
    /// # Errors
    ///
    /// When one was not.
    pub fn verdict(&self) -> Tried<()> {
        self.trickle.verdict()
    }

    fn say(&self, what: &str) {
        say(&format!(
            "{:5.0} s  {what}",
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// Of the closing table. Times are in seconds: of `silence` from one answer to the next, of the rest from the fault on.
const HEAD: &str = concat!(
    "fault                                   | requests | tried again | unreached | lost | silence ",
    "| leader | webhook | new label | autoscaler"
);

fn row(stats: &PartStats, recovery: Option<Recovery>) -> String {
    let PartStats {
        part,
        requests,
        again,
        unreached,
        silence,
        ..
    } = stats;
    let lost = stats.lost.len();
    let silence = silence.as_secs_f64();
    let after = |time: fn(Recovery) -> Duration| {
        let time = recovery.map(time);
        time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
    };
    format!(
        "{part:39} | {requests:8} | {again:11} | {unreached:9} | {lost:4} | {silence:7.1} | {:>6} | {:>7} | {:>9} | {:>10}",
        after(|one| one.leader),
        after(|one| one.webhook),
        after(|one| one.label),
        after(|one| one.autoscaler),
    )
}
