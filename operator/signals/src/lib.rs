//! Increments of the load in, values out: no clock, no I/O.
//!
//! ```text
//! summary of a pod ── grown since its last look ──▶ ring of its DataPlane and Service ── window ──▶ value, or NotKnown
//!                     spread over its own span        cells of a second
//! ```
//!
//! Every increment is spread over the time in which its own pod found it, whenever anybody asked: so constant load reads
//! constant. It stays in the ring of the Service when its pod is gone. What is lost (a pod that is late, a sidecar that began
//! again) is stood in for by the pod's own last rate, up to what the whole was before: nothing jumps up because something was
//! lost. What is not known is [`NotKnown`], never 0, for an HPA believes every number (`docs/design.md` §12).
//!
//! Times are since any beginning, by a clock that does not go back.

mod catalogue;
mod grown;
mod loads;
mod names;
mod plane;
mod pod;
mod quantile;
mod ring;
mod settings;
mod standing;
mod value;

pub use catalogue::{PlaneSignal, ServiceSignal};
pub use loads::{Loads, PodSeen, SummaryRefused};
pub use settings::WindowSettings;
pub use value::{Basis, NotKnown, SignalValue};

#[cfg(test)]
mod tests;
