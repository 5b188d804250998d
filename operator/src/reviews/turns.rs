//! Who may ask now: few at once, and of each asker fewer.

use crate::reviews::shares::Shares;
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Turns to ask the API server.
#[derive(Debug)]
pub struct Turns<K> {
    shares: Shares<K>,
    all: Semaphore,
    timeout: Duration,
}

impl<K: Copy + Eq + Hash> Turns<K> {
    /// `all` at once, of which `each` for one asker. With the wait for its turn, a question may take `timeout`.
    #[must_use]
    pub fn new(all: usize, each: usize, timeout: Duration) -> Self {
        Self {
            shares: Shares::new(each),
            all: Semaphore::new(all),
            timeout,
        }
    }

    /// Asks when it is the asker's turn.
    ///
    /// # Errors
    ///
    /// When the question fails, or there is no answer in time.
    pub async fn ask<T>(
        &self,
        asker: K,
        question: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let asked = async {
            let _share = self.shares.of(asker).await;
            let _turn = self.all.acquire().await;
            question.await
        };
        let answer = tokio::time::timeout(self.timeout, asked).await;
        answer.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned()))
    }

    /// How many more could be asked now.
    pub fn free(&self) -> usize {
        self.all.available_permits()
    }
}
