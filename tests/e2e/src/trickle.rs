//! A constant trickle of requests, and its outcomes in each part of a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Tried;
use crate::traffic::STEADY;

/// Between two requests, or two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// After this a request has failed.
const TOO_LONG: Duration = Duration::from_secs(30);

/// For so long a connection that does not come about is tried again, as clients do: while a pod is replaced, kube-proxy
/// may for about a second know of no endpoint, or of one that is gone. No request is lost by that, since none was sent.
/// One attempt that nobody refuses takes ten seconds.
const AGAIN: Duration = Duration::from_secs(12);

/// What is forgiven in one part of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forgiven {
    /// Nothing: every request is answered with 200 at once.
    #[default]
    Nothing,
    /// That a request must be tried again because there was nobody to connect to: Kong's pods are replaced.
    Again,
    /// That there is nobody to connect to for longer; whatever was sent is answered.
    Unreached,
    /// Whatever happens: Kong itself is broken.
    Everything,
}

/// What became of the requests in one part of a test.
#[derive(Clone, Debug, Default)]
pub struct PartStats {
    /// The part's name.
    pub part: &'static str,
    /// How many began in it.
    pub requests: u64,
    /// How many of them have not ended yet.
    pub under_way: u64,
    /// How many found nobody to connect to at first.
    pub again: u64,
    /// Those that found nobody in `AGAIN`, so that nothing was sent.
    pub unreached: u64,
    /// Why those failed that were sent, and not answered with 200.
    pub lost: Vec<String>,
    /// The longest time in it from one answer to the next.
    pub silence: Duration,
    forgiven: Forgiven,
}

impl PartStats {
    fn of(part: &'static str, forgiven: Forgiven) -> Self {
        Self {
            part,
            forgiven,
            ..Self::default()
        }
    }

    fn is_well(&self) -> bool {
        let none_is_lost = self.requests > 0 && self.under_way == 0 && self.lost.is_empty();
        match self.forgiven {
            Forgiven::Nothing => none_is_lost && self.unreached == 0 && self.again == 0,
            Forgiven::Again => none_is_lost && self.unreached == 0,
            Forgiven::Unreached => none_is_lost,
            Forgiven::Everything => self.requests > 0,
        }
    }

    fn begin(&mut self) {
        self.requests += 1;
        self.under_way += 1;
    }

    fn end(&mut self, again: bool, answer: Result<(), Failed>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.again += u64::from(again);
        match answer {
            Ok(()) => {}
            Err(Failed::Unreached) => self.unreached += 1,
            Err(Failed::Lost(why)) => self.lost.push(why),
        }
    }
}

#[derive(Debug)]
enum Failed {
    Unreached,
    Lost(String),
}

/// One request by a client that tries again where it cannot connect. Also says whether it had to.
async fn persist(cluster: &Cluster, address: SocketAddr, path: &str) -> (bool, Result<(), Failed>) {
    let begun = Instant::now();
    let mut again = false;
    loop {
        match cluster.get(address, path).await {
            Ok(_) => return (again, Ok(())),
            Err(error) if !is_unreached(&error.to_string()) => {
                return (again, Err(Failed::Lost(error.to_string())));
            }
            Err(_) if begun.elapsed() > AGAIN => return (true, Err(Failed::Unreached)),
            Err(_) => again = true,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an error of [`Cluster::get`] is that no connection came about.
fn is_unreached(error: &str) -> bool {
    error.starts_with("connection to ")
}

/// What all requests have in common.
struct Counted {
    parts: Vec<PartStats>,
    answered: Instant,
}

impl Counted {
    fn end(&mut self, part: usize, again: bool, answer: Result<(), Failed>) {
        if answer.is_ok() {
            let silence = self.answered.elapsed();
            self.answered = Instant::now();
            if let Some(now) = self.parts.last_mut() {
                now.silence = now.silence.max(silence);
            }
        }
        if let Some(stats) = self.parts.get_mut(part) {
            stats.end(again, answer);
        }
    }
}

/// Ten requests a second until dropped, each on a connection of its own, to the backend that nobody scales.
pub struct Trickle {
    counted: Arc<Mutex<Counted>>,
    task: JoinHandle<()>,
}

impl Trickle {
    /// Starts it; `address` is where the Gateway's clients go.
    #[must_use]
    pub fn start(
        cluster: &'static Cluster,
        address: SocketAddr,
        part: &'static str,
        forgiven: Forgiven,
    ) -> Self {
        let counted = Arc::new(Mutex::new(Counted {
            parts: vec![PartStats::of(part, forgiven)],
            answered: Instant::now(),
        }));
        let all = Arc::clone(&counted);
        let task = tokio::spawn(async move {
            loop {
                let part = {
                    let mut all = all.lock();
                    let part = all.parts.len() - 1;
                    all.parts[part].begin();
                    part
                };
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let answer = persist(cluster, address, STEADY);
                    let (again, answer) = match tokio::time::timeout(TOO_LONG, answer).await {
                        Ok(found) => found,
                        Err(_) => (false, Err(Failed::Lost("no answer".to_owned()))),
                    };
                    all.lock().end(part, again, answer);
                });
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { counted, task }
    }

    /// From now on requests are counted for another part of the test.
    pub fn part(&self, part: &'static str, forgiven: Forgiven) {
        self.counted
            .lock()
            .parts
            .push(PartStats::of(part, forgiven));
    }

    /// What became of them up to now, part by part.
    #[must_use]
    pub fn parts(&self) -> Vec<PartStats> {
        self.counted.lock().parts.clone()
    }

    /// Sends no more, and waits for the answers that are not there yet.
    pub async fn end(&self) {
        self.task.abort();
        let begun = Instant::now();
        let is_under_way = || self.parts().iter().any(|stats| stats.under_way > 0);
        while is_under_way() && begun.elapsed() < TOO_LONG * 2 {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Fails unless every request was answered, but for what is forgiven.
    ///
    /// # Errors
    ///
    /// When one was not, or a part had none.
    pub fn verdict(&self) -> Tried<()> {
        let mut parts = self.parts();
        parts.retain(|stats| !stats.is_well());
        if parts.is_empty() {
            Ok(())
        } else {
            Err(format!("{parts:#?}").into())
        }
    }
}

impl Drop for Trickle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
