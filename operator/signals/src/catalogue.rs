//! What can be asked for, and nothing else.

/// What is known of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceSignal {
    /// Requests a second that Kong matched to the Service, also those that it answered itself.
    Requests,
    /// Requests a second that reached the backend.
    UpstreamRequests,
    /// How many waited for the backend, on average.
    InFlight,
    /// How many had not been answered to the end, on average.
    Open,
    /// How long they waited for the backend on average, in milliseconds.
    Average,
    /// How long the faster half waited.
    P50,
    /// How long all but the slowest twentieth waited.
    P95,
    /// How long all but the slowest hundredth waited.
    P99,
}

/// What is known of a DataPlane, from Nginx' own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaneSignal {
    /// Requests a second, probes and scrapes among them.
    Requests,
    /// Requests under way.
    InFlight,
    /// Open connections.
    Connections,
}

impl ServiceSignal {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Requests,
        Self::UpstreamRequests,
        Self::InFlight,
        Self::Open,
        Self::Average,
        Self::P50,
        Self::P95,
        Self::P99,
    ];

    /// The metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "kong_requests_per_second",
            Self::UpstreamRequests => "kong_upstream_requests_per_second",
            Self::InFlight => "kong_requests_in_flight",
            Self::Open => "kong_requests_open",
            Self::Average => "kong_upstream_latency_ms_60s_average",
            Self::P50 => "kong_upstream_latency_ms_p50",
            Self::P95 => "kong_upstream_latency_ms_p95",
            Self::P99 => "kong_upstream_latency_ms_p99",
        }
    }

    /// The signal of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }
}

impl PlaneSignal {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Requests, Self::InFlight, Self::Connections];

    /// The metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "kong_requests_per_second",
            Self::InFlight => "kong_requests_in_flight",
            Self::Connections => "kong_connections_active",
        }
    }

    /// The signal of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }
}
