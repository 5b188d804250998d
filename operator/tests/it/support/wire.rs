//! A wire between a client and the API server that can be cut.

use super::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Wire {
    pub address: SocketAddr,
    cut: Arc<AtomicBool>,
    epoch: watch::Sender<u64>,
}

impl Wire {
    /// Leads to `target`.
    pub async fn to(target: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cut = Arc::new(AtomicBool::new(false));
        let (epoch, epochs) = watch::channel(0);
        let is_cut = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let (target, mut epochs) = (target.clone(), epochs.clone());
                epochs.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await?;
                    tokio::select! {
                        _ = epochs.changed() => {}
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                    Ok::<_, std::io::Error>(())
                });
            }
        });
        Ok(Self {
            address,
            cut,
            epoch,
        })
    }

    /// Ends all connections, and every new one.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}
