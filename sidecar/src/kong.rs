//! One scrape of Kong's `/metrics`: a connection, a request, a body.
//!
//! Each scrape opens its own connection and is its only user, so no idle connection can be dead when the next scrape wants
//! it. To drop a connection does not end the scrape: nginx does not tell Lua that a client has left, and Kong collects and
//! sorts to the end. So who wants no second scrape beside it must `discard` what still comes.

mod connection;
mod discard;
mod error;
mod tls;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use tagalong_runtime::log_rate::shortened;
use tagalong_runtime::with_causes;

pub use connection::{Connection, KongBody};
pub use discard::SILENCE;
pub(crate) use discard::discard;
pub use error::KongError;
pub use tls::{Tls, TlsSetupError};

use crate::net::{self, Io};
use crate::url::Url;

/// What is asked for. Kong has text only and looks at no `Accept`; nothing else may ever offer us its binary format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tagalong-sidecar/", env!("CARGO_PKG_VERSION")));

/// How much of an answer's words an error repeats, in bytes.
const WORDS: usize = 256;

/// Kong's `/metrics`, wherever it is.
#[derive(Debug)]
pub struct Kong {
    url: Url,
    host: HeaderValue,
    tls: Option<Tls>,
}

/// A body of metrics that Kong has begun to send.
#[derive(Debug)]
pub struct Exposition {
    /// Its `Content-Type`.
    pub content_type: HeaderValue,
    /// Its bytes.
    pub body: KongBody,
}

impl Kong {
    /// Kong at `url`.
    ///
    /// # Errors
    /// The URL wants its certificate checked, and there is nothing to check it by.
    pub fn new(url: Url) -> Result<Self, TlsSetupError> {
        let tls = url.tls.then(|| Tls::new(&url)).transpose()?;
        let host = HeaderValue::from_str(url.authority()).map_err(|_| TlsSetupError::Name)?;
        Ok(Self { url, host, tls })
    }

    /// Opens a connection. Kong's workers do not know of it yet, but for TLS. Has no timeout: whoever waits knows how long.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn connect(&self) -> Result<Connection, KongError> {
        let to_kong = |error| KongError::Connect(self.url.to_string(), error);
        let tcp = net::connect(&self.url)
            .await
            .map_err(|error| to_kong(error.to_string()))?;
        let io: Box<dyn Io> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(
                tls.connect(tcp)
                    .await
                    .map_err(|error| KongError::Tls(self.url.to_string(), error.to_string()))?,
            ),
        };
        Connection::open(io)
            .await
            .map_err(|error| self.http(&error))
    }

    /// Scrapes until the body begins. Has no timeout either. To be polled to its end, whoever still waits, as Kong goes on
    /// to its end too.
    ///
    /// # Errors
    /// There is no body of metrics to be had.
    pub async fn scrape(&self, connection: Connection) -> Result<Exposition, KongError> {
        let (head, body) = connection
            .send(self.request())
            .await
            .map_err(|error| self.http(&error))?
            .into_parts();
        let error = if head.status == StatusCode::OK {
            match text_type(&head.headers) {
                Ok(content_type) => return Ok(Exposition { content_type, body }),
                Err(found) => KongError::NotText(self.url.to_string(), found),
            }
        } else {
            self.refused(head.status, &head.headers)
        };
        discard(body).await;
        Err(error)
    }

    /// What an answer that is no 200 says of what is wrong.
    fn refused(&self, status: StatusCode, headers: &HeaderMap) -> KongError {
        let url = self.url.to_string();
        let location = headers.get(LOCATION).and_then(|to| to.to_str().ok());
        match location {
            Some(to) if status.is_redirection() => {
                KongError::Redirect(url, status, shortened(to, WORDS).to_owned())
            }
            // nginx' answer to plain HTTP on a port that speaks TLS.
            _ if status == StatusCode::BAD_REQUEST && !self.url.tls => {
                KongError::PlainHttp(url, status)
            }
            _ => KongError::Status(url, status),
        }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, TEXT);
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        request
    }

    fn http(&self, error: &hyper::Error) -> KongError {
        KongError::Http(self.url.to_string(), with_causes(error))
    }
}

/// The type of a text exposition, or what was found instead. A body without any type, or with a blank one, is taken for
/// text, as Prometheus 2 does.
fn text_type(headers: &HeaderMap) -> Result<HeaderValue, String> {
    if let Some(coding) = headers
        .get(CONTENT_ENCODING)
        .filter(|coding| *coding != IDENTITY)
    {
        return Err(format!("the content coding {coding:?}"));
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .filter(|content_type| !content_type.as_bytes().trim_ascii().is_empty());
    let Some(content_type) = content_type else {
        return Ok(TEXT);
    };
    let essence = content_type
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let text = ["text/plain", "application/openmetrics-text"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known));
    if text {
        Ok(content_type.clone())
    } else {
        Err(format!("the content type {content_type:?}"))
    }
}

#[cfg(test)]
mod tests;
