//! TLS with a Kong on loopback, whose certificate is of a kind that our own library cannot check.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tagalong_ports::Reserved;
use tagalong_sidecar::kong::{Kong, KongError};

/// OpenSSL's server, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// OpenSSL with a key and certificate of this kind; nginx uses the same library.
fn openssl(
    directory: &std::path::Path,
    kind: &[&str],
    address: SocketAddr,
    more: &[&str],
) -> Server {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=kong"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .args(kind)
        .current_dir(directory)
        .stderr(Stdio::null())
        .status()
        .expect("openssl is there");
    assert!(made.success(), "{kind:?}");
    let server = Command::new("openssl")
        .args(["s_server", "-quiet", "-key", "key.pem", "-cert", "cert.pem"])
        .args(["-accept", &address.to_string()])
        .args(more)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl serves");
    Server(server)
}

/// Where nothing is checked, no kind of key or signature is an obstacle.
#[tokio::test]
async fn any_certificate_does_on_loopback() {
    let p521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"];
    let sha1 = ["-newkey", "rsa:2048", "-sha1"];
    let short = ["-newkey", "rsa:1024", "-sha1"];
    let weak = ["-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0"];
    // OpenSSL's TLS 1.2 wants the curve among those for the exchange of keys, too.
    let cases: [(&[&str], &[&str]); 3] = [(&p521, &[]), (&sha1, &weak), (&short, &weak)];
    for (kind, more) in cases {
        let directory = tempfile::tempdir().expect("a directory");
        let port = Reserved::new().expect("a port");
        let _server = openssl(directory.path(), kind, port.address(), more);
        let url = format!("https://{}/metrics", port.address());
        let kong = Kong::new(url.parse().expect("a URL")).expect("no certificates needed");
        let mut connected = kong.connect().await;
        for _ in 0..200 {
            if !matches!(connected, Err(KongError::Connect(..))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            connected = kong.connect().await;
        }
        assert!(
            connected.is_ok(),
            "{kind:?} {more:?}: {:?}",
            connected.err()
        );
    }
}
