//! Requests that flow all the time, and how they fared in each part of a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Tried;
use crate::traffic::{STEADY, get};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(100);

/// After this a request has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

/// For so long a connection that is refused is tried again, as clients do: while a Service's endpoints change, kube-proxy
/// may for about a second know of none, or of one that is gone. No request is lost by that, since none was sent.
const REFUSED: Duration = Duration::from_secs(3);

/// What is forgiven in one part of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forgiven {
    /// Nothing: every request is answered with 200.
    #[default]
    Nothing,
    /// That there is nobody to connect to; whatever was sent is answered.
    Unreached,
    /// Whatever happens: Kong itself is broken.
    Everything,
}

/// How requests fared in one part of a test.
#[derive(Clone, Debug, Default)]
pub struct Fared {
    /// The part's name.
    pub part: &'static str,
    /// How many there were.
    pub requests: u64,
    /// How many found nobody to connect to at first.
    pub refused: u64,
    /// Those that found nobody in [`REFUSED`], so that nothing was sent.
    pub unreached: u64,
    /// Why those failed that were sent, and not answered with 200.
    pub lost: Vec<String>,
    /// The longest time from one answer to the next.
    pub silence: Duration,
    forgiven: Forgiven,
}

impl Fared {
    fn of(part: &'static str, forgiven: Forgiven) -> Self {
        Self {
            part,
            forgiven,
            ..Self::default()
        }
    }

    fn is_well(&self) -> bool {
        match self.forgiven {
            Forgiven::Nothing => self.unreached == 0 && self.lost.is_empty(),
            Forgiven::Unreached => self.lost.is_empty(),
            Forgiven::Everything => true,
        }
    }

    fn count(&mut self, refused: bool, answer: Result<(), Failed>, silence: Duration) {
        self.requests += 1;
        self.refused += u64::from(refused);
        self.silence = self.silence.max(silence);
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

/// One request by a client that tries again where it is refused. Also says whether it was.
async fn persist(cluster: &Cluster, address: SocketAddr, path: &str) -> (bool, Result<(), Failed>) {
    let begun = Instant::now();
    let mut refused = false;
    loop {
        match get(cluster, address, path).await {
            Ok(_) => return (refused, Ok(())),
            Err(error) if !error.to_string().contains("Connection refused") => {
                return (refused, Err(Failed::Lost(error.to_string())));
            }
            Err(_) if begun.elapsed() > REFUSED => return (true, Err(Failed::Unreached)),
            Err(_) => refused = true,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Up to ten requests a second until dropped, each on a connection of its own, one after the other, to the backend that
/// nobody scales.
pub struct Trickle {
    parts: Arc<Mutex<Vec<Fared>>>,
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
        let first = Fared::of(part, forgiven);
        let parts = Arc::new(Mutex::new(vec![first]));
        let counted = Arc::clone(&parts);
        let task = tokio::spawn(async move {
            let mut answered = Instant::now();
            loop {
                // A request belongs to the part in which it began.
                let part = counted.lock().len() - 1;
                let answer = persist(cluster, address, STEADY);
                let (refused, answer) = match tokio::time::timeout(TOO_LONG, answer).await {
                    Ok(found) => found,
                    Err(_) => (false, Err(Failed::Lost("no answer".to_owned()))),
                };
                let silence = answered.elapsed();
                if answer.is_ok() {
                    answered = Instant::now();
                }
                if let Some(fared) = counted.lock().get_mut(part) {
                    fared.count(refused, answer, silence);
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { parts, task }
    }

    /// From now on requests are counted for another part of the test.
    pub fn part(&self, part: &'static str, forgiven: Forgiven) {
        self.parts.lock().push(Fared::of(part, forgiven));
    }

    /// How they fared up to now, part by part.
    #[must_use]
    pub fn fared(&self) -> Vec<Fared> {
        self.parts.lock().clone()
    }

    /// Fails unless every request was answered, but for what is forgiven.
    ///
    /// # Errors
    ///
    /// When one was not, or a part had none.
    pub fn verdict(&self) -> Tried<()> {
        let mut parts = self.fared();
        parts.retain(|fared| fared.requests == 0 || !fared.is_well());
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
