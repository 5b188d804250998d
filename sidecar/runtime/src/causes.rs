//! An error with all its causes, in one line.

use std::error::Error;

/// What `error` says, and what its sources add. Many say already what their source does: that is not said twice.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests;
