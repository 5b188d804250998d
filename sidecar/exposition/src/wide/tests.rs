use super::{WIDE, first_difference, first_of, portable};

/// Each pair of places, with every byte at the second, so that a later match never hides or moves the first.
#[test]
fn the_first_of_two_is_found_wherever_they_stand() {
    for at in 0..WIDE {
        for later in at..WIDE {
            let mut bytes = [b'a'; WIDE];
            bytes[later] = b'"';
            bytes[at] = b'\\';
            for found in [first_of, portable::first_of] {
                assert_eq!(found(&bytes, *b"\"\\\n"), Some(at));
                assert_eq!(found(&bytes, *b"bcd"), None);
            }
            for differ in [first_difference, portable::first_difference] {
                assert_eq!(differ(&bytes, &[b'a'; WIDE]), Some(at));
                assert_eq!(differ(&bytes, &bytes), None);
            }
        }
    }
}

#[test]
fn no_byte_is_taken_for_another() {
    for byte in 0..=u8::MAX {
        for other in 0..=u8::MAX {
            let bytes = [other; WIDE];
            let expected = (byte == other).then_some(0);
            for found in [first_of, portable::first_of] {
                assert_eq!(found(&bytes, [byte; 3]), expected, "{byte} among {other}");
            }
            let expected = (byte != other).then_some(0);
            for differ in [first_difference, portable::first_difference] {
                assert_eq!(differ(&bytes, &[byte; WIDE]), expected);
            }
        }
    }
}
