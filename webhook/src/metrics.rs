//! The webhook's own metrics.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Verdict;

/// Counts what was answered. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    reviews: Family<Reviewed, Counter>,
    errors: Family<Errored, Counter>,
    duration: Histogram,
    registry: Arc<Registry>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reviewed {
    kind: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Errored {
    code: u16,
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tagalong_webhook");
        let reviews = Family::default();
        registry.register(
            "reviews",
            "Reviews answered, by kind of object and verdict",
            reviews.clone(),
        );
        let errors = Family::default();
        registry.register(
            "errors",
            "Requests that were not reviews, by HTTP status",
            errors.clone(),
        );
        let duration = Histogram::new([0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 3.0]);
        registry.register(
            "review_duration_seconds",
            "Time from a review's head to its answer; the API server waits three seconds",
            duration.clone(),
        );
        Self {
            reviews,
            errors,
            duration,
            registry: Arc::new(registry),
        }
    }

    pub(crate) fn reviewed(&self, kind: &'static str, verdict: &Verdict, took: Duration) {
        let verdict = verdict.word();
        self.reviews
            .get_or_create(&Reviewed { kind, verdict })
            .inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, status: StatusCode) {
        self.errors
            .get_or_create(&Errored {
                code: status.as_u16(),
            })
            .inc();
    }

    /// In the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes whatever is written to it.
        let _written = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
