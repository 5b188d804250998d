//! The road, and faults on it.

mod on_bed;
