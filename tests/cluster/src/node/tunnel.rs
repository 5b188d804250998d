//! A way for this process into the node's network, without an interface on the host: a socket belongs to
//! the network namespace of the thread that opened it, whoever uses it afterwards.

use std::fs::File;
use std::io::Result as IoResult;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tagalong_ports::Reserved;
use tokio::io::copy_bidirectional;
use tokio::sync::oneshot;

use crate::error::{Result, at};

/// Opens a connection as a process inside would.
pub(super) fn connect(holder: u32, address: SocketAddr) -> IoResult<TcpStream> {
    inside(holder, move || {
        TcpStream::connect_timeout(&address, Duration::from_secs(10))
    })
}

/// Listens as a process inside would.
pub(super) fn listen(holder: u32, address: SocketAddr) -> IoResult<TcpListener> {
    inside(holder, move || TcpListener::bind(address))
}

/// Keeps a port of 127.0.0.1 inside.
pub(super) fn reserve(holder: u32) -> IoResult<Reserved> {
    inside(holder, Reserved::new)
}

/// Runs `open` on a thread that enters the namespace and then ends: no thread of a pool may stay there.
fn inside<T: Send + 'static>(
    holder: u32,
    open: impl FnOnce() -> IoResult<T> + Send + 'static,
) -> IoResult<T> {
    let thread = std::thread::Builder::new()
        .name("inside".to_owned())
        .spawn(move || {
            let namespace = File::open(format!("/proc/{holder}/ns/net"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            open()
        })?;
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Forwards a port on the host's 127.0.0.1 to an address inside, on a thread of its own: it must outlive
/// the async runtime of whichever test started the cluster.
pub(super) struct Forwarder {
    port: u16,
    _end: oneshot::Sender<()>,
}

impl Forwarder {
    pub fn start(holder: u32, target: SocketAddr) -> Result<Self> {
        let failed = || at("the port that leads to the API server");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed())?;
        std::thread::Builder::new()
            .name("forwarder".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = forward(listener, holder, target) => {}
                        _ = ended => {}
                    }
                });
                // A connection attempt may hang for its ten seconds.
                runtime.shutdown_background();
            })
            .map_err(failed())?;
        Ok(Self { port, _end: end })
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn forward(listener: TcpListener, holder: u32, target: SocketAddr) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            let far = tokio::task::spawn_blocking(move || connect(holder, target)).await;
            // Whoever called sees its connection closed, and tries again.
            let Ok(Ok(far)) = far else { return };
            if far.set_nonblocking(true).is_err() {
                return;
            }
            if let Ok(mut far) = tokio::net::TcpStream::from_std(far) {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
