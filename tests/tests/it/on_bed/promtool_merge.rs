//! Prometheus' own checker accepts the merge of whatever sources send.

#![allow(clippy::expect_used, reason = "what fails here fails the test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use tagalong_cluster::binaries::{self, Tool};
use tagalong_exposition::merge::{Format, MergeSource, Merger};
use tagalong_kong::captures;

/// Faults that the captures do not have, each of which `promtool` or Prometheus refuses by itself.
const FAULTS: &[u8] = b"# HELP x bad \\q\n# TYPE x odd\nx{a=\"\\z\"} 1\nx{a=\"1\"} 2\nx{a=\"1\"} 3\n# TYPE x gauge\n# TYPE x counter\n\
    # TYPE kong_bandwidth_bytes gauge\nkong_bandwidth_bytes 1\nkong_bandwidth_bytes{dataplane=\"liar\"} 1\n\
    # TYPE h histogram\nh_bucket{le=\"x\"} 1\nh_bucket{le=\"1\"} 1\nh 3\nh_sum 1\nh_count 2\n# TYPE h_sum counter\nh_sum{a=\"1\"} 2\n\
    # TYPE wasm histogram\nwasm{le=\"5\"} 1\nwasm_sum 2\n\ny{z=\"\xff\"} 1\nx{a=\"1\",a=\"2\"} 1\ncr 1\r\n{\"q\"} 1\nno value\n\
    t 1 1.5\n m { a = \"b\" , }  1  17 \nlast 1";

#[test]
fn promtool_takes_the_merge_of_everything() {
    let promtool = binaries::ensure(Tool::Promtool).expect("promtool is built or found");
    let mut texts = vec![FAULTS.to_vec()];
    for name in captures::names().expect("the captures are there") {
        let text = captures::text(&name).expect("the capture can be read");
        // promtool's time grows with the square of a family's samples.
        if text.len() < 200_000 {
            texts.push(text.to_vec());
        }
    }
    assert!(texts.len() >= 8, "{} texts", texts.len());
    // Once more in another order, in which other types are the first.
    for round in 0..2 {
        let mut merger = Merger::default();
        for (number, text) in texts.iter().enumerate() {
            let pod = format!("kong-{number}");
            let mut source = MergeSource::new(
                &[("dataplane", "a\"b\\c\nd"), ("dataplane_pod", &pod)],
                64 * 1024,
            );
            text.chunks(1000).for_each(|chunk| source.push(chunk));
            source.finish();
            assert!(merger.add(source).is_some());
        }
        let mut merged = merger.finish(Format::Text);
        let mut out = Vec::new();
        while merged.next(&mut out) {}
        assert!(merged.stats().samples > 1000, "{:?}", merged.stats());
        assert!(merged.stats().conflicts > 0, "{:?}", merged.stats());

        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || {
                // promtool stops reading at the first error.
                let _ = stdin.write_all(&out);
            });
            child.wait_with_output().expect("promtool ends")
        });
        // Code 3 is advice on names, which are Kong's.
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "round {round}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        texts.reverse();
    }
}
