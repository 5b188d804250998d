use super::*;

/// It is not bound here: `[::]` is more than the loopback.
#[test]
fn ipv6_never_shuts_ipv4_out() {
    let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let socket = socket_for(all).expect("this machine has IPv6");
    // As `net.ipv6.bindv6only` would have it.
    assert!(!socket.only_v6().expect("an option"));
}

#[test]
fn without_ipv6_all_addresses_are_those_of_ipv4() {
    let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080));
    for missing in [
        io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
        io::Error::from_raw_os_error(libc::EADDRNOTAVAIL),
    ] {
        assert_eq!(
            without_ipv6(all, &missing),
            Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)))
        );
        // Who names an address means it.
        let one = SocketAddr::from((Ipv6Addr::LOCALHOST, 8080));
        assert_eq!(without_ipv6(one, &missing), None);
    }
    let taken = io::Error::from_raw_os_error(libc::EADDRINUSE);
    assert_eq!(without_ipv6(all, &taken), None);
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port");
    let address = first.local_addr().expect("an address");
    let second = listen(address).map(|_| ()).map_err(|error| error.kind());
    assert_eq!(second, Err(io::ErrorKind::AddrInUse));
}
