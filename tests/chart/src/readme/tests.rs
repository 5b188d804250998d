use super::table;

#[test]
fn a_row_for_each_commented_value() -> crate::Result {
    let rows = table(
        "a:\n  # Of | one.\n  # And two.\n  b: 1\n  # A map.\n  c:\n    d: {}\n# Last.\ne: []\n",
    )?;
    let rows: Vec<&str> = rows.lines().skip(2).collect();
    assert_eq!(
        rows,
        [
            r"| `a.b` | `1` | Of \| one. And two. |",
            r#"| `a.c` | `{"d":{}}` | A map. |"#,
            "| `e` | `[]` | Last. |",
        ]
    );
    Ok(())
}

#[test]
fn a_value_without_a_comment_is_refused() {
    let refused = table("# Known.\na: 1\nb: 2\n").map_err(|error| error.to_string());
    assert_eq!(refused, Err("b needs a comment above it".to_owned()));
}
