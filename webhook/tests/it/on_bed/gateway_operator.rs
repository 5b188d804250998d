//! Kong Gateway Operator itself, with Kong Ingress Controller, on a real node, beside the webhook.
//!
//! Where nothing may happen the tests watch for ten seconds; `TAGALONG_QUIET_SECONDS` makes it longer (`make soak`).

mod bed;
mod compared;
mod gateway;
mod ground;
mod source;
mod stand_in;
mod standalone;
mod traffic;
