//! The values of the chart, the schema that they are held to, and the templates that use them know one another.

use clap::CommandFactory as _;
use serde_json::Value;
use tagalong_chart::{Result, directory, file};

const DEPLOYMENT: &str = "templates/webhook-deployment.yaml";

fn values() -> Result<Value> {
    Ok(serde_saphyr::from_str(&file("values.yaml")?)?)
}

/// The text of all templates.
fn templates() -> Result<String> {
    let mut text = String::new();
    let mut folders = vec![directory().join("templates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text += &std::fs::read_to_string(path)?;
            }
        }
    }
    Ok(text)
}

/// The paths behind `.Values.` in a text, such as `sidecar.image`.
fn used(text: &str) -> impl Iterator<Item = &str> {
    let paths = text.split(".Values.").skip(1);
    paths.filter_map(|rest| {
        let end = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '.');
        rest.get(..end.unwrap_or(rest.len()))
    })
}

/// What may be set and has no default: Helm's own `global`, and a field of Kubernetes' `resources`.
const WITHOUT_DEFAULT: [&str; 3] = [
    ".global",
    ".operator.resources.claims",
    ".webhook.resources.claims",
];

/// Each value of the schema where `values.yaml` has none, and the other way round, down to where the schema lists no names.
fn differences(values: &Value, schema: &Value, path: &str) -> Vec<String> {
    let (Some(properties), Some(map)) = (schema["properties"].as_object(), values.as_object())
    else {
        return Vec::new();
    };
    // What an object of Kubernetes may have is no value of the chart's with a default.
    if !path.is_empty() && schema["additionalProperties"] != Value::Bool(false) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (name, value) in map {
        let path = format!("{path}.{name}");
        match properties.get(name) {
            Some(schema) => all.extend(differences(value, schema, &path)),
            None => all.push(format!("values.schema.json lacks {path}")),
        }
    }
    if !map.is_empty() {
        let missing = properties.keys().filter(|name| !map.contains_key(*name));
        let missing = missing.map(|name| format!("{path}.{name}"));
        let missing = missing.filter(|path| !WITHOUT_DEFAULT.contains(&path.as_str()));
        all.extend(missing.map(|path| format!("values.yaml lacks {path}")));
    }
    all
}

#[test]
fn the_schema_has_each_value_and_no_other() -> Result {
    let schema: Value = serde_json::from_str(&file("values.schema.json")?)?;
    assert!(schema["properties"]["sidecar"]["properties"].is_object());
    assert_eq!(differences(&values()?, &schema, ""), Vec::<String>::new());
    Ok(())
}

#[test]
fn templates_use_only_values_that_there_are() -> Result {
    let (values, templates) = (values()?, templates()?);
    for path in used(&templates) {
        let known = path.split('.').try_fold(&values, |at, name| {
            at.as_object().and_then(|map| map.get(name))
        });
        assert!(
            known.is_some(),
            "a template uses {path}, which values.yaml lacks"
        );
    }
    assert!(used(&templates).count() > 50);
    Ok(())
}

/// The sidecar has its settings through the webhook.
#[test]
fn the_webhook_is_told_each_value_of_the_sidecar() -> Result {
    let (values, template) = (values()?, file(DEPLOYMENT)?);
    let used: Vec<&str> = used(&template).collect();
    let sidecar = values["sidecar"]
        .as_object()
        .ok_or("no values of the sidecar")?;
    for name in sidecar.keys() {
        let path = format!("sidecar.{name}");
        assert!(
            used.contains(&path.as_str()),
            "{DEPLOYMENT} does not use {path} of values.yaml"
        );
    }
    Ok(())
}

/// A setting of the sidecar that the chart does not know can be had by `webhook.extraArgs` only, which nobody finds; and a
/// variable that the webhook does not know would be passed over in silence.
#[test]
fn chart_and_webhook_know_the_same_settings_of_the_sidecar() -> Result {
    let template = file(DEPLOYMENT)?;
    let set = template.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("- name: ")?;
        name.starts_with("TAGALONG_").then_some(name)
    });
    let set: Vec<&str> = set.collect();
    let command = tagalong_webhook::Args::command();
    let flags = command.get_arguments();
    let taken: Vec<String> = flags
        .filter_map(|flag| Some(flag.get_env()?.to_string_lossy().into_owned()))
        .collect();
    for name in &set {
        assert!(
            taken.iter().any(|taken| taken == name),
            "{DEPLOYMENT} sets {name}, which webhook/src/args.rs does not take"
        );
    }
    let of_sidecar = |name: &&String| name.starts_with("TAGALONG_SIDECAR_");
    for name in taken.iter().filter(of_sidecar) {
        assert!(
            set.contains(&name.as_str()),
            "{DEPLOYMENT} does not set {name}, which webhook/src/args.rs takes"
        );
    }
    assert!(taken.iter().filter(of_sidecar).count() > 5);
    Ok(())
}
