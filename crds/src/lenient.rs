//! Reading what is absent, and what is `null`, as the default.

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with = "or_default")]`: `null` is the same as absence.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
