//! The page says what the records say: made again from the committed records, it is the committed page.

use std::path::Path;

use tagalong_peers::page::{self, Records};

#[test]
fn the_page_is_made_from_the_records() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let made = tempfile::tempdir().unwrap();
    page::write(&Records::read().unwrap(), made.path()).unwrap();
    for name in [
        "benchmarks.md",
        "benchmarks/in-process.svg",
        "benchmarks/over-http.svg",
        "benchmarks/memory.svg",
    ] {
        let read = |at: &Path| std::fs::read_to_string(at.join(name)).unwrap();
        assert!(
            read(made.path()) == read(&docs),
            "docs/{name} is not what the records say: run `make bench-page`"
        );
    }
}
