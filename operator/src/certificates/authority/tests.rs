use super::*;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::collections::VecDeque;
use std::sync::Arc;

const DAY: i64 = 24 * 3600;
const START: i64 = 1_800_000_000;

fn names() -> Vec<String> {
    vec!["tagalong-operator.tagalong.svc".to_owned()]
}

/// Whether a client that trusts `bundle` accepts `leaf` at `now`.
fn trusts(bundle: &str, leaf: &Leaf, now: i64) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM");
    let name = ServerName::try_from("tagalong-operator.tagalong.svc").expect("a name");
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unsigned_abs()));
    let verified = verifier.verify_server_cert(&certificate, &[], &name, &[], now);
    verified.is_ok()
}

/// Clients may be a day behind with the bundle, and servers with the certificate, and all trust each other all the time.
#[test]
fn nobody_who_is_less_than_an_overlap_behind_ever_distrusts_or_is_distrusted() {
    const TURNS_A_DAY: i64 = 4;
    let lifetimes = Lifetimes::default();
    let mut authority = Authority::default();
    let mut leaf: Option<Leaf> = None;
    // What clients trust and servers show, newest first, over less than an overlap.
    let mut behind: VecDeque<(String, Leaf)> = VecDeque::new();
    let (mut issuers, mut changes) = (std::collections::BTreeSet::new(), 0);
    for turn in 0..365 * 5 * TURNS_A_DAY {
        let now = START + turn * DAY / TURNS_A_DAY;
        changes += u32::from(authority.tick(now, &lifetimes).expect("ticks"));
        let due = |leaf: &Leaf| now >= leaf.renew || Some(&*leaf.issuer) != authority.issuer();
        if leaf.as_ref().is_none_or(due) {
            leaf = authority.sign(&names(), now, &lifetimes).expect("signs");
        }
        let leaf = leaf.clone().expect("a leaf");
        issuers.insert(leaf.issuer.clone());
        behind.push_front((authority.bundle(), leaf));
        behind.truncate(usize::try_from(TURNS_A_DAY).expect("a few"));
        let (newest, oldest) = (&behind[0], &behind[behind.len() - 1]);
        for ((bundle, _), (_, leaf)) in [(newest, newest), (oldest, newest), (newest, oldest)] {
            assert!(
                trusts(bundle, leaf, now),
                "turn {turn} of {TURNS_A_DAY} a day"
            );
        }
    }
    assert!(issuers.len() >= 3, "it rotated: {issuers:?}");
    assert!(changes < 20, "and did nothing most of the time: {changes}");
}

#[test]
fn an_old_authority_is_forgotten() {
    let (mut authority, lifetimes) = (Authority::default(), Lifetimes::default());
    authority.tick(START, &lifetimes).expect("ticks");
    let first = authority.bundle();
    for day in 487..490 {
        authority
            .tick(START + day * DAY, &lifetimes)
            .expect("ticks");
    }
    assert!(!authority.bundle().contains(&first));
    let old = Authority {
        next: None,
        ..authority.clone()
    };
    assert_eq!(old, authority, "one signer is left");
}

#[test]
fn what_cannot_be_read_is_made_anew() {
    let lifetimes = Lifetimes::default();
    let mut authority = Authority::default();
    authority.tick(START, &lifetimes).expect("ticks");
    let mut broken = authority.clone();
    if let Some(signer) = &mut broken.current {
        signer.key.truncate(60);
    }
    assert!(broken.tick(START + 1, &lifetimes).expect("ticks"));
    assert!(
        broken
            .sign(&names(), START + 1, &lifetimes)
            .expect("signs")
            .is_some()
    );
    assert!(!authority.tick(START + 1, &lifetimes).expect("ticks"));
    let kept = serde_json::to_string(&authority).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Authority>(&kept).expect("reads"),
        authority
    );
}

#[test]
fn an_authority_that_slept_through_its_life_starts_again() {
    let lifetimes = Lifetimes::default();
    let mut authority = Authority::default();
    authority.tick(START, &lifetimes).expect("ticks");
    let late = START + 3000 * DAY;
    assert!(authority.tick(late, &lifetimes).expect("ticks"));
    let leaf = authority
        .sign(&names(), late, &lifetimes)
        .expect("signs")
        .expect("a leaf");
    assert!(trusts(&authority.bundle(), &leaf, late));
}
