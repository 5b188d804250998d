//! tagalong's own kind, and the few fields read of Kong's and Gateway API's kinds
