//! Free TCP ports on the loopback interface.

use std::net::TcpListener;

use crate::error::{Result, at};

/// As many different ports as asked for, all free a moment ago.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(at("127.0.0.1:0"))?;
        *port = listener.local_addr().map_err(at("127.0.0.1:0"))?.port();
        held.push(listener);
    }
    Ok(ports)
}
