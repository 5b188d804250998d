//! Turns the chart's environment variables back into flags, since a test's process has no such environment.

use crate::Result;
use serde_json::Value;

/// The flags that a container's `env` comes to. `field` says what the downward API would.
///
/// # Errors
///
/// When a variable is none of ours, or has no value.
pub fn of(env: &Value, field: impl Fn(&str) -> &'static str) -> Result<Vec<String>> {
    let mut flags = Vec::new();
    for variable in env.as_array().ok_or("no env")? {
        let name = variable["name"].as_str().unwrap_or_default();
        let flag = match name.strip_prefix("TAGALONG_").ok_or(name)? {
            "PUSH_NAMES" => "push-name".to_owned(),
            "WEBHOOK_NAMES" => "webhook-name".to_owned(),
            other => other.to_lowercase().replace('_', "-"),
        };
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some(path) => field(path),
            None => variable["value"].as_str().ok_or(name)?,
        };
        match value {
            "true" => flags.push(format!("--{flag}")),
            "false" => {}
            value => flags.push(format!("--{flag}={value}")),
        }
    }
    Ok(flags)
}
