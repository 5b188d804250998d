//! What the guides tell people to do is done here, or the page says that it is not and why.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod page;
mod reasons;
mod run;

use crate::root;
use page::{Page, Way, pages};

/// Every block has a way to be tried, or says why it has none.
#[test]
fn no_block_goes_untried() {
    for page in pages() {
        for block in &page.blocks {
            block
                .way
                .as_ref()
                .unwrap_or_else(|why| panic!("{}:{}: {why}", page.name, block.line));
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let pages = pages();
    let index = page_named(&pages, "README.md");
    for page in &pages {
        let link = format!("]({})", page.name);
        assert!(
            page.name == index.name || index.text.contains(&link),
            "{} is not in the index",
            page.name
        );
    }
}

/// Only what the chart's schema knows is rendered.
#[test]
fn values_are_values_of_the_chart() {
    let mut seen = 0;
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.is(Way::Values)) {
            let values = tagalong_chart::helm::parse(&block.text).expect("YAML");
            let rendered = tagalong_chart::helm::objects(&values[0]);
            let objects =
                rendered.unwrap_or_else(|error| panic!("{}:{}: {error}", page.name, block.line));
            assert!(!objects.is_empty());
            seen += 1;
        }
    }
    assert!(seen > 0, "no values found");
}

#[test]
fn every_reason_is_explained() {
    let pages = pages();
    let page = page_named(&pages, "troubleshooting.md");
    let explained = reasons::explained(&page.text);
    let known = reasons::known();
    let missing: Vec<_> = known.difference(&explained).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let strays: Vec<_> = explained.difference(&known).collect();
    assert!(strays.is_empty(), "not in the code: {strays:?}");
}

/// Sizes are what the recorded benchmarks measured.
#[test]
fn every_size_was_measured() {
    let pages = pages();
    let benchmarks = std::fs::read_to_string(root().join("docs/benchmarks.md")).expect("the page");
    let measured: Vec<&str> = benchmarks.split([' ', '|', ':', ',', '`', '\n']).collect();
    let rows = page_named(&pages, "sizing.md").text.lines();
    let cells = rows
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|'))
        .map(|cell| cell.trim().trim_end_matches(" MB"))
        .filter(|cell| cell.parse::<f64>().is_ok());
    let mut seen = 0;
    for cell in cells {
        assert!(
            measured.contains(&cell),
            "{cell} is not in docs/benchmarks.md"
        );
        seen += 1;
    }
    assert!(seen > 0, "no size found");
}

fn page_named<'a>(pages: &'a [Page], name: &str) -> &'a Page {
    pages
        .iter()
        .find(|page| page.name == name)
        .unwrap_or_else(|| panic!("there is no {name}"))
}
