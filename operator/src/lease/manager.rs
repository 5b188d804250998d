//! The name under which we write.

use kube::api::{PatchParams, PostParams};

/// Who wrote what, in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "tagalong-operator";

/// Parameters of a patch of ours.
#[must_use]
pub fn patches() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// Parameters of a creation or replacement of ours.
#[must_use]
pub fn puts() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}
