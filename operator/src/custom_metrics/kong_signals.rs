//! The signals that sidecars' summaries give: the catalogue, and each value as the API tells it.

use crate::custom_metrics::denial::Denial;
use crate::custom_metrics::signals::{CatalogueEntry, Described, Measured, Signals};
use crate::summaries::{DATAPLANES, DEPLOYMENTS, GATEWAYS, LoadCollector, NoValue};
use jiff::Timestamp;
use tagalong_index::Key;
use tagalong_signals::{PlaneSignal, ServiceSignal, SignalValue};

const SERVICES: &str = "services";

impl Signals for LoadCollector {
    fn catalogue(&self) -> Vec<CatalogueEntry> {
        let services = ServiceSignal::ALL.map(|signal| CatalogueEntry {
            resource: SERVICES,
            kind: "Service",
            api_version: "v1",
            metric: signal.name(),
        });
        let planes = [
            (
                DATAPLANES,
                "DataPlane",
                "gateway-operator.konghq.com/v1beta1",
            ),
            (GATEWAYS, "Gateway", "gateway.networking.k8s.io/v1"),
            (DEPLOYMENTS, "Deployment", "apps/v1"),
        ];
        let planes = planes
            .into_iter()
            .flat_map(|(resource, kind, api_version)| {
                PlaneSignal::ALL.map(|signal| CatalogueEntry {
                    resource,
                    kind,
                    api_version,
                    metric: signal.name(),
                })
            });
        services.into_iter().chain(planes).collect()
    }

    fn value(&self, object: Described<'_>, metric: &str) -> Result<Measured, Denial> {
        let key = Key::new(object.namespace, object.name);
        let missing = || Denial::not_found(format!("tagalong has no metric {metric}"));
        let value = if object.resource == SERVICES {
            self.service(&key, ServiceSignal::named(metric).ok_or_else(missing)?)
        } else {
            let signal = PlaneSignal::named(metric).ok_or_else(missing)?;
            self.dataplane(object.resource, &key, signal)
        };
        match value {
            Ok(value) => Ok(measured(&value, Timestamp::now())),
            Err(NoValue::Nothing(why)) => Err(Denial::not_found(why)),
            Err(NoValue::NotNow(why)) => Err(Denial::unavailable(why)),
        }
    }
}

fn measured(value: &SignalValue, now: Timestamp) -> Measured {
    Measured {
        quantity: quantity(value.value),
        timestamp: now.checked_sub(value.age).unwrap_or(now),
        window: value.window,
    }
}

/// In thousandths, never with an exponent: an HPA rounds what is smaller up to one.
fn quantity(value: f64) -> String {
    /// More than any HPA can count to.
    const MOST: f64 = 9e15;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the most"
    )]
    let thousandths = (value * 1000.0).round().clamp(0.0, MOST) as u64;
    match (thousandths / 1000, thousandths % 1000) {
        (whole, 0) => whole.to_string(),
        _ => format!("{thousandths}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn quantities_are_whole_or_thousandths() {
        for (value, quantity_is) in [
            (0.0, "0"),
            (35.0, "35"),
            (1.5, "1500m"),
            (0.0004, "0"),
            (0.0006, "1m"),
            (1e300, "9000000000000"),
            (-1.0, "0"),
        ] {
            assert_eq!(quantity(value), quantity_is);
        }
    }

    #[test]
    fn the_time_is_that_of_what_it_rests_on() {
        let value = SignalValue {
            value: 2.0,
            window: Duration::from_secs(30),
            age: Duration::from_secs(7),
            basis: tagalong_signals::Basis::default(),
        };
        let now = Timestamp::from_second(1_000).unwrap();
        let told = measured(&value, now);
        assert_eq!(told.timestamp, Timestamp::from_second(993).unwrap());
        assert_eq!(told.window, value.window);
    }
}
