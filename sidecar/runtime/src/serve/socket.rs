//! A connection's socket, which outlives what is spoken on it: what the peer has not taken yet is still in the kernel,
//! and somebody has to answer for it.

use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How often the kernel is asked what a peer has taken.
const LOOK: Duration = Duration::from_millis(20);

/// One of the owners of a socket, which is closed when the last one goes.
#[derive(Clone, Debug)]
pub(super) struct Socket(Arc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// Ends the connection without a farewell: what the peer has not taken is dropped at once, instead of being kept and
    /// offered for minutes.
    pub(super) fn reset(self) {
        // Fails only where there is no connection any more.
        let _ = self.0.set_zero_linger();
    }

    /// How much the peer has not acknowledged, in bytes.
    #[allow(
        unsafe_code,
        reason = "no crate of ours tells it, and without it a peer that leaves its answers unread costs memory after its place is free"
    )]
    pub(super) fn untaken(&self) -> usize {
        let mut bytes: libc::c_int = 0;
        // SAFETY: the descriptor is open as long as `self` is, and SIOCOUTQ (tcp(7), on Linux the same as TIOCOUTQ) writes
        // one int to where it is told, which lives.
        let asked = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        if asked == 0 {
            usize::try_from(bytes).unwrap_or_default()
        } else {
            0
        }
    }

    /// Resolves once the peer has taken everything, or is gone.
    pub(super) async fn taken(&self) {
        while self.untaken() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The first bytes that came, without taking them; fewer than fit, if no more come.
    pub(super) async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.peek(into).await
    }

    /// Writes as much as fits now.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        // Whoever has no room for a few words has not read what came before either.
        let _ = self.0.try_write(bytes);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(into.initialize_unfilled()) {
                Ok(read) => {
                    into.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

impl Socket {
    fn write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}
