//! The plugins there are, and what their `config` may contain.

use serde_json::{Map, Value, json};

use super::schema::Kind;

/// `plugins = bundled` of Kong 3.9.1 (`kong/constants.lua`).
pub(crate) const BUNDLED: &[&str] = &[
    "acl",
    "acme",
    "ai-prompt-decorator",
    "ai-prompt-guard",
    "ai-prompt-template",
    "ai-proxy",
    "ai-request-transformer",
    "ai-response-transformer",
    "aws-lambda",
    "azure-functions",
    "basic-auth",
    "bot-detection",
    "correlation-id",
    "cors",
    "datadog",
    "file-log",
    "grpc-gateway",
    "grpc-web",
    "hmac-auth",
    "http-log",
    "ip-restriction",
    "jwt",
    "key-auth",
    "ldap-auth",
    "loggly",
    "oauth2",
    "opentelemetry",
    "post-function",
    "pre-function",
    "prometheus",
    "proxy-cache",
    "rate-limiting",
    "redirect",
    "request-size-limiting",
    "request-termination",
    "request-transformer",
    "response-ratelimiting",
    "response-transformer",
    "session",
    "standard-webhooks",
    "statsd",
    "syslog",
    "tcp-log",
    "udp-log",
    "zipkin",
];

/// The plugins that do something in the stand-in; all others are accepted and have no effect.
pub(crate) const EFFECTIVE: &[&str] = &["prometheus", "key-auth", "request-termination"];

type Fields = &'static [(&'static str, Kind, &'static str)];

/// Field, kind and default of an effective plugin's `config`.
fn fields(plugin: &str) -> Option<Fields> {
    Some(match plugin {
        "prometheus" => &[
            ("per_consumer", Kind::Boolean, "false"),
            ("status_code_metrics", Kind::Boolean, "false"),
            ("ai_metrics", Kind::Boolean, "false"),
            ("latency_metrics", Kind::Boolean, "false"),
            ("bandwidth_metrics", Kind::Boolean, "false"),
            ("upstream_health_metrics", Kind::Boolean, "false"),
        ],
        "key-auth" => &[
            ("key_names", Kind::Strings, r#"["apikey"]"#),
            ("hide_credentials", Kind::Boolean, "false"),
            ("anonymous", Kind::String, "null"),
            ("key_in_header", Kind::Boolean, "true"),
            ("key_in_query", Kind::Boolean, "true"),
            ("key_in_body", Kind::Boolean, "false"),
            ("run_on_preflight", Kind::Boolean, "true"),
            ("realm", Kind::String, "null"),
        ],
        "request-termination" => &[
            ("status_code", Kind::Integer(100, 599), "503"),
            ("message", Kind::String, "null"),
            ("content_type", Kind::String, "null"),
            ("body", Kind::String, "null"),
            ("echo", Kind::Boolean, "false"),
            ("trigger", Kind::String, "null"),
        ],
        _ => return None,
    })
}

/// Fills in the defaults of `config`, and says what is wrong with it: field and message.
pub(crate) fn complete(plugin: &str, config: &mut Map<String, Value>) -> Vec<(String, String)> {
    let Some(fields) = fields(plugin) else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    for (name, value) in &*config {
        match fields.iter().find(|(field, ..)| field == name) {
            None => errors.push((format!("config.{name}"), "unknown field".to_owned())),
            Some((_, kind, _)) => {
                if let Err(message) = super::validate::check(*kind, value) {
                    errors.push((format!("config.{name}"), message));
                }
            }
        }
    }
    for (name, _, default) in fields {
        let slot = config.entry(*name).or_insert(Value::Null);
        if slot.is_null() {
            *slot = serde_json::from_str(default).unwrap_or_default();
        }
    }
    errors
}

/// What `GET /schemas/plugins/<name>` tells: enough for a client to fill in defaults.
pub(crate) fn describe(plugin: &str) -> Value {
    let config: Vec<Value> = fields(plugin)
        .unwrap_or_default()
        .iter()
        .map(|(name, kind, default)| {
            let kind = match kind {
                Kind::Boolean => "boolean",
                Kind::Integer(..) => "integer",
                Kind::Strings => "array",
                _ => "string",
            };
            let mut described = json!({ "type": kind });
            if let Ok(value) = serde_json::from_str::<Value>(default)
                && !value.is_null()
            {
                described["default"] = value;
            }
            json!({ *name: described })
        })
        .collect();
    json!({ "fields": [
        { "protocols": {
            "type": "set", "required": true, "default": ["grpc", "grpcs", "http", "https"],
            "elements": { "type": "string", "one_of": ["grpc", "grpcs", "http", "https"] },
        } },
        { "config": { "type": "record", "required": true, "fields": config } },
    ] })
}
