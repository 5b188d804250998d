//! The sidecar's compute resources, which a DataPlane may replace.

use serde_json::{Map, Value, json};

use crate::quantity::nanos;

/// Kubernetes' names of what a sidecar can ask for. Others (huge pages, devices) have rules of their own, and an
/// object that breaks one is refused as a whole.
const NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The least memory limit taken. Below it the sidecar would be killed again and again, and each time its pod would
/// lose its readiness.
const LEAST_MEMORY: &str = "16Mi";

/// What the sidecar asks for when nobody says otherwise. There is no CPU limit: throttling would slow down scrapes,
/// and the request is what counts against the node.
pub(crate) fn defaults() -> Value {
    json!({
        "limits": {"memory": "64Mi"},
        "requests": {"cpu": "10m", "memory": LEAST_MEMORY},
    })
}

/// Reads a `resources` object of a container: `limits` and `requests`, nothing else, each request within its limit.
/// It is taken whole, not merged with the defaults.
///
/// # Errors
/// Says what is wrong, in words that follow the name of the setting.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let object = value.as_object().ok_or("is not a JSON object")?;
    if let Some(key) = object
        .keys()
        .find(|key| *key != "limits" && *key != "requests")
    {
        return Err(format!(
            "has `{key}`, but only `limits` and `requests` are taken"
        ));
    }
    let limits = list(object, "limits")?;
    let requests = list(object, "requests")?;
    for (name, request) in &requests {
        if let Some((_, limit)) = limits.iter().find(|(limited, _)| limited == name)
            && nanos(request) > nanos(limit)
        {
            return Err(format!(
                "requests more {name} ({request}) than its limit ({limit})"
            ));
        }
    }
    if let Some((_, limit)) = limits.iter().find(|(name, _)| *name == "memory")
        && nanos(limit) < nanos(LEAST_MEMORY)
    {
        return Err(format!(
            "limits memory to {limit}, but the sidecar needs {LEAST_MEMORY}"
        ));
    }
    let mut resources = Map::new();
    for (key, list) in [("limits", limits), ("requests", requests)] {
        if !list.is_empty() {
            let list: Map<String, Value> = list
                .into_iter()
                .map(|(name, quantity)| (name.to_owned(), Value::String(quantity)))
                .collect();
            resources.insert(key.to_owned(), Value::Object(list));
        }
    }
    Ok(Value::Object(resources))
}

/// The sidecar's `resources` in a pod that has some as a whole (`spec.resources`, KEP-2837): a request of a container must
/// fit into the pod's, and no limit may exceed the pod's. What the pod has, the sidecar takes part in and asks no more
/// for; a `0` is written out, since the API server would fill in the limit.
pub(crate) fn within_pod(ours: &Value, pod: Option<&Value>) -> Value {
    let mut ours = ours.clone();
    let amount = |quantity: &Value| match quantity {
        Value::String(text) => nanos(text),
        Value::Number(number) => nanos(&number.to_string()),
        _ => None,
    };
    for name in NAMES {
        let of = |list: &str| pod.and_then(|pod| pod.get(list)?.get(name));
        let own = |list: &str| {
            ours.get(list)
                .and_then(|list| list.get(name))
                .and_then(amount)
        };
        let (request, limit) = (own("requests"), own("limits"));
        if of("requests").or(of("limits")).is_none() || request.or(limit).is_none() {
            continue;
        }
        let too_high = of("limits").is_some_and(|most| amount(most) < limit);
        if let Some(limits) = ours.get_mut("limits").and_then(Value::as_object_mut)
            && too_high
        {
            limits.remove(name);
        }
        ours["requests"][name] = Value::from("0");
    }
    let no_limits = ours
        .get("limits")
        .and_then(Value::as_object)
        .is_some_and(Map::is_empty);
    if let Some(ours) = ours.as_object_mut()
        && no_limits
    {
        ours.remove("limits");
    }
    ours
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Vec<(&'a str, String)>, String> {
    let Some(value) = object.get(key) else {
        return Ok(Vec::new());
    };
    let list = value
        .as_object()
        .ok_or_else(|| format!("has a `{key}` that is not an object"))?;
    list.iter()
        .map(|(name, quantity)| {
            if !NAMES.contains(&name.as_str()) {
                return Err(format!(
                    "has `{key}.{name}`, but only {} are taken",
                    NAMES.join(", ")
                ));
            }
            let text = match quantity {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(format!("has a `{key}.{name}` that is not a quantity")),
            };
            if nanos(&text).is_none() {
                return Err(format!(
                    "has `{key}.{name}: {text}`, which is not a quantity"
                ));
            }
            Ok((name.as_str(), text))
        })
        .collect()
}

#[cfg(test)]
mod tests;
