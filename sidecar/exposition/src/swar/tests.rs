use super::{equal, first, not_digit, word};

#[test]
fn the_first_byte_is_found_among_any_others() {
    for byte in 0..=u8::MAX {
        for other in 0..=u8::MAX {
            for index in 0..8 {
                let mut bytes = [other; 8];
                bytes[index] = byte;
                let word = word(&bytes, 0).unwrap();
                let expected = bytes.iter().position(|b| *b == byte);
                assert_eq!(first(equal(word, byte)), expected, "{bytes:?}");
                let expected = bytes.iter().position(|b| !b.is_ascii_digit());
                assert_eq!(first(not_digit(word)), expected, "{bytes:?}");
            }
        }
    }
}

#[test]
fn no_word_reaches_over_the_end() {
    assert_eq!(word(b"12345678", 0), Some(u64::from_le_bytes(*b"12345678")));
    assert_eq!(word(b"12345678", 1), None);
    assert_eq!(word(b"", 9), None);
}
