//! What the kernel may hold of a connection: without a bound it is megabytes for each peer that does not read, which
//! nobody's memory limit has counted (`docs/design.md` §6).

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

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

/// A listener. On `[::]` it takes IPv4, too, whatever the system's default is (`net.ipv6.bindv6only`); where the kernel has
/// no IPv6, it is one on `0.0.0.0` instead.
///
/// # Errors
///
/// The port cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match listen_at(address) {
        Err(error) => match without_ipv6(address, &error) {
            Some(address) => listen_at(address),
            None => Err(error),
        },
        listener => listener,
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn socket_for(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A port that a process has just left can be had at once.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The address to listen on instead, if all addresses were meant and this error says that there is no IPv6.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let missing = error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        || error.kind() == io::ErrorKind::AddrNotAvailable;
    (missing && address.ip() == Ipv6Addr::UNSPECIFIED)
        .then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
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

#[cfg(test)]
mod tests;
