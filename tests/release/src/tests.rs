use crate::crates::Crates;
use crate::{Result, SHIPPED, licences, sbom};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// `cargo tree`, which is another program's opinion of the same graph.
fn tree(package: &str) -> Result<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges=normal",
            "--prefix=none",
            "--no-dedupe",
            "--target=x86_64-unknown-linux-gnu",
        ])
        .args(["--package", package, "--format={p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let crates = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!(
            "{}@{}",
            words.next()?,
            words.next()?.strip_prefix('v')?
        ))
    });
    Ok(crates.collect())
}

#[test]
fn a_bill_names_what_cargo_tree_names() -> Result {
    let crates = Crates::read()?;
    for binary in SHIPPED {
        let bill: Value = serde_json::from_str(&sbom::of(&crates, binary)?)?;
        let components = bill["components"].as_array().ok_or("no components")?;
        let purl = |component: &Value| {
            let purl = component["purl"].as_str().unwrap_or_default();
            purl.trim_start_matches("pkg:cargo/").to_owned()
        };
        let mut named: BTreeSet<String> = components.iter().map(purl).collect();
        named.insert(purl(&bill["metadata"]["component"]));
        // Cargo's metadata has the features of the whole workspace, so the bill may name more, never less.
        let missing: Vec<_> = tree(binary)?.difference(&named).cloned().collect();
        assert!(missing.is_empty(), "{binary}: {missing:?}");
        for component in components {
            let ours = component["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("tagalong"));
            assert!(
                ours || component["hashes"][0]["content"].is_string(),
                "{component}"
            );
            assert!(
                component["licenses"][0]["expression"].is_string(),
                "{component}"
            );
        }
        let references: Vec<&Value> = components
            .iter()
            .map(|component| &component["bom-ref"])
            .collect();
        for dependency in bill["dependencies"].as_array().into_iter().flatten() {
            for on in dependency["dependsOn"].as_array().into_iter().flatten() {
                assert!(references.contains(&on), "{on}");
            }
        }
    }
    Ok(())
}

#[test]
fn licences_are_all_there() -> Result {
    let crates = Crates::read()?;
    let text = licences::of(&crates, &SHIPPED)?;
    assert!(text.contains("\nring 0."), "the list");
    assert!(text.contains("Permission is hereby granted"), "the texts");
    assert!(!text.contains("\ntagalong-"), "our own is in LICENSE");
    Ok(())
}
