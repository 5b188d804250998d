//! Reconciles the metrics extension, pushes label tables, collects every pod's metrics
