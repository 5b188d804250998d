//! Somebody who asks Kong all the time, and counts what was not answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tagalong_cluster::Cluster;
use tokio::task::JoinHandle;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(50);

/// Longer than any machine needs: what takes so long is not answered.
const LIMIT: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Count {
    pub answered: u64,
    pub failures: Vec<String>,
}

/// Asks until it is dropped.
pub struct Traffic {
    count: Arc<Mutex<Count>>,
    task: JoinHandle<()>,
}

impl Traffic {
    /// Each request is a connection of its own, since one that is kept would see neither a new pod nor a lost one.
    pub fn start(cluster: &'static Cluster, address: SocketAddr, path: &'static str) -> Self {
        let count = Arc::new(Mutex::new(Count::default()));
        let counted = Arc::clone(&count);
        let task = tokio::spawn(async move {
            loop {
                let asked = tokio::time::timeout(LIMIT, cluster.get(address, path)).await;
                match asked {
                    Ok(Ok(_)) => counted.lock().answered += 1,
                    Ok(Err(error)) => counted.lock().failures.push(error.to_string()),
                    Err(late) => counted.lock().failures.push(late.to_string()),
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { count, task }
    }

    /// What has come of it so far.
    pub fn count(&self) -> Count {
        self.count.lock().clone()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}
