//! Why the label of a name is held back, and until when.

use std::fmt;

use serde::Serialize;

use crate::{key::Key, object::Source};

/// What a name waits for before it has a label again: Kong may not have yet what an object means now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// The object that means something else now.
    pub source: Source,
    /// Its generation since then; 0 where it has none, or is gone.
    pub generation: i64,
    /// The Gateway whose controller has not shown that Kong has it; none where nothing shows it.
    pub gateway: Option<Key>,
    /// That controller says that Kong refuses it.
    pub refused: bool,
    /// How long it is waited for at most, in seconds; none for as long as it takes.
    pub seconds: Option<u64>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source, generation, ..
        } = self;
        match &self.gateway {
            Some(gateway) if self.refused => write!(
                f,
                "Kong refuses generation {generation} of {source} and still has an older one (Programmed=False in its status for \
                 Gateway {gateway}, with the reason)"
            )?,
            Some(gateway) => write!(
                f,
                "Kong is not known to have generation {generation} of {source} (no Programmed=True in its status for Gateway {gateway})"
            )?,
            None => write!(f, "Kong may still have what {source} meant before")?,
        }
        match self.seconds {
            Some(seconds) => write!(f, ", for {seconds} s at most"),
            None => Ok(()),
        }
    }
}
