//! From a declarative configuration to complete entities, or to the reasons for which Kong rejects it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::plugins;
use super::schema::{self, Kind, OPAQUE, Schema, schema};
use crate::gateway::id;

/// Entities with all defaults, by plural; nested ones stand in their own list and refer to their parent.
pub(crate) type Entities = BTreeMap<&'static str, Vec<Map<String, Value>>>;

/// Everything that is wrong with a configuration.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// About entities, as in `flattened_errors`.
    pub(crate) entities: Vec<Value>,
    /// About the document itself.
    pub(crate) fields: Map<String, Value>,
    /// Fields and keys that this stand-in does not know, for tests that must hear of them.
    pub(crate) unknown: Vec<String>,
}

impl Refusal {
    /// The body of the 400 (`declarative_config_flattened` in `kong/db/errors.lua`).
    pub(crate) fn body(&self) -> Value {
        let summary = json!({ "flattened_errors": self.entities.len(), "fields": self.fields });
        json!({
            "code": 14,
            "name": "invalid declarative configuration",
            "message": format!("declarative config is invalid: {summary}"),
            "fields": self.fields,
            "flattened_errors": self.entities,
        })
    }
}

/// Checks a whole document and fills in what Kong would.
pub(crate) fn validate(
    document: &Value,
    known_plugins: &BTreeSet<String>,
) -> Result<Entities, Refusal> {
    let mut work = Work {
        known_plugins,
        entities: Entities::new(),
        refusal: Refusal::default(),
    };
    let Some(document) = document.as_object() else {
        work.refusal
            .fields
            .insert("error".to_owned(), json!("expected an object"));
        return Err(work.refusal);
    };
    if !matches!(
        document.get("_format_version").and_then(Value::as_str),
        Some("1.1" | "2.1" | "3.0")
    ) {
        work.refusal.fields.insert(
            "_format_version".to_owned(),
            json!("expected one of: 1.1, 2.1, 3.0"),
        );
    }
    for (key, value) in document {
        if let Some(schema) = schema(key) {
            work.list(schema, value, None);
        } else if !OPAQUE.contains(&key.as_str()) {
            work.refusal
                .fields
                .insert(key.clone(), json!("unknown field"));
            work.refusal.unknown.push(key.clone());
        }
    }
    work.unique();
    work.references();
    if work.refusal.entities.is_empty() && work.refusal.fields.is_empty() {
        Ok(work.entities)
    } else {
        Err(work.refusal)
    }
}

/// What `POST /schemas/<plural>/validate` says about one entity: field and message, each.
pub(crate) fn validate_one(
    schema: &'static Schema,
    entity: &Value,
    known_plugins: &BTreeSet<String>,
) -> Vec<(String, String)> {
    match entity.as_object() {
        Some(entity) => complete(schema, &mut entity.clone(), known_plugins),
        None => vec![("@entity".to_owned(), "expected a record".to_owned())],
    }
}

struct Work<'a> {
    known_plugins: &'a BTreeSet<String>,
    entities: Entities,
    refusal: Refusal,
}

