use super::*;
use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

fn made(name: &str) -> (String, String) {
    let Made { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

fn write(files: &Files, chain: &str, key: &str) {
    std::fs::write(&files.chain, chain).expect("chain written");
    std::fs::write(&files.key, key).expect("key written");
}

#[test]
fn a_key_that_does_not_fit_is_refused() {
    let ((chain, key), (_, other)) = (made("a"), made("b"));
    assert!(parse(chain.as_bytes(), key.as_bytes()).is_ok());
    assert!(matches!(
        parse(chain.as_bytes(), other.as_bytes()),
        Err(BadCertificate::Unusable(_))
    ));
    assert!(matches!(
        parse(b"", key.as_bytes()),
        Err(BadCertificate::Empty)
    ));
    assert!(matches!(
        parse(chain.as_bytes(), b"junk"),
        Err(BadCertificate::NotPem(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn files_are_read_again_and_bad_ones_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = Files::in_dir(dir.path());
    let (_trigger, drain) = crate::drain::channel();
    let mut certificates = files.clone().follow(drain);
    assert!(certificates.borrow().is_none(), "no files yet");

    let (chain, key) = made("first");
    write(&files, &chain, &key);
    certificates.changed().await.expect("still followed");
    let first = certificates.borrow_and_update().clone().expect("loaded");

    write(&files, &chain[..chain.len() / 2], &key);
    tokio::time::sleep(3 * REREAD).await;
    assert!(!certificates.has_changed().expect("still followed"));

    let (chain, key) = made("second");
    write(&files, &chain, &key);
    certificates.changed().await.expect("still followed");
    let second = certificates.borrow_and_update().clone().expect("loaded");
    assert_ne!(first.cert, second.cert);
}
