use super::nanos;

#[test]
fn reads_what_kubernetes_reads() {
    for (text, expected) in [
        ("0", 0),
        ("1", 1_000_000_000),
        ("10m", 10_000_000),
        ("0.01", 10_000_000),
        (".5", 500_000_000),
        ("1.", 1_000_000_000),
        ("+2", 2_000_000_000),
        ("16Mi", 16 * 1024 * 1024 * 1_000_000_000),
        ("1e3", 1_000_000_000_000),
        ("1E-3", 1_000_000),
        ("1E", 1_000_000_000_000_000_000_000_000_000),
        ("1n", 1),
        ("0.1n", 1),
    ] {
        assert_eq!(nanos(text), Some(expected), "{text}");
    }
}

#[test]
fn refuses_what_kubernetes_refuses() {
    for text in [
        "",
        "m",
        "-1",
        "1 Mi",
        "1mi",
        "1KI",
        "1e",
        "1e99",
        "1.2.3",
        "Mi",
        "0x10",
        "१",
        "9999999999999999999",
        "1e-10",
    ] {
        assert_eq!(nanos(text), None, "{text}");
    }
}

#[test]
fn what_no_machine_has_is_refused_and_never_overflows() {
    assert_eq!(nanos("999999999999999999Ei"), None);
    assert_eq!(nanos("999999999999999999.999999999e18"), None);
}
