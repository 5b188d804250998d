//! Reviews of tokens.

use crate::causes::in_words;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use std::future::Future;

/// Who checks tokens: the API server, or a test.
pub trait Reviewer: Send + Sync + 'static {
    /// The review of one token.
    fn review(&self, token: &str) -> impl Future<Output = Result<TokenReview, String>> + Send;
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer {
    /// How to reach it.
    pub client: kube::Client,
    /// Whom a token must be for; without one, the API server itself.
    pub audience: Option<&'static str>,
}

impl Reviewer for ApiServer {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: self.audience.map(|audience| vec![audience.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        answer.map_err(|error| in_words(&error))
    }
}

/// The token that a request shows.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
