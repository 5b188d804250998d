use super::*;
use proptest::prelude::*;

fn merged(sources: &[(&str, &str)]) -> (String, HashMap<&'static str, u64>) {
    let mut merge = Merge::default();
    for (pod, body) in sources {
        merge.add(&Source {
            body: body.as_bytes(),
            labels: &[("dataplane_pod", pod)],
            limit: usize::MAX,
        });
    }
    let (out, left_out) = merge.finish();
    (
        String::from_utf8(out).expect("text"),
        left_out.into_iter().collect(),
    )
}

#[test]
fn two_pods_become_one_exposition() {
    let first = "# HELP a of a\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 1.5\nh_count 3\n";
    // In another order, and a family twice.
    let second = "# TYPE h histogram\nh_count 4\n# TYPE a counter\na{x=\"1\"} 5\n# TYPE h histogram\nh_sum 6\n";
    let (out, left_out) = merged(&[("p", first), ("q", second)]);
    assert_eq!(
        out,
        "# HELP a of a\n# TYPE a counter\n\
         a{dataplane_pod=\"p\",x=\"1\"} 1\na{dataplane_pod=\"p\",x=\"2\"} 2\na{dataplane_pod=\"q\",x=\"1\"} 5\n\
         # TYPE h histogram\n\
         h_bucket{dataplane_pod=\"p\",le=\"+Inf\"} 3\nh_sum{dataplane_pod=\"p\"} 1.5\nh_count{dataplane_pod=\"p\"} 3\n\
         h_count{dataplane_pod=\"q\"} 4\nh_sum{dataplane_pod=\"q\"} 6\n"
    );
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn what_is_wrong_is_left_out_and_counted() {
    let first = "# TYPE a counter\na 1\n";
    let odd = "# TYPE a gauge\na 2\nb{x=\"1\",x=\"2\"} 1\nb{x=\"1} 1\nb one\n1b 1\nb 1 2 3\nb{x=\"\\q\"} 1\n\
               c{y=\"1\",z=\"2\"} 1\nc{z=\"2\",y=\"1\"} 2\nd{dataplane_pod=\"mine\"} 1\n";
    let (out, left_out) = merged(&[("p", first), ("q", odd)]);
    assert_eq!(
        out,
        "# TYPE a counter\na{dataplane_pod=\"p\"} 1\nc{dataplane_pod=\"q\",y=\"1\",z=\"2\"} 1\n"
    );
    let counted = HashMap::from([
        ("type_conflict", 1),
        ("type_conflict_sample", 1),
        ("malformed", 6),
        ("duplicate", 1),
        ("label_clash", 1),
    ]);
    assert_eq!(left_out, counted);
}

#[test]
fn a_source_over_its_limit_loses_the_rest_only() {
    let mut merge = Merge::default();
    let labels = &[("p", "1")][..];
    assert_eq!(
        merge.add(&Source {
            body: b"a 1\nb 1\nc 1\n",
            labels,
            limit: 2
        }),
        2
    );
    assert_eq!(
        merge.add(&Source {
            body: b"c 1",
            labels,
            limit: 2
        }),
        1
    );
    let (out, left_out) = merge.finish();
    assert_eq!(out, b"a{p=\"1\"} 1\nb{p=\"1\"} 1\nc{p=\"1\"} 1\n");
    assert_eq!(left_out, [("over_limit", 1)]);
}

#[test]
fn values_of_labels_are_escaped() {
    let (out, _) = merged(&[("a\"b\\c\nd", "x 1")]);
    assert_eq!(out, "x{dataplane_pod=\"a\\\"b\\\\c\\nd\"} 1\n");
}

/// Fails unless `out` is strictly valid: families contiguous, each with one TYPE before its samples,
/// no series twice.
fn valid(out: &[u8]) -> Result<(), String> {
    let (mut kinds, mut series, mut done) = (HashMap::new(), HashSet::new(), HashSet::new());
    let mut current: Vec<u8> = Vec::new();
    let mut enter = |name: &[u8]| {
        if current == name {
            return Ok(());
        }
        current = name.to_vec();
        if done.insert(name.to_vec()) {
            Ok(())
        } else {
            Err(format!("{name:?} twice"))
        }
    };
    for line in out.split(|byte| *byte == b'\n') {
        match line::parse(line) {
            Line::Broken => return Err(format!("broken: {}", String::from_utf8_lossy(line))),
            Line::Empty => {}
            Line::Help(name, _) => enter(name)?,
            Line::Type(name, kind) => {
                enter(name)?;
                if kinds.insert(name.to_vec(), kind.to_vec()).is_some() {
                    return Err(format!("TYPE of {name:?} twice"));
                }
            }
            Line::Sample(sample) => {
                enter(family_of(sample.name, &kinds))?;
                if !series.insert(sample.series()) {
                    return Err("a series twice".to_owned());
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_comes_in_what_goes_out_is_valid(
        bodies in prop::collection::vec(prop::collection::vec(prop_oneof![
            "# (TYPE|HELP) [ab](_sum|_count)? (counter|gauge|histogram|summary|other)",
            "[ab](_bucket|_sum|_count)?(\\{([xy]=\"[ab\\\\\"n]{0,2}\",?){0,3}\\})? [0-9a-zN.+-]{1,4}",
            "\\PC{0,20}",
        ], 0..12), 0..4),
    ) {
        let texts: Vec<(String, String)> =
            bodies.iter().enumerate().map(|(i, lines)| (format!("pod{i}"), lines.join("\n"))).collect();
        let sources: Vec<(&str, &str)> = texts.iter().map(|(pod, text)| (pod.as_str(), text.as_str())).collect();
        let (out, _) = merged(&sources);
        prop_assert_eq!(valid(out.as_bytes()), Ok(()), "{}", out);
    }
}
