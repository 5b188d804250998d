//! The figures that tagalong promises, measured
