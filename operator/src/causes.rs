//! What went wrong between us and the API server, with its causes: a refused connection, an unknown host and an unknown
//! certificate authority are mended in different places.

use std::error::Error;
use tagalong_runtime::with_causes;

/// An answer of the API server's that is an error, or none. Its causes are its sources.
#[derive(Debug)]
pub struct ApiError(Box<kube::Error>);

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&head(&self.0))
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match *self.0 {
            // All that it says is in our own text.
            kube::Error::Api(_) => None,
            ref error => error.source(),
        }
    }
}

/// The error with its causes, in one line.
#[must_use]
pub fn in_words(error: &kube::Error) -> String {
    let mut words = head(error);
    if !matches!(error, kube::Error::Api(_))
        && let Some(cause) = error.source()
    {
        words.push_str(": ");
        words.push_str(&with_causes(cause));
    }
    words
}

/// kube's own text of an answer is that answer's whole `Debug`, and of a connection "ServiceError: client error".
fn head(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => {
            format!("the API server answered {}", status.code)
        }
        kube::Error::Api(status) => status.message.clone(),
        kube::Error::Service(_) => "cannot reach the API server".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
