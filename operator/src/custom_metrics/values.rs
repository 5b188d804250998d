//! All values of one object, for programs that read JSON: KEDA's `metrics-api` scaler takes one of them by its name
//! (`valueLocation: kong_requests_in_flight`), as a quantity, and an error where there is none.

use crate::custom_metrics::denial::Denial;
use crate::custom_metrics::list::seconds;
use crate::custom_metrics::signals::{CatalogueEntry, Described, Measured};
use serde_json::{Map, Value, json};

/// The values as JSON. What is not known is not among them, but stands under `unknown`, with the reason.
///
/// # Errors
///
/// When none is known: the reason why the first is not.
pub fn of(
    object: Described<'_>,
    values: Vec<(CatalogueEntry, Result<Measured, Denial>)>,
) -> Result<Vec<u8>, Denial> {
    let (mut all, mut about, mut unknown) = (Map::new(), Map::new(), Map::new());
    let mut first = None;
    for (entry, value) in values {
        let name = entry.metric.to_owned();
        match value {
            Ok(value) => {
                let measured = json!({
                    "timestamp": seconds(value.timestamp),
                    "windowSeconds": value.window.as_secs(),
                });
                all.insert("kind".to_owned(), entry.kind.into());
                about.insert(name.clone(), measured);
                all.insert(name, value.quantity.into());
            }
            Err(denial) => {
                unknown.insert(name, denial.message.clone().into());
                first.get_or_insert(denial);
            }
        }
    }
    if about.is_empty() {
        return Err(first.unwrap_or_else(|| Denial::not_found("there are no values")));
    }
    all.insert("namespace".to_owned(), object.namespace.into());
    all.insert("name".to_owned(), object.name.into());
    all.insert("measured".to_owned(), about.into());
    all.insert("unknown".to_owned(), unknown.into());
    // Texts and numbers only: it can be written.
    Ok(Value::from(all).to_string().into_bytes())
}
