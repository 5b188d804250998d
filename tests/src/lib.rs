//! Tests of the house as a whole: they live in `tests/tests`.
