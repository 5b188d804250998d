//! TLS between a socket and HTTP.

use super::connection::{Accepting, Handshake, Io};
use super::socket::Socket;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub(super) fn acceptor(config: Arc<ServerConfig>) -> Arc<dyn Handshake> {
    Arc::new(Tls(TlsAcceptor::from(config)))
}

struct Tls(TlsAcceptor);

impl Handshake for Tls {
    fn accept(&self, socket: Socket) -> Accepting<'_> {
        let accept = self.0.accept(socket);
        Box::pin(async { Ok(Box::new(accept.await?) as Box<dyn Io>) })
    }
}
