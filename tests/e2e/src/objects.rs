//! Lists every object of the cluster, to find what we left behind.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Tried;
use crate::stage::Stage;

/// What each object says, by kind, namespace and name.
pub type Objects = BTreeMap<String, String>;

/// Kinds that are a record of what was (a Deployment's former pod templates, the images of a node), or come and go by
/// themselves.
const PASSING: &[&str] = &["Event", "Lease", "ControllerRevision", "Node", "ReplicaSet"];

impl Stage {
    /// All objects of all kinds that can be listed, but for who wrote which field and for records of the past.
    ///
    /// # Errors
    ///
    /// When kubectl fails.
    pub async fn objects(&self) -> Tried<Objects> {
        let kubectl = self.cluster;
        let kinds = ["api-resources", "--verbs=list", "--output=name"];
        let kinds = kubectl.kubectl(&kinds, "").await?;
        let kinds: Vec<&str> = kinds.lines().collect();
        let (kinds, json) = (kinds.join(","), "--output=json");
        let all = ["get", &kinds, "--all-namespaces", json];
        let mut list: Value = serde_json::from_str(&kubectl.kubectl(&all, "").await?)?;
        let items = list["items"].as_array_mut().ok_or("no list")?;
        let mut objects = Objects::new();
        for item in items {
            let kind = item["kind"].as_str().unwrap_or_default().to_owned();
            // The Lease of our own is ours to take back.
            let ours = item["metadata"]["namespace"] == crate::helm::NAMESPACE && kind == "Lease";
            if PASSING.contains(&kind.as_str()) && !ours {
                continue;
            }
            if let Some(metadata) = item["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            let metadata = &item["metadata"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!(
                "{kind} {}/{}",
                text(&metadata["namespace"]),
                text(&metadata["name"])
            );
            objects.insert(name, item.to_string());
        }
        Ok(objects)
    }
}

/// Objects that speak of us, and did not before we came.
#[must_use]
pub fn left(before: &Objects, after: &Objects) -> Objects {
    let speaks = |text: &String| text.contains("tagalong");
    let ours = after
        .iter()
        .filter(|(name, text)| speaks(text) && !before.get(*name).is_some_and(speaks));
    ours.map(|(name, text)| (name.clone(), text.clone()))
        .collect()
}
