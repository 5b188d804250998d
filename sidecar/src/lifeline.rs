//! The time that a connection has left.
//!
//! A reader that has stopped reading blocks its connection's writes, and then nothing in the response's body is asked any
//! more. So the connection itself is dropped when its lifeline ends.

use tokio::sync::watch;
use tokio::time::Instant;

/// When a connection must be over with what it does.
#[derive(Debug)]
pub struct Lifeline(watch::Sender<Option<Instant>>);

impl Lifeline {
    /// A connection that must be over by `end`.
    #[must_use]
    pub fn until(end: Instant) -> Self {
        Self(watch::Sender::new(Some(end)))
    }

    /// It must be over by `end`.
    pub fn arm(&self, end: Instant) {
        self.0.send_replace(Some(end));
    }

    /// It may live on.
    pub fn disarm(&self) {
        self.0.send_replace(None);
    }

    /// It is over now.
    pub fn cut(&self) {
        self.arm(Instant::now());
    }

    /// Waits for the end, wherever it moves meanwhile.
    pub async fn ended(&self) {
        let mut end = self.0.subscribe();
        loop {
            let now = *end.borrow_and_update();
            let over = async {
                match now {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                // The sender is `self`: it cannot be gone.
                _ = end.changed() => {}
            }
        }
    }
}
