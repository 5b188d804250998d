//! HTTP/2 that is spoken to cost much.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests that are taken back at once, each of which has been worked on by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_takes_it_back_again_and_again_is_ended() {
    const MANY: usize = 200_000;
    let server = bound().await;
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { text(StatusCode::OK, "fine") }
    };
    tokio::spawn(server.serve(answer, drain));
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let (preface, _request) = RUDE.split_at(33);
    stream.write_all(preface).await.expect("writes");
    let mut ended = false;
    for at in 0..MANY {
        let id = u32::try_from(2 * at + 1).expect("it fits").to_be_bytes();
        let ask = [&b"\0\0\x06\x01\x05"[..], &id, b"\x82\x86\x84\x41\x01a"].concat();
        let take_back = [&b"\0\0\x04\x03\0"[..], &id, b"\0\0\0\x08"].concat();
        if stream.write_all(&[ask, take_back].concat()).await.is_err() {
            ended = true;
            break;
        }
    }
    assert!(ended, "{MANY} were borne with");
    assert!(asked.load(Ordering::Relaxed) < MANY / 10, "{asked:?}");
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(exchange(address, request).await.ends_with("fine"));
}

/// What a peer may send ahead is in the budget of whoever serves: of each stream, and of all of them.
#[tokio::test]
async fn a_peer_is_told_how_little_it_may_send_ahead() {
    let limits = Limits {
        streams: 7,
        idle: Duration::from_millis(300),
        head: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = bound().await.with_limits(limits);
    let (address, (_trigger, drain)) = (server.address(), drain::channel());
    tokio::spawn(server.serve(|_| async { text(StatusCode::OK, "fine") }, drain));
    let told = until_closed(address, RUDE).await;
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    };
    let (mut rest, mut settings, mut window) = (&told[..], Vec::new(), 65_535);
    while rest.len() >= 9 {
        let (head, more) = rest.split_at(9);
        let length = usize::try_from(number(&head[..3])).expect("it fits");
        let (frame, more) = more.split_at(length.min(more.len()));
        match (head[3], number(&head[5..])) {
            (4, _) => settings.extend(
                frame
                    .chunks(6)
                    .map(|one| (number(&one[..2]), number(&one[2..]))),
            ),
            (8, 0) => window += number(frame),
            _ => {}
        }
        rest = more;
    }
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2).
    assert!(settings.contains(&(3, 7)), "{settings:?}");
    assert!(settings.contains(&(4, 64 << 10)), "{settings:?}");
    assert_eq!(window, 128 << 10);
}
