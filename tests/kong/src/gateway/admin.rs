//! The Admin API of a Kong without a database: what Kong Ingress Controller and the operators ask of it.

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::config::plugins;
use super::config::schema::schema;
use super::config::validate::{Refusal, validate_one};
use super::state::State;
use super::status;
use crate::http::{self as answers, Body, BodyError, VERSION, json, message};

/// Far more than any test pushes.
const LARGEST_CONFIGURATION: usize = 256 << 20;

/// Paths that clients ask for and live without (Kong Ingress Controller's dump of a gateway's last state).
const KNOWN_ABSENT: &[&str] = &[
    "acls",
    "basic-auths",
    "ca_certificates",
    "certificates",
    "consumer_groups",
    "consumers",
    "filter-chains",
    "hmac-auths",
    "jwts",
    "key-auths",
    "key-sets",
    "keys",
    "mtls-auths",
    "oauth2",
    "partials",
    "plugins",
    "routes",
    "snis",
    "upstreams",
    "vaults",
];

/// Answers one request; an error closes the connection without an answer.
pub(super) async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Body>, BodyError> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let get = method == Method::GET || method == Method::HEAD;
    Ok(match segments[..] {
        [] if get => json(StatusCode::OK, root(&state).to_string()),
        ["status"] if get => return status::status(&state),
        ["metrics"] if get => status::metrics(&method, &state).await,
        ["services"] if get => list(&state, "services", request.uri().query()),
        ["schemas", "plugins", name] if get && state.plugins.contains(name) => {
            json(StatusCode::OK, plugins::describe(name).to_string())
        }
        ["schemas", "plugins", name] if get => {
            message(StatusCode::NOT_FOUND, &format!("No plugin named '{name}'"))
        }
        ["schemas", plural, "validate"] if method == Method::POST => {
            validate(request, plural, &state).await?
        }
        ["config"] if method == Method::POST => config(request, &state).await?,
        ["status" | "metrics" | "services" | "config"] | [] => answers::method_not_allowed(),
        [first, ..] => {
            if !(get && KNOWN_ABSENT.contains(&first)) {
                state
                    .unexpected
                    .record("unknown Admin API request", &format!("{method} {path}"));
            }
            answers::not_found()
        }
    })
}

/// `GET /`: the part of it that clients look at.
fn root(state: &State) -> Value {
    let available: Map<String, Value> = state
        .plugins
        .iter()
        .map(|name| (name.clone(), json!({ "version": VERSION })))
        .collect();
    json!({
        "version": VERSION,
        "tagline": "Welcome to kong",
        "hostname": "tagalong-kong",
        "node_id": state.node.id,
        "configuration": {
            "database": "off",
            "router_flavor": "traditional_compatible",
            "proxy_listeners": state.server.proxy_listeners(),
            "stream_listeners": {},
        },
        "plugins": { "available_on_server": available, "enabled_in_cluster": [] },
    })
}

async fn body(request: Request<Incoming>) -> Result<Option<Value>, BodyError> {
    let bytes = Limited::new(request.into_body(), LARGEST_CONFIGURATION)
        .collect()
        .await
        .map_err(BodyError::new)?
        .to_bytes();
    Ok(serde_json::from_slice(&bytes).ok())
}

/// `POST /config` (`kong/api/routes/config.lua`).
async fn config(request: Request<Incoming>, state: &State) -> Result<Response<Body>, BodyError> {
    let document = body(request).await?;
    let fault = *state.faults.config.lock();
    if let Some(status) = fault {
        return Ok(refuse(status));
    }
    let Some(document) = document.filter(Value::is_object) else {
        return Ok(message(
            StatusCode::BAD_REQUEST,
            "expected a declarative configuration",
        ));
    };
    Ok(match state.load(document) {
        Ok(active) => {
            tracing::info!(hash = active.config.hash, "configuration accepted");
            let entities: Map<String, Value> = active
                .config
                .entities
                .iter()
                .map(|(plural, list)| {
                    let by_id = list.iter().map(|entity| {
                        (
                            entity["id"].as_str().unwrap_or_default().to_owned(),
                            Value::Object(entity.clone()),
                        )
                    });
                    ((*plural).to_owned(), Value::Object(by_id.collect()))
                })
                .collect();
            json(StatusCode::CREATED, Value::Object(entities).to_string())
        }
        Err(refusal) => {
            let body = refusal.body().to_string();
            tracing::warn!("configuration refused: {body}");
            json(StatusCode::BAD_REQUEST, body)
        }
    })
}

/// The refusals that a test can ask for, each in Kong's words.
fn refuse(status: StatusCode) -> Response<Body> {
    match status {
        StatusCode::BAD_REQUEST => {
            let mut refusal = Refusal::default();
            refusal.fields.insert(
                "services".to_owned(),
                json!("refused because a test asked for it"),
            );
            json(status, refusal.body().to_string())
        }
        StatusCode::PAYLOAD_TOO_LARGE => message(
            status,
            "Configuration does not fit in LMDB database, consider raising the \"lmdb_map_size\" config for Kong",
        ),
        StatusCode::TOO_MANY_REQUESTS => {
            let mut response = message(status, "Currently loading previous configuration");
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        _ => message(status, "An unexpected error occurred"),
    }
}

/// `POST /schemas/<plural>/validate` (`kong/api/routes/kong.lua`).
async fn validate(
    request: Request<Incoming>,
    plural: &str,
    state: &State,
) -> Result<Response<Body>, BodyError> {
    let entity = body(request).await?.unwrap_or_default();
    let Some(schema) = schema(plural) else {
        state.unexpected.record("unknown schema", plural);
        return Ok(message(
            StatusCode::NOT_FOUND,
            &format!("No entity named '{plural}'"),
        ));
    };
    let errors = validate_one(schema, &entity, &state.plugins);
    if errors.is_empty() {
        return Ok(message(StatusCode::OK, "schema validation successful"));
    }
    let words: Vec<String> = errors
        .iter()
        .map(|(field, message)| format!("{field}: {message}"))
        .collect();
    let fields: Map<String, Value> = errors
        .into_iter()
        .map(|(field, message)| (field, Value::String(message)))
        .collect();
    let body = json!({
        "code": 2,
        "name": "schema violation",
        "message": format!("schema violation ({})", words.join("; ")),
        "fields": fields,
    });
    Ok(json(StatusCode::BAD_REQUEST, body.to_string()))
}

/// A page of a list: `?size=` (100) entities from `?offset=` on.
fn list(state: &State, plural: &str, query: Option<&str>) -> Response<Body> {
    let parameter = |name: &str| {
        query?.split('&').find_map(|pair| {
            pair.strip_prefix(name)?
                .strip_prefix('=')?
                .parse::<usize>()
                .ok()
        })
    };
    let size = parameter("size").unwrap_or(100).clamp(1, 1000);
    let offset = parameter("offset").unwrap_or(0);
    let active = state.active();
    let all = active
        .config
        .entities
        .get(plural)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let page: Vec<&Map<String, Value>> = all.iter().skip(offset).take(size).collect();
    let end = offset + page.len();
    let mut answer = json!({ "data": page, "next": null });
    if end < all.len() {
        answer["offset"] = json!(end.to_string());
        answer["next"] = json!(format!("/{plural}?size={size}&offset={end}"));
    }
    json(StatusCode::OK, answer.to_string())
}
