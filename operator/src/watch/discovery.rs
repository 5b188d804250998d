//! Which kinds the cluster serves, in which versions.

use std::collections::{BTreeMap, BTreeSet};

/// What discovery said last.
#[derive(Debug, Default)]
pub struct Served {
    /// By group and plural name.
    versions: BTreeMap<(String, String), Vec<String>>,
}

impl Served {
    /// Asks again for `groups`. What could not be asked stays as it was.
    ///
    /// # Errors
    ///
    /// When the API server does not answer, or not for one of its groups.
    pub async fn refresh(&mut self, client: &kube::Client, groups: &[&str]) -> kube::Result<()> {
        let groups_asked: BTreeSet<&str> = groups.iter().copied().collect();
        let mut found = Self::default();
        if groups_asked.contains("") {
            for resource in client.list_core_api_resources("v1").await?.resources {
                found.add("", "v1", resource.name);
            }
        }
        for group in client.list_api_groups().await?.groups {
            if !groups_asked.contains(group.name.as_str()) {
                continue;
            }
            for version in &group.versions {
                let list = client
                    .list_api_group_resources(&version.group_version)
                    .await?;
                for resource in list.resources {
                    found.add(&group.name, &version.version, resource.name);
                }
            }
        }
        *self = found;
        Ok(())
    }

    fn add(&mut self, group: &str, version: &str, plural: String) {
        // Subresources are listed beside their resources.
        if !plural.contains('/') {
            let key = (group.to_owned(), plural);
            self.versions
                .entry(key)
                .or_default()
                .push(version.to_owned());
        }
    }

    /// The versions of one kind; empty if it is not served.
    #[must_use]
    pub fn versions(&self, group: &str, plural: &str) -> Vec<&str> {
        let key = (group.to_owned(), plural.to_owned());
        let versions = self.versions.get(&key).into_iter().flatten();
        versions.map(String::as_str).collect()
    }
}
