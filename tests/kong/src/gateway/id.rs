//! Generates identifiers for entities that have none.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sha2::{Digest as _, Sha256};

/// 32 hexadecimal digits that depend on `bytes` alone.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// An id in a UUID's form that depends on `parts` alone.
pub(crate) fn derive(parts: &[&str]) -> String {
    let hex = digest(parts.join("\0").as_bytes());
    format!(
        "{}-{}-5{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// An id that no other process and no other call gets.
pub(crate) fn fresh() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Relaxed).to_string();
    let process = std::process::id().to_string();
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_nanos()
        .to_string();
    derive(&[&process, &call, &now])
}
