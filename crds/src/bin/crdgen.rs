//! Writes tagalong's custom resource definition into a folder: `crdgen FOLDER`.

use std::{error::Error, path::PathBuf};

use tagalong_crds::custom_resource_definition;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: crdgen FOLDER")?);
    let definition = custom_resource_definition();
    let name = definition
        .metadata
        .name
        .as_deref()
        .ok_or("the definition has no name")?;
    let yaml = serde_saphyr::to_string(&definition)?;
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{name}.yaml")), yaml)?;
    Ok(())
}
