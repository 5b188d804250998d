//! The sidecar's security context.

use serde_json::{Map, Value, json};

/// Fields of a container's `securityContext` (`SecurityContext` of Kubernetes' `core/v1`). An object with another one may
/// be refused.
const FIELDS: [&str; 12] = [
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "windowsOptions",
];

/// The image's own user. It is named only where the pod's is root: the kubelet would not start a container that must
/// not be root then, and Kong's pod with it.
const USER: u32 = 65532;

/// What the container gets: Pod Security `restricted`, no user or group of our choice (OpenShift gives each namespace its own), and
/// over that the installation's `fields`, of which `null` leaves one out.
pub(crate) fn context(pod_is_root: bool, fields: &Map<String, Value>) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(context) = context.as_object_mut() {
        if pod_is_root {
            context.insert("runAsGroup".to_owned(), USER.into());
            context.insert("runAsUser".to_owned(), USER.into());
        }
        for (name, value) in fields {
            if value.is_null() {
                context.remove(name);
            } else {
                context.insert(name.clone(), value.clone());
            }
        }
    }
    context
}

/// # Errors
/// Says what is wrong, in words that follow the name of the setting.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("is not a JSON object: {error}"))?;
    match fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "has `{name}`, which is no field of a security context"
        )),
        None => Ok(fields),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{context, parse};

    #[test]
    fn a_user_is_named_only_where_the_pods_is_root() {
        let plain = context(false, &Map::new());
        assert_eq!(plain.get("runAsUser"), None);
        assert_eq!(plain.get("runAsGroup"), None);
        assert_eq!(plain["runAsNonRoot"], true);
        assert_eq!(context(true, &Map::new())["runAsUser"], 65532);
    }

    #[test]
    fn the_installation_has_the_last_word() {
        let fields = parse(r#"{"runAsUser": 1000, "seccompProfile": null}"#).expect("fields");
        let context = context(true, &fields);
        assert_eq!(context["runAsUser"], json!(1000));
        assert_eq!(context.get("seccompProfile"), None);
        assert!(parse(r#"{"runAsuser": 1}"#).is_err_and(|error| error.contains("runAsuser")));
        assert!(parse("[]").is_err());
    }
}
