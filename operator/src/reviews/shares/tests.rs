use super::*;
use futures::FutureExt as _;
use std::net::IpAddr;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[tokio::test]
async fn one_peer_waits_for_itself_only() {
    let shares = Shares::new(2);
    let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
    let first = shares.of(one).await;
    let _second = shares.of(one).await;
    assert!(shares.of(one).now_or_never().is_none());
    assert!(shares.of(other).now_or_never().is_some());
    drop(first);
    assert!(shares.of(one).now_or_never().is_some());
}

#[tokio::test]
async fn a_peer_that_has_gone_is_forgotten() {
    let shares = Shares::new(1);
    for last in 0..=255 {
        let peer = IpAddr::from([192, 0, 2, last]);
        let held = shares.of(peer).await;
        // One that stopped waiting, and one that waits still.
        assert!(shares.of(peer).now_or_never().is_none());
        let mut waits = Box::pin(shares.of(peer));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(held);
        drop(waits.await);
    }
    assert_eq!(shares.peers.lock().len(), 0);
}
