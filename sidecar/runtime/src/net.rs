//! What the kernel may hold of a connection: without a bound it is megabytes for each peer that does not read, which
//! nobody's memory limit has counted (`docs/design.md` §6).

use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use tokio::net::{TcpSocket, TcpStream};

/// What the kernel may keep of each connection, in bytes. It takes up to twice that of memory, with its own bookkeeping,
/// and a segment more. A buffer also bounds a connection's rate to its size in each round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// What is written and not yet acknowledged by the peer.
    pub send: usize,
    /// What has come and is not yet read.
    pub receive: usize,
}

impl Buffers {
    /// Of a server: answers are large, requests are small. 35 MB in 10 s need 64 KiB for each 20 ms of a round trip.
    pub const SERVER: Self = Self {
        send: 64 << 10,
        receive: 32 << 10,
    };

    /// Of a client: requests are small, answers are large.
    pub const CLIENT: Self = Self {
        send: 32 << 10,
        receive: 128 << 10,
    };

    /// The most memory that the kernel takes for one such connection, in bytes.
    #[must_use]
    pub const fn memory(self) -> usize {
        /// What one segment may take on top.
        const SEGMENT: usize = 32 << 10;
        2 * (self.send + self.receive) + SEGMENT
    }

    /// Sets them on a socket; connections inherit those of their listener.
    ///
    /// # Errors
    ///
    /// When the socket is none any more.
    pub fn set(self, socket: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(socket);
        socket.set_send_buffer_size(self.send)?;
        socket.set_recv_buffer_size(self.receive)
    }
}

/// A connection to the first of a host's addresses that answers. What is sent is not held back to fill a segment.
///
/// # Errors
///
/// None answers, or the name is not known.
pub async fn connect(host: &str, port: u16, buffers: Buffers) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        match connect_to(address, buffers).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    Err(failed.unwrap_or_else(unknown))
}

/// A connection to this address.
///
/// # Errors
///
/// Nobody answers there.
pub async fn connect_to(address: SocketAddr, buffers: Buffers) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Before the handshake: it tells the peer how much it may ever send ahead.
    buffers.set(&socket)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
