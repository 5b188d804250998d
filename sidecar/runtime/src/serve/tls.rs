//! TLS between a socket and HTTP.

use super::connection::{Accepted, Accepting, Handshake};
use super::handle::ClientCertificates;
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
        Box::pin(async {
            let stream = accept.await?;
            let shown = stream.get_ref().1.peer_certificates();
            let certificates = shown.map(|shown| ClientCertificates(shown.into()));
            Ok(Accepted {
                io: Box::new(stream),
                certificates,
            })
        })
    }
}
