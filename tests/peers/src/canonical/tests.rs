use super::*;

fn same(a: &str, b: &str, spelling: Spelling) -> bool {
    let read = |text: &str| samples(text.as_bytes()).unwrap()[0].canonical(spelling);
    read(a) == read(b)
}

#[test]
fn the_order_of_labels_and_the_spelling_of_numbers_do_not_matter() {
    let spelling = Spelling::AsWritten;
    assert!(same(
        "a{b=\"1\",c=\"2\"} 3",
        "a{c=\"2\",b=\"1\"} 3.0",
        spelling
    ));
    assert!(same("a 1e3", "a 1000", spelling));
    assert!(same("a +Inf", "a Inf", spelling));
}

#[test]
fn every_other_difference_does() {
    for spelling in [Spelling::AsWritten, Spelling::AsPrometheusReads] {
        assert!(!same("a{b=\"1\"} 3", "a{b=\"1\"} 4", spelling));
        assert!(!same("a{b=\"1\"} 3", "a{b=\"2\"} 3", spelling));
        assert!(!same("a{b=\"1\"} 3", "a{c=\"1\"} 3", spelling));
        assert!(!same("a{b=\"1\"} 3", "d{b=\"1\"} 3", spelling));
        assert!(!same("a 3", "a 3 1700000000000", spelling));
        assert!(!same("a{b=\"x,c=y\"} 1", "a{b=\"x\",c=\"y\"} 1", spelling));
        assert!(!same(r#"a{b="\\n"} 1"#, r#"a{b="\n"} 1"#, spelling));
    }
}

#[test]
fn prometheus_sees_no_empty_label_and_reads_le_as_a_number() {
    let (one, other) = ("a{b=\"\",le=\"1\"} 3", "a{le=\"1.0\"} 3");
    assert!(same(one, other, Spelling::AsPrometheusReads));
    assert!(!same(one, other, Spelling::AsWritten));
    assert!(!same(
        "a{x=\"1\"} 3",
        "a{x=\"1.0\"} 3",
        Spelling::AsPrometheusReads
    ));
}

#[test]
fn nothing_is_skipped_silently() {
    assert!(samples(b"# HELP a b\n\na 1\n").is_ok_and(|samples| samples.len() == 1));
    for broken in ["a", "a{b=\"1\" 3", "{b=\"1\"} 3", "a{b=1} 3", "<html>"] {
        assert!(samples(broken.as_bytes()).is_err(), "{broken}");
    }
}
