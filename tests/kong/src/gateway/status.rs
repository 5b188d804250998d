//! The Status API, and the switches by which a test makes the stand-in misbehave.
//!
//! `/tagalong/…` is not Kong's: `GET /tagalong/unexpected` lists what somebody asked for in vain, `GET /tagalong/config`
//! is the last document accepted, `PUT /tagalong/faults` takes `{"config": 400|413|429|500|null, "status_down": bool}`.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::EMPTY_HASH;
use super::state::State;
use crate::chunks::Exposition;
use crate::http::{self as answers, Body, BodyError, full, json, message};

/// Answers one request; an error closes the connection without an answer.
pub(super) async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Body>, BodyError> {
    let method = request.method().clone();
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let get = method == Method::GET || method == Method::HEAD;
    Ok(match path.as_str() {
        "/status" if get => return status(&state),
        "/status/ready" if get => ready(&state),
        "/status/ready" if method == Method::POST => drain(request, &state).await?,
        "/metrics" if get => metrics(&method, &state).await,
        "/tagalong/unexpected" if get => {
            json(StatusCode::OK, json!(state.unexpected.list()).to_string())
        }
        "/tagalong/config" if get => json(StatusCode::OK, state.document().to_string()),
        "/tagalong/faults" if method == Method::PUT => faults(request, &state).await?,
        "/status" | "/status/ready" | "/metrics" => answers::method_not_allowed(),
        path => {
            state
                .unexpected
                .record("unknown Status API request", &format!("{method} {path}"));
            answers::not_found()
        }
    })
}

/// `GET /status` (`kong/api/routes/health.lua`).
pub(super) fn status(state: &State) -> Result<Response<Body>, BodyError> {
    if state.faults.status_down.load(SeqCst) {
        return Err(BodyError::new("told to be down"));
    }
    let server = &state.server;
    let accepted = server.accepted.load(Relaxed);
    let active = server.active.load(Relaxed);
    let busy = server.in_flight.load(Relaxed);
    let workers: Vec<Value> = state
        .node
        .pids()
        .map(|pid| json!({ "pid": pid, "http_allocated_gc": "44.44 MiB" }))
        .collect();
    let dictionaries: Map<String, Value> = super::metrics::dictionaries()
        .map(|(name, used, total)| {
            (
                name,
                json!({
                    "allocated_slabs": mebibytes(used), "capacity": mebibytes(total),
                }),
            )
        })
        .collect();
    let body = json!({
        "configuration_hash": state.hash().unwrap_or_else(|| EMPTY_HASH.to_owned()),
        "memory": { "workers_lua_vms": workers, "lua_shared_dicts": dictionaries },
        "server": {
            "connections_accepted": accepted,
            "connections_active": active,
            "connections_handled": accepted,
            "connections_reading": 0,
            "connections_waiting": active.saturating_sub(busy),
            "connections_writing": busy,
            "total_requests": server.requests.load(Relaxed),
        },
    });
    Ok(json(StatusCode::OK, body.to_string()))
}

fn mebibytes(bytes: u64) -> String {
    format!(
        "{}.{:02} MiB",
        bytes >> 20,
        ((bytes & 0xf_ffff) * 100) >> 20
    )
}

/// `GET /status/ready` (`kong/status/ready.lua`).
fn ready(state: &State) -> Response<Body> {
    if state.is_draining() {
        message(StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if state.hash().is_none() {
        let text = "no configuration available (empty configuration present)";
        message(StatusCode::SERVICE_UNAVAILABLE, text)
    } else {
        message(StatusCode::OK, "ready")
    }
}

async fn drain(request: Request<Incoming>, state: &State) -> Result<Response<Body>, BodyError> {
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(BodyError::new)?
        .to_bytes();
    let json =
        serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["status"] == "draining");
    if !(json || &body[..] == b"status=draining") {
        return Ok(message(StatusCode::BAD_REQUEST, "unsupported status"));
    }
    state.draining.store(true, SeqCst);
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `GET /metrics`, on either API.
pub(super) async fn metrics(method: &Method, state: &State) -> Response<Body> {
    if method == Method::HEAD {
        return answers::metrics(full(Bytes::new()));
    }
    answers::metrics(Exposition::new(state.metrics().await.into()).body())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    config: Option<u16>,
    #[serde(default)]
    status_down: bool,
}

async fn faults(request: Request<Incoming>, state: &State) -> Result<Response<Body>, BodyError> {
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(BodyError::new)?
        .to_bytes();
    let wanted: Result<Wanted, String> =
        serde_json::from_slice(&body).map_err(|error| error.to_string());
    let status = |code| StatusCode::from_u16(code).map_err(|error| error.to_string());
    let config = |wanted: &Wanted| wanted.config.map(status).transpose();
    match wanted.and_then(|wanted| Ok((config(&wanted)?, wanted.status_down))) {
        Ok((config, status_down)) => {
            *state.faults.config.lock() = config;
            state.faults.status_down.store(status_down, SeqCst);
            Ok(message(StatusCode::OK, "as you wish"))
        }
        Err(error) => Ok(message(StatusCode::BAD_REQUEST, &error)),
    }
}
