//! A bill of materials in CycloneDX 1.6, JSON. It has neither a serial number nor a time: the same sources give the same bytes.

use crate::Result;
use crate::crates::{Crate, Crates};
use serde_json::{Value, json};

/// The bill of `binary`.
pub fn of(crates: &Crates, binary: &str) -> Result<String> {
    let id = crates.own(binary)?;
    let linked = crates.linked(id);
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for one in &linked {
        if *one != id {
            components.push(component(crates.get(one)?, "library"));
        }
        let mut on = crates
            .of(one)
            .map(|id| crates.get(id).map(reference))
            .collect::<Result<Vec<_>>>()?;
        on.sort();
        dependencies.push(json!({"ref": reference(crates.get(one)?), "dependsOn": on}));
    }
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(crates.get(id)?, "application")},
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// A package URL, which serves as the reference within the bill, too.
fn reference(one: &Crate) -> String {
    format!("pkg:cargo/{}@{}", one.name, one.version)
}

fn component(one: &Crate, kind: &str) -> Value {
    let mut component = json!({
        "type": kind, "bom-ref": reference(one), "name": one.name, "version": one.version, "purl": reference(one),
    });
    if let Some(licence) = &one.licence {
        // The old way to write "or".
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(checksum) = &one.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}
