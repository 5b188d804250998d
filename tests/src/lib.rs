//! Tests of the house as a whole: they live in `tests/tests`. Here is what several of them share.

pub mod judge;
pub mod recorded;
