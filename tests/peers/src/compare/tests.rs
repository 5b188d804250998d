use super::*;
use crate::canonical::samples;

const TEXT: &str = "a{service=\"x\",le=\"1\"} 1\na{service=\"x\",le=\"2\"} 2\nb{service=\"y\",consumer=\"\"} 3\nup 1\n";

fn against(found: &str) -> Comparison {
    compare(
        &samples(TEXT.as_bytes()).unwrap(),
        &samples(found.as_bytes()).unwrap(),
    )
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let mut lines: Vec<_> = TEXT.lines().rev().collect();
    assert!(against(&lines.join("\n")).equal());
    lines.swap(0, 2);
    assert!(against(&lines.join("\n")).equal());
}

#[test]
fn one_changed_sample_is_found_out() {
    for (from, to) in [
        ("} 2", "} 3"),
        ("le=\"2\"", "le=\"3\""),
        ("service=\"y\"", "service=\"z\""),
        ("up 1", "down 1"),
        ("consumer=\"\"", "consumer=\"c\""),
    ] {
        let changed = TEXT.replacen(from, to, 1);
        assert_ne!(changed, TEXT);
        let comparison = against(&changed);
        assert!(!comparison.equal(), "{from} became {to}");
        assert_eq!((comparison.missing, comparison.unexpected), (1, 1));
        assert_eq!(comparison.examples.len(), 2);
    }
}

#[test]
fn a_sample_too_few_or_twice_is_found_out() {
    let (first, rest) = TEXT.split_once('\n').unwrap();
    let fewer = against(rest);
    assert_eq!((fewer.missing, fewer.unexpected), (1, 0));
    let twice = against(&format!("{first}\n{TEXT}"));
    assert_eq!((twice.missing, twice.unexpected), (0, 1));
    assert!(!fewer.equal() && !twice.equal());
}

#[test]
fn another_spelling_is_told_but_equal() {
    let respelled = TEXT
        .replace("le=\"1\"", "le=\"1.0\"")
        .replace(",consumer=\"\"", "");
    let comparison = against(&respelled);
    assert!(comparison.equal());
    assert_eq!(comparison.respelled, 2);
    assert_eq!(against(TEXT).respelled, 0);
}
