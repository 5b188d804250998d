//! One scrape over loopback.

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failure;

/// The body behind `url`; anything but a 200 with a whole body is a failure.
pub async fn body(url: &str) -> Result<Bytes, Failure> {
    let (status, body) = get(url).await.map_err(|error| format!("{url}: {error}"))?;
    if status == StatusCode::OK {
        Ok(body)
    } else {
        Err(format!("{url} answers {status}: {}", String::from_utf8_lossy(&body)).into())
    }
}

/// Status and body behind `url`.
pub async fn get(url: &str) -> Result<(StatusCode, Bytes), Failure> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("a URL without a host")?.as_str();
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(uri.path())
        .header(header::HOST, authority)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}
