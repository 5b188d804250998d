//! `tagalong-operator ready`: waits until URLs answer 200. `helm test` runs it, from an image that has no shell.

use crate::error::Failure;
use crate::process::on_runtime;
use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tagalong_runtime::with_causes;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A new Service takes a moment until it leads somewhere.
const TIMEOUT: Duration = Duration::from_secs(60);
/// For one question.
const ANSWER: Duration = Duration::from_secs(15);
/// Between two.
const PAUSE: Duration = Duration::from_secs(1);
/// Of an answer that is not 200, so much may be repeated.
const WORDS: usize = 2000;

/// Waits until each URL answers 200.
///
/// # Errors
///
/// When one does not within a minute, with what it answered last.
pub fn run(urls: &[Uri]) -> Result<(), Failure> {
    on_runtime(async {
        let deadline = Instant::now() + TIMEOUT;
        for url in urls {
            loop {
                let asked = tokio::time::timeout(ANSWER, ask(url)).await;
                let answer = asked.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned()));
                match answer {
                    Ok(()) => break,
                    Err(why) if Instant::now() >= deadline => {
                        let url = url.clone();
                        return Err(Failure::NotReady { url, why });
                    }
                    Err(_not_yet) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        Ok(())
    })
}

async fn ask(url: &Uri) -> Result<(), String> {
    let (Some("http"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err("is not http://HOST[:PORT]/PATH".to_owned());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let failed = |error: hyper::Error| with_causes(&error);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let words = Limited::new(response.into_body(), WORDS).collect().await;
    let words = words.map(|body| body.to_bytes()).unwrap_or_default();
    Err(format!(
        "{status}: {}",
        String::from_utf8_lossy(&words).trim()
    ))
}

#[cfg(test)]
mod tests;
