//! Secrets as places to keep things: read, written only if nobody wrote in between.

use crate::causes::in_words;
use crate::lease::{Writes, puts};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta};
use std::collections::BTreeMap;
use tagalong_wire::contract::{MANAGED_BY, MANAGED_BY_LABEL};

/// What a Secret holds, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub data: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// One Secret.
pub(super) struct Kept {
    pub api: Api<Secret>,
    pub name: String,
    /// `Opaque` or `kubernetes.io/tls`.
    pub kind: &'static str,
}

/// A Secret as it stands, so that writing it again is safe.
#[derive(Default)]
pub(super) struct Found {
    object: Option<Secret>,
    pub content: Content,
}

impl Kept {
    pub async fn read(&self) -> Result<Found, String> {
        let object = self.api.get_opt(&self.name).await;
        let object = object
            .map_err(|error| format!("cannot read Secret {}: {}", self.name, in_words(&error)))?;
        let data = object.as_ref().and_then(|object| object.data.clone());
        let texts = data.unwrap_or_default().into_iter();
        let annotations = object.as_ref().and_then(|o| o.metadata.annotations.clone());
        let content = Content {
            data: texts
                .map(|(key, ByteString(bytes))| (key, String::from_utf8_lossy(&bytes).into_owned()))
                .collect(),
            annotations: annotations.unwrap_or_default(),
        };
        Ok(Found { object, content })
    }

    /// Writes `content`, and keeps labels and annotations of others.
    pub async fn write(
        &self,
        found: Found,
        content: &Content,
        writes: &Writes,
    ) -> Result<(), String> {
        let exists = found.object.is_some();
        let mut object = found.object.unwrap_or_else(|| Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some([(MANAGED_BY_LABEL.into(), MANAGED_BY.into())].into()),
                ..ObjectMeta::default()
            },
            type_: Some(self.kind.to_owned()),
            ..Secret::default()
        });
        let bytes = |text: &String| ByteString(text.clone().into_bytes());
        object.data = Some(
            content
                .data
                .iter()
                .map(|(key, text)| (key.clone(), bytes(text)))
                .collect(),
        );
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.extend(content.annotations.clone());
        object.metadata.managed_fields = None;
        let params = puts();
        let written = writes.run(async {
            if exists {
                self.api.replace(&self.name, &params, &object).await
            } else {
                self.api.create(&params, &object).await
            }
        });
        match written.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!(
                "cannot write Secret {}: {}",
                self.name,
                in_words(&error)
            )),
            Err(not_leader) => Err(not_leader.to_string()),
        }
    }
}
