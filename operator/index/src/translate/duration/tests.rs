use super::milliseconds;

#[test]
fn durations() {
    for (text, expected) in [
        ("0", Some(0)),
        ("0s", Some(0)),
        ("500ms", Some(500)),
        ("0.5s", Some(500)),
        ("1s", Some(1_000)),
        ("1m30s", Some(90_000)),
        ("1h2m3s4ms", Some(3_723_004)),
        ("1.5h", Some(5_400_000)),
        (".5s", Some(500)),
        ("999us", Some(0)),
        ("1999us", Some(1)),
        ("", None),
        ("5", None),
        ("s", None),
        ("5x", None),
        ("-1s", None),
        (".s", None),
        ("1.2.3s", None),
        ("99999999999999999999999999999999999999h", None),
    ] {
        assert_eq!(milliseconds(text), expected, "{text:?}");
    }
}
