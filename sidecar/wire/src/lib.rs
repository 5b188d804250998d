//! What the operator tells a sidecar: label tables as newline-delimited JSON
