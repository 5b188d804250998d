//! Where a scrape comes from.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;

use crate::kong::{Connection, Kong, KongBody, KongError};

/// Where a scrape comes from: Kong, but for the tests of the scrape.
pub trait Upstream: Send + Sync + 'static {
    /// What a scrape is asked for on.
    type Link: Send;
    /// The body.
    type Body: Body<Data = Bytes, Error: fmt::Display + Send> + Send + Unpin;

    /// Makes ready for a scrape, which may be given up without harm.
    fn connect(&self) -> impl Future<Output = Result<Self::Link, KongError>> + Send;

    /// Scrapes until the body, whose content type is the first part, begins. From here on there is no way back.
    fn scrape(
        &self,
        link: Self::Link,
    ) -> impl Future<Output = Result<(HeaderValue, Self::Body), KongError>> + Send;
}

impl Upstream for Kong {
    type Link = Connection;
    type Body = KongBody;

    async fn connect(&self) -> Result<Connection, KongError> {
        Self::connect(self).await
    }

    async fn scrape(&self, link: Connection) -> Result<(HeaderValue, KongBody), KongError> {
        let exposition = Self::scrape(self, link).await?;
        Ok((exposition.content_type, exposition.body))
    }
}
