//! TLS between a socket and HTTP, for all peers or for those that begin it.

use super::connection::{Accepted, Accepting, Handshake};
use super::handle::ClientCertificates;
use super::socket::Socket;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub(super) fn acceptor(config: Arc<ServerConfig>) -> Arc<dyn Handshake> {
    Arc::new(Tls(TlsAcceptor::from(config)))
}

/// As [`acceptor`], for peers whose first byte says that they speak TLS; the others get what they speak.
pub(super) fn acceptor_beside_plain(config: Arc<ServerConfig>) -> Arc<dyn Handshake> {
    Arc::new(TlsOrPlain(Tls(TlsAcceptor::from(config))))
}

/// What a TLS record of a handshake begins with (RFC 8446, section 5.1). No HTTP request does.
const HANDSHAKE: u8 = 0x16;

struct Tls(TlsAcceptor);

struct TlsOrPlain(Tls);

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

impl Handshake for TlsOrPlain {
    fn accept(&self, socket: Socket) -> Accepting<'_> {
        Box::pin(async {
            let mut first = [0];
            // Nothing at all is for HTTP to make sense of.
            let read = socket.peek(&mut first).await?;
            if read == 1 && first == [HANDSHAKE] {
                return self.0.accept(socket).await;
            }
            Ok(Accepted {
                io: Box::new(socket),
                certificates: None,
            })
        })
    }

    fn hears_plain(&self) -> bool {
        true
    }
}
