//! Files of manifests that are made to be costly, or are no text at all: each is refused by its name and place, soon and with
//! little memory.

use crate::unreadable::{asked, text};

/// Ten levels, each nine times the one before: three billion in all.
fn levels(first: &str, next: impl Fn(usize, &str) -> String) -> String {
    let mut yaml = format!("kind: Service\na0: &a0 {first}\n");
    for level in 1..=10 {
        let nine = [format!("*a{}", level - 1).as_str()].repeat(9).join(",");
        yaml += &next(level, &nine);
    }
    yaml
}

#[test]
fn costly_files_are_refused_by_their_place() -> std::io::Result<()> {
    let bomb = levels("[x]", |level, nine| {
        format!("a{level}: &a{level} [{nine}]\n")
    });
    let merges = levels("{k: x}", |level, nine| {
        format!("a{level}: &a{level}\n  <<: [{nine}]\n  k{level}: x\n")
    });
    let (lists, maps) = ("[".repeat(200_000), "{a: ".repeat(100_000));
    for (what, yaml) in [
        ("aliases", bomb.into_bytes()),
        ("merges", merges.into_bytes()),
        ("a cycle", b"kind: Service\na: &a [*a]\n".to_vec()),
        (
            "deep lists",
            format!("kind: Service\na: {lists}").into_bytes(),
        ),
        (
            "deep maps",
            format!("kind: Service\na: {maps}").into_bytes(),
        ),
        ("a key twice", b"kind: Service\nkind: Service\n".to_vec()),
        ("NUL", b"kind: Service\nmetadata: {name: a\0b}\n".to_vec()),
        (
            "no UTF-8",
            b"kind: Service\nmetadata: {name: \xff}\n".to_vec(),
        ),
    ] {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("bad.yaml");
        std::fs::write(&file, yaml)?;
        let manifests = format!("--manifests={}", directory.path().display());
        let output = asked(&["table", "default/kong", &manifests], None);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {said:.300}");
        let refused = format!("tagalong-operator: cannot read {}: ", file.display());
        assert!(said.starts_with(&refused), "{what}: {said:.300}");
        assert!(said.len() < 4_000, "{what}: {} bytes", said.len());
    }
    Ok(())
}
