use super::*;

#[test]
fn keys_are_read_and_written() {
    let key: Key = "default/a.b".parse().unwrap();
    assert_eq!(key, Key::new("default", "a.b"));
    assert_eq!(key.to_string(), "default/a.b");
    assert_eq!(Key::new("", "cluster").to_string(), "cluster");
    for text in ["", "a", "/a", "a/", "a/b/c"] {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
}

#[test]
fn strings_are_shared_and_forgotten() {
    let mut interner = Interner::default();
    let kept = interner.name("kept");
    assert!(Arc::ptr_eq(&kept, &interner.name("kept")));
    for number in 0..10_000 {
        interner.name(&number.to_string());
    }
    assert!(
        interner.names.len() < 3_000,
        "{} strings that nobody holds",
        interner.names.len()
    );
    assert!(Arc::ptr_eq(&kept, &interner.name("kept")));
}
