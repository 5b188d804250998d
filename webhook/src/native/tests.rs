use super::has_native;

#[test]
fn since_1_29() {
    for (major, minor, expected) in [
        ("1", "28", false),
        ("1", "28+", false),
        ("1", "29", true),
        ("1", "36+", true),
        ("2", "0", true),
        ("1", "", true),
    ] {
        assert_eq!(has_native(major, minor), expected, "{major}.{minor}");
    }
}
