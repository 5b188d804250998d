//! A real Kubernetes for tests, from an empty machine
