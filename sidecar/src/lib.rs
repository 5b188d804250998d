//! Rewrites Kong's /metrics as it streams by and adds the Kubernetes Service's labels
