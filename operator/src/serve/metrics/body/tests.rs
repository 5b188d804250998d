use super::*;
use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;
use std::io::Read as _;
use tagalong_exposition::merge::{Format, MergeSource, Merger};

/// Some 3 MB from ten pods.
fn merger() -> Merger {
    let mut merger = Merger::default();
    for pod in 0..10 {
        let mut source = MergeSource::new(&[("dataplane_pod", &format!("kong-{pod}"))], 1024);
        source.push(b"# TYPE k counter\n");
        for line in 0..5000 {
            source
                .push(format!("k{{service=\"echo\",route=\"route-{line}\"}} {line}\n").as_bytes());
        }
        source.finish();
        merger.add(source);
    }
    merger
}

fn whole(merger: Merger) -> Vec<u8> {
    let (mut merged, mut out) = (merger.finish(Format::Text), Vec::new());
    while merged.next(&mut out) {}
    out
}

#[tokio::test]
async fn comes_in_pieces_and_is_the_same_for_all_who_share_it() {
    let merger = merger();
    let wanted = whole(merger.clone());
    for gzip in [false, true] {
        let merged = merger.clone().finish(Format::Text);
        let mut body = MetricsBody::Pieces(Box::new(Pieces::new(merged, gzip)));
        let (mut sent, mut pieces) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let data = frame.expect("nothing fails").into_data().expect("data");
            assert!(!data.is_empty() && data.len() <= 2 * PIECE);
            sent.extend_from_slice(&data);
            pieces += 1;
        }
        assert!(pieces > 3, "{pieces}");
        let mut plain = Vec::new();
        if gzip {
            let read = GzDecoder::new(&sent[..]).read_to_end(&mut plain);
            assert!(read.is_ok());
        } else {
            plain = sent;
        }
        assert!(plain == wanted, "gzip: {gzip}");
    }
}

#[tokio::test]
async fn nothing_is_gzip_too() {
    let merged = Merger::default().finish(Format::Text);
    let body = MetricsBody::Pieces(Box::new(Pieces::new(merged, true)));
    let sent = body.collect().await.expect("nothing fails").to_bytes();
    let mut plain = Vec::new();
    let read = GzDecoder::new(&sent[..]).read_to_end(&mut plain);
    assert_eq!(read.expect("gzip"), 0);
}
