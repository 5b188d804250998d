use super::Reserved;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Ports that the kernel chooses for others, by connections and by listeners.
fn load() -> BTreeSet<u16> {
    let server = TcpListener::bind("127.0.0.1:0").expect("a server");
    let to = server.local_addr().expect("its address");
    let mut given = BTreeSet::new();
    for _ in 0..500 {
        let client = TcpStream::connect(to).expect("a connection");
        given.insert(client.local_addr().expect("its address").port());
        // Ended by a reset: else each port is kept for a minute, and soon there is none.
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("linger");
        drop((client, server.accept().expect("accepted")));
    }
    for _ in 0..6_000 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        given.insert(listener.local_addr().expect("its address").port());
    }
    given
}

#[test]
fn of_a_thousand_none_is_given_to_others() {
    for _ in 0..10 {
        let reserved: Vec<Reserved> = (0..100).map(|_| Reserved::new().expect("a port")).collect();
        let let_go: BTreeSet<u16> = (0..100)
            .map(|_| Reserved::new().expect("a port").port())
            .collect();
        let given = load();
        assert!(
            !let_go.is_disjoint(&given),
            "the load takes none of what is free: it shows nothing"
        );
        for port in &reserved {
            assert!(!given.contains(&port.port()), "{port:?} was given away");
            let server = TcpListener::bind(port.address()).expect("a server where it was told to");
            let mut client = TcpStream::connect(port.address()).expect("a connection");
            let (mut stream, _) = server.accept().expect("accepted");
            stream.write_all(b"here").expect("written");
            drop(stream);
            let mut read = String::new();
            client.read_to_string(&mut read).expect("read");
            assert_eq!(read, "here");
        }
    }
}

#[test]
fn nobody_answers_before_somebody_listens() {
    let port = Reserved::new().expect("a port");
    let refused = TcpStream::connect(port.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// As after a crash: connections of the former server are still about.
#[test]
fn a_server_can_come_back() {
    let port = Reserved::new().expect("a port");
    for _ in 0..2 {
        let server = TcpListener::bind(port.address()).expect("a server");
        let client = TcpStream::connect(port.address()).expect("a connection");
        let (stream, _) = server.accept().expect("accepted");
        // The server's side ends first, and keeps its address.
        drop(stream);
        drop((client, server));
    }
}
