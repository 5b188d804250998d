//! Kubeconfig files, with everything embedded so that a copy works anywhere on this machine.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::error::Result;
use crate::pki::{Issued, write};

/// Writes `<name>.kubeconfig` (JSON, which is YAML) and returns its path.
pub(crate) fn write_kubeconfig(
    directory: &Path,
    name: &str,
    server: &str,
    ca: &str,
    user: &Issued,
) -> Result<PathBuf> {
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tagalong", "cluster": {
            "server": server,
            "certificate-authority-data": BASE64.encode(ca),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": BASE64.encode(&user.certificate),
            "client-key-data": BASE64.encode(&user.key),
        }}],
        "contexts": [{"name": "tagalong", "context": {"cluster": "tagalong", "user": name}}],
        "current-context": "tagalong",
    });
    let file = format!("{name}.kubeconfig");
    write(directory, &file, &format!("{text:#}\n"))?;
    Ok(directory.join(file))
}
