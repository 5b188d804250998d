//! The Prometheus text exposition as bytes: rewritten and merged as it streams by, without I/O
