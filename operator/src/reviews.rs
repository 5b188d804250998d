//! Questions to the API server on behalf of others: who somebody is, and what they may do.
//!
//! Anybody can make us ask. So answers are remembered for a while, few questions are under way at once, and each asker
//! has a share of those.

pub mod memory;
pub mod shares;
pub mod token;
pub mod turns;
