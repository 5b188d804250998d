//! Ports that are named before somebody listens there: a child process that takes its port as a flag, an object
//! that says where a pod would listen.
//!
//! A port that was free a moment ago may be anybody's by the time it is used: the kernel gives it to the next
//! connection that goes out. So it is kept: a socket that is bound to it, does not listen and allows the address to
//! be used again (`SO_REUSEADDR`). The kernel gives such a port to nobody who leaves the choice to it, whichever
//! process asks, and it ends with its process, however that ends. A server that allows the same, as those of Rust's
//! and Go's standard libraries and of tokio do, can listen there.
//!
//! Where the server can say which port it got, none is needed: let it listen on port 0.
//!
//! Beside them, what the kernel holds for a port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

mod kernel;
#[cfg(test)]
mod tests;

pub use kernel::kernel_memory;

/// A TCP port of 127.0.0.1 that is given to nobody else until this is dropped. Connections to it are refused until
/// somebody listens.
#[derive(Debug)]
pub struct Reserved {
    address: SocketAddrV4,
    _socket: OwnedFd,
}

impl Reserved {
    /// One that nobody uses.
    ///
    /// # Errors
    ///
    /// When all are taken, or this process may open no more files.
    pub fn new() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let address = rustix::net::getsockname(&socket)?.try_into()?;
        Ok(Self {
            address,
            _socket: socket,
        })
    }

    /// The port alone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The port at 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address.into()
    }
}
