//! Walks JSON text without building anything.
//!
//! The text must be JSON already (`serde_json` has read all of it once): what is found here are the limits of values.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Calls `each` with every key and value of the object in `text`; `None` where that is not an object with readable keys.
pub(crate) fn fields<'a>(text: &'a str, mut each: impl FnMut(Cow<'a, str>, &'a str)) -> Option<()> {
    let mut rest = begun(text, '{')?;
    while !rest.starts_with('}') {
        let (key, after) = value(rest)?;
        let (found, after) = value(after.trim_start().strip_prefix(':')?)?;
        each(string(key)?, found);
        rest = next(after, '}')?;
    }
    Some(())
}

/// Calls `each` with every item of the list in `text`; `None` where that is not a list.
pub(crate) fn items<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> Option<()> {
    let mut rest = begun(text, '[')?;
    while !rest.starts_with(']') {
        let (found, after) = value(rest)?;
        each(found);
        rest = next(after, ']')?;
    }
    Some(())
}

/// The value of one field. Of several with that name the last counts, as it does for `serde_json::Value`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut last = None;
    fields(text, |key, value| {
        if key == name {
            last = Some(value);
        }
    })?;
    last
}

/// The text of a string; `None` where it is none, or holds half a surrogate pair.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn begun(text: &str, open: char) -> Option<&str> {
    Some(text.trim_start().strip_prefix(open)?.trim_start())
}

/// What follows a value: behind the comma, or at the end.
fn next(text: &str, close: char) -> Option<&str> {
    let text = text.trim_start();
    match text.strip_prefix(',') {
        Some(rest) => Some(rest.trim_start()),
        None => text.starts_with(close).then_some(text),
    }
}

/// The first value in `text`, and what follows it. `IgnoredAny` goes down without recursion, however deep it is.
fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    text.split_at_checked(values.byte_offset())
}

#[cfg(test)]
mod tests;
