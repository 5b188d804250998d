//! Links within the repository lead to a file, and to a heading of it where they name one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use crate::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn pages() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "*.md"])
        .current_dir(root())
        .output()
        .expect("git runs");
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    names.lines().map(|name| root().join(name)).collect()
}

/// The text outside of blocks of code, where a `#` is a heading and a bracket a link.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// As GitHub names a heading: small letters, hyphens for blanks, and no other sign.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    letters.collect()
}

fn anchors(page: &Path) -> Vec<String> {
    let text = prose(&fs::read_to_string(page).expect("a page"));
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut files, mut headings) = (0, 0);
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).expect("a page"));
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().expect("a directory").join(file),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            files += 1;
            if !heading.is_empty() {
                let there = anchors(&target).iter().any(|anchor| anchor == heading);
                assert!(there, "{}: no such heading: {link}", page.display());
                headings += 1;
            }
        }
    }
    assert!(
        files > 50 && headings > 5,
        "{files} links, {headings} to headings"
    );
}
