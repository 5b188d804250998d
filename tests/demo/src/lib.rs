//! The main job on one machine, without a cluster
