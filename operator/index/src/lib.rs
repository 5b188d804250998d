//! Cluster objects in, label tables out: no client, no HTTP, no clock
