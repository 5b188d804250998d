//! What one DataPlane decides about its own sidecar, by annotation.

use serde_json::Value;
use tagalong_wire::contract::{IMAGE_ANNOTATION, PORT_ANNOTATION, RESOURCES_ANNOTATION};

use crate::{InjectionSettings, resources};

/// The settings of one sidecar.
pub(super) struct Overrides {
    pub(super) image: String,
    pub(super) listen_port: u16,
    pub(super) resources: Value,
}

impl Overrides {
    /// Reads the annotations of `object`. One that cannot be followed is warned about and the installation's setting
    /// stands: a typing error must not take the sidecar, and with it the HPA's metrics, away from a running Kong.
    pub(super) fn read(
        object: &Value,
        settings: &InjectionSettings,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut given = Given {
            annotations: object.pointer("/metadata/annotations"),
            warnings,
        };
        Self {
            image: given
                .read(IMAGE_ANNOTATION, InjectionSettings::image)
                .unwrap_or_else(|| settings.image.clone()),
            listen_port: given
                .read(PORT_ANNOTATION, port)
                .unwrap_or(settings.listen_port),
            resources: given
                .read(RESOURCES_ANNOTATION, resources::parse)
                .unwrap_or_else(|| settings.resources.clone()),
        }
    }
}

struct Given<'a> {
    annotations: Option<&'a Value>,
    warnings: &'a mut Vec<String>,
}

impl Given<'_> {
    fn read<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.annotations?.get(name)?.as_str()?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.warnings
                    .push(format!("annotation {name} {error}; the default is used"));
                None
            }
        }
    }
}

/// A port that a process without privileges can listen on.
fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port >= 1024 => Ok(port),
        _ => Err("is no port from 1024 to 65535".to_owned()),
    }
}
