//! What the kernel holds of connections, as `ss` tells it: that is what a control group charges.

use super::*;
use std::task::Poll;

fn held(port: u16) -> usize {
    let bytes = tagalong_ports::kernel_memory(port).expect("ss tells");
    usize::try_from(bytes).expect("it fits")
}

/// An answer without an end.
struct Endless;

impl Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        const PIECE: &[u8] = &[b'x'; 64 << 10];
        let piece = bytes::Bytes::from_static(PIECE);
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }
}

/// Reads fast, so that a buffer that grows by itself has grown, and then not at all.
async fn stalls(address: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a small one");
    let mut tcp = socket.connect(address).await.expect("connects");
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    let _ = tcp.write_all(&request).await;
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..60 {
        let _ = tcp.read(&mut buffer).await;
    }
    tcp
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_reading_cost_what_their_places_may_and_leave_nothing() {
    let limits = Limits {
        connections: 32,
        stall: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { Response::new(Endless) }, drain));
    let (mut readers, mut most) = (Vec::new(), 0);
    for _round in 0..3 {
        let mut stalled = JoinSet::new();
        for _ in 0..30 {
            stalled.spawn(stalls(address));
        }
        while let Some(reader) = stalled.join_next().await {
            readers.push(reader.expect("no panic"));
            most = most.max(held(address.port()));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        most = most.max(held(address.port()));
    }
    // Those without a place are heard for a moment.
    let may = (limits.connections + WITHOUT_PLACE) * limits.kernel.memory();
    assert!(
        most > 0 && most <= may,
        "{most} bytes, {may} are in budgets"
    );
    let left = async {
        while held(address.port()) > limits.kernel.memory() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let left = tokio::time::timeout(WAIT, left).await;
    assert!(left.is_ok(), "{} bytes for nobody", held(address.port()));
    drop(readers);
}