impl Work<'_> {
    fn list(
        &mut self,
        schema: &'static Schema,
        value: &Value,
        parent: Option<(&'static str, &str)>,
    ) {
        let Some(list) = value.as_array() else {
            if !value.is_null() {
                self.refusal
                    .fields
                    .insert(schema.plural.to_owned(), json!("expected an array"));
            }
            return;
        };
        for entity in list {
            match entity.as_object() {
                Some(entity) => self.entity(schema, entity.clone(), parent),
                None => {
                    self.refusal
                        .fields
                        .insert(schema.plural.to_owned(), json!("expected a record"));
                }
            }
        }
    }

    fn entity(
        &mut self,
        schema: &'static Schema,
        mut entity: Map<String, Value>,
        parent: Option<(&'static str, &str)>,
    ) {
        let original = entity.clone();
        if let Some((field, id)) = parent {
            entity.insert(field.to_owned(), json!({ "id": id }));
        }
        if !entity.contains_key("id") {
            let number = self.entities.get(schema.plural).map_or(0, Vec::len);
            let name = entity
                .get(schema.key)
                .and_then(Value::as_str)
                .unwrap_or_default();
            entity.insert(
                "id".to_owned(),
                json!(id::derive(&[schema.plural, name, &number.to_string()])),
            );
        }
        let own = entity["id"].as_str().unwrap_or_default().to_owned();
        let errors = complete(schema, &mut entity, self.known_plugins);
        for (field, message) in &errors {
            if message == "unknown field" {
                self.refusal
                    .unknown
                    .push(format!("{}.{field}", schema.plural));
            }
        }
        if !errors.is_empty() {
            self.refuse(schema, &original, &errors);
        }
        for field in schema.fields {
            if let Kind::Nested(plural) = field.kind
                && let Some(nested) = entity.remove(field.name)
                && let Some(nested_schema) = schema::schema(plural)
            {
                self.list(nested_schema, &nested, Some((schema.singular, &own)));
            }
        }
        self.entities.entry(schema.plural).or_default().push(entity);
    }

    fn refuse(
        &mut self,
        schema: &Schema,
        entity: &Map<String, Value>,
        errors: &[(String, String)],
    ) {
        let errors: Vec<Value> = errors
            .iter()
            .map(|(field, message)| match field.as_str() {
                "@entity" => json!({ "type": "entity", "message": message }),
                field => json!({ "type": "field", "field": field, "message": message }),
            })
            .collect();
        let mut shown = entity.clone();
        shown.retain(|key, _| {
            !schema
                .fields
                .iter()
                .any(|field| field.name == key && matches!(field.kind, Kind::Nested(_)))
        });
        let mut entry =
            json!({ "entity_type": schema.singular, "entity": shown, "errors": errors });
        for (key, field) in [
            ("entity_name", "name"),
            ("entity_id", "id"),
            ("entity_tags", "tags"),
        ] {
            if let Some(value) = entity.get(field) {
                entry[key] = value.clone();
            }
        }
        self.refusal.entities.push(entry);
    }

    /// No two of a kind with one name or id, and no two plugins of one name on the same things.
    fn unique(&mut self) {
        let mut clashes = Vec::new();
        for (plural, list) in &self.entities {
            let Some(schema) = schema(plural) else {
                continue;
            };
            let mut seen = BTreeSet::new();
            for entity in list {
                let mut keys = vec![("id", entity["id"].to_string())];
                if let Some(name) = entity.get(schema.key).filter(|name| !name.is_null()) {
                    keys.push((schema.key, name.to_string()));
                }
                if *plural == "plugins" {
                    keys.push(("cache_key", self.scope(entity)));
                }
                for (field, value) in keys {
                    if !seen.insert((field, value.clone())) {
                        let message = format!(
                            "uniqueness violation: '{plural}' entity with {field} set to '{}' already declared",
                            value.trim_matches('"')
                        );
                        clashes.push((schema, entity.clone(), message));
                    }
                }
            }
        }
        for (schema, entity, message) in clashes {
            self.refuse(schema, &entity, &[("@entity".to_owned(), message)]);
        }
    }

    /// What a plugin is attached to, whether that was written as a name or an id.
    fn scope(&self, plugin: &Map<String, Value>) -> String {
        let mut scope = format!("plugins:{}", plugin["name"].as_str().unwrap_or_default());
        for (field, plural) in [
            ("route", "routes"),
            ("service", "services"),
            ("consumer", "consumers"),
        ] {
            scope.push(':');
            if let Some(reference) = plugin.get(field) {
                scope.push_str(self.resolve(plural, reference).as_deref().unwrap_or("?"));
            }
        }
        scope.push_str(
            &plugin
                .get("consumer_group")
                .map(Value::to_string)
                .unwrap_or_default(),
        );
        scope
    }

    /// Every reference means somebody, and is `{"id": …}` afterwards.
    fn references(&mut self) {
        let mut resolved = Vec::new();
        let mut dangling = Vec::new();
        for (plural, list) in &self.entities {
            let Some(schema) = schema(plural) else {
                continue;
            };
            for (index, entity) in list.iter().enumerate() {
                for field in schema.fields {
                    let Kind::Reference(to) = field.kind else {
                        continue;
                    };
                    let Some(reference) = entity.get(field.name).filter(|value| !value.is_null())
                    else {
                        continue;
                    };
                    match self.resolve(to, reference) {
                        Some(id) => resolved.push((*plural, index, field.name, id)),
                        None => {
                            let message = format!(
                                "invalid reference '{}: {reference}' (no such entity)",
                                field.name
                            );
                            dangling.push((
                                schema,
                                entity.clone(),
                                (field.name.to_owned(), message),
                            ));
                        }
                    }
                }
            }
        }
        for (plural, index, field, id) in resolved {
            if let Some(entity) = self
                .entities
                .get_mut(plural)
                .and_then(|list| list.get_mut(index))
            {
                entity.insert(field.to_owned(), json!({ "id": id }));
            }
        }
        for (schema, entity, error) in dangling {
            self.refuse(schema, &entity, &[error]);
        }
    }

    fn resolve(&self, plural: &str, reference: &Value) -> Option<String> {
        let key = schema(plural)?.key;
        let wanted = match reference {
            Value::String(wanted) => wanted,
            Value::Object(fields) => ["id", key]
                .iter()
                .find_map(|field| fields.get(*field)?.as_str())?,
            _ => return None,
        };
        let matches = |entity: &&Map<String, Value>| {
            ["id", key]
                .iter()
                .any(|field| entity.get(*field).and_then(Value::as_str) == Some(wanted))
        };
        self.entities.get(plural)?.iter().find(matches)?["id"]
            .as_str()
            .map(str::to_owned)
    }
}

/// Fills in the defaults of one entity and says what is wrong with it: field (or `@entity`) and message.
fn complete(
    schema: &'static Schema,
    entity: &mut Map<String, Value>,
    known_plugins: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    entity.retain(|_, value| !value.is_null());
    for (name, value) in &*entity {
        match schema.fields.iter().find(|field| field.name == name) {
            None => errors.push((name.clone(), "unknown field".to_owned())),
            Some(field) => {
                if let Err(message) = check(field.kind, value) {
                    errors.push((name.clone(), message));
                }
            }
        }
    }
    for field in schema.fields {
        if let (None, Some(json)) = (entity.get(field.name), field.default) {
            entity.insert(
                field.name.to_owned(),
                serde_json::from_str(json).unwrap_or_default(),
            );
        }
        if field.required && !entity.contains_key(field.name) {
            errors.push((field.name.to_owned(), "required field missing".to_owned()));
        }
    }
    match schema.plural {
        "plugins" => {
            let name = entity
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if !name.is_empty() && !known_plugins.contains(&name) {
                let message = format!(
                    "plugin '{name}' not enabled; add it to the 'plugins' configuration property"
                );
                errors.push(("name".to_owned(), message));
            }
            if let Value::Object(config) = entity.entry("config").or_insert_with(|| json!({})) {
                errors.append(&mut plugins::complete(&name, config));
            }
        }
        "routes" => errors.extend(unmatchable(entity)),
        _ => (),
    }
    errors
}

/// A route must say what it matches (`conditional_at_least_one_of` in `entities/routes.lua`).
fn unmatchable(route: &Map<String, Value>) -> Option<(String, String)> {
    let given = |field: &str| match route.get(field) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        _ => false,
    };
    let protocols = route.get("protocols")?.as_array()?;
    let has = |protocol: &str| protocols.iter().any(|value| value == protocol);
    let (protocol, any): (_, &[&str]) = if has("http") {
        ("http", &["methods", "hosts", "headers", "paths"])
    } else if has("https") {
        ("https", &["methods", "hosts", "headers", "paths", "snis"])
    } else {
        return None;
    };
    let message = || {
        let names: Vec<String> = any.iter().map(|name| format!("'{name}'")).collect();
        format!(
            "must set one of {} when 'protocols' is '{protocol}'",
            names.join(", ")
        )
    };
    (!any.iter().any(|field| given(field))).then(|| ("@entity".to_owned(), message()))
}

