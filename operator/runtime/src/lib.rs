//! What operator and webhook share: admin server, readiness, drain, TLS reload, lease
