use super::*;

#[test]
fn numbers_have_fourteen_digits_as_in_lua() {
    assert_eq!(number(17), "17");
    assert_eq!(number(99_999_999_999_999), "99999999999999");
    assert_eq!(number(1_000_000_000_000_000), "1e+15");
    assert_eq!(number(123_456_789_012_345_678), "1.2345678901235e+17");
}
