//! Puts the sidecar into each marked DataPlane PodTemplateSpec