/// Whether a value is of a kind, in Kong's words.
pub(crate) fn check(kind: Kind, value: &Value) -> Result<(), String> {
    let words = |value: &Value| value.as_str().map(str::to_owned);
    match kind {
        Kind::Any => Ok(()),
        _ if value.is_null() => Ok(()),
        Kind::Boolean if value.is_boolean() => Ok(()),
        Kind::Boolean => Err("expected a boolean".to_owned()),
        Kind::String if value.is_string() => Ok(()),
        Kind::String => Err("expected a string".to_owned()),
        Kind::Integer(least, most) => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Ok(()),
            Some(_) => Err(format!("value should be between {least} and {most}")),
            None => Err("expected an integer".to_owned()),
        },
        Kind::OneOf(options) => match words(value) {
            Some(word) if options.contains(&word.as_str()) => Ok(()),
            Some(_) => Err(format!("expected one of: {}", options.join(", "))),
            None => Err("expected a string".to_owned()),
        },
        Kind::OneOfIntegers(options) => match value.as_i64() {
            Some(number) if options.contains(&number) => Ok(()),
            Some(_) => Err(format!("expected one of: {options:?}")),
            None => Err("expected an integer".to_owned()),
        },
        Kind::Strings => each(value, |item| check(Kind::String, item)),
        Kind::StringsOf(options) => each(value, |item| check(Kind::OneOf(options), item)),
        Kind::Paths => each(value, path),
        Kind::Map if value.is_object() => Ok(()),
        Kind::Map => Err("expected a map".to_owned()),
        Kind::Reference(_) if value.is_string() || value.is_object() => Ok(()),
        Kind::Reference(_) => Err("expected a record".to_owned()),
        Kind::Nested(_) if value.is_array() => Ok(()),
        Kind::Nested(_) => Err("expected an array".to_owned()),
    }
}

fn each(value: &Value, check: impl Fn(&Value) -> Result<(), String>) -> Result<(), String> {
    value
        .as_array()
        .ok_or_else(|| "expected a set".to_owned())?
        .iter()
        .try_for_each(check)
}

fn path(value: &Value) -> Result<(), String> {
    let path = value.as_str().ok_or("expected a string")?;
    if let Some(pattern) = path.strip_prefix('~') {
        if !pattern.starts_with('/') {
            return Err("should start with: / (fixed path) or ~/ (regex path)".to_owned());
        }
        return regex::Regex::new(pattern)
            .map(drop)
            .map_err(|error| format!("invalid regex: '{pattern}' ({error})"));
    }
    if path.starts_with('/') {
        Ok(())
    } else {
        Err("should start with: / (fixed path) or ~/ (regex path)".to_owned())
    }
}
