//! The fields of Kong's entities, their kinds and their defaults.
//!
//! From `kong/db/schema/entities/*.lua` of Kong 3.9.1. Where Kong checks deeper than a stand-in needs (health checks,
//! hashing), the kind is [`Kind::Any`].

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Any,
    Boolean,
    String,
    /// A whole number between the two, both included.
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    OneOfIntegers(&'static [i64]),
    Strings,
    StringsOf(&'static [&'static str]),
    /// `/prefix` or `~/regex`, each.
    Paths,
    Map,
    /// Another entity by name or id, or as `{"id": …}` or `{"name": …}`.
    Reference(&'static str),
    /// Entities of that kind, in the place of their foreign key.
    Nested(&'static str),
}

/// One field of an entity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What Kong fills in, as JSON.
    pub(crate) default: Option<&'static str>,
    pub(crate) required: bool,
}

/// One kind of entity.
#[derive(Debug)]
pub(crate) struct Schema {
    /// As in a declarative configuration, such as `services`.
    pub(crate) plural: &'static str,
    /// As in `flattened_errors`, such as `service`.
    pub(crate) singular: &'static str,
    /// The field that is unique among all of its kind and names it.
    pub(crate) key: &'static str,
    pub(crate) fields: &'static [Field],
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        default: None,
        required: false,
    }
}

const fn default(name: &'static str, kind: Kind, json: &'static str) -> Field {
    Field {
        name,
        kind,
        default: Some(json),
        required: false,
    }
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        default: None,
        required: true,
    }
}

const ID: Field = field("id", Kind::String);
const TAGS: Field = field("tags", Kind::Strings);
const CREATED: Field = field("created_at", Kind::Any);
const UPDATED: Field = field("updated_at", Kind::Any);
const PORT: Kind = Kind::Integer(0, 65_535);
const MILLISECONDS: Kind = Kind::Integer(1, 2_147_483_646);
const PROTOCOLS: &[&str] = &[
    "http",
    "https",
    "grpc",
    "grpcs",
    "tcp",
    "tls",
    "udp",
    "tls_passthrough",
    "ws",
    "wss",
];

const SERVICES: Schema = Schema {
    plural: "services",
    singular: "service",
    key: "name",
    fields: &[
        ID,
        field("name", Kind::String),
        default("protocol", Kind::OneOf(PROTOCOLS), "\"http\""),
        required("host", Kind::String),
        default("port", PORT, "80"),
        field("path", Kind::String),
        default("retries", Kind::Integer(0, 32_767), "5"),
        default("connect_timeout", MILLISECONDS, "60000"),
        default("write_timeout", MILLISECONDS, "60000"),
        default("read_timeout", MILLISECONDS, "60000"),
        default("enabled", Kind::Boolean, "true"),
        field("client_certificate", Kind::Reference("certificates")),
        field("tls_verify", Kind::Boolean),
        field("tls_verify_depth", Kind::Integer(0, 64)),
        field("ca_certificates", Kind::Strings),
        TAGS,
        CREATED,
        UPDATED,
        field("routes", Kind::Nested("routes")),
        field("plugins", Kind::Nested("plugins")),
    ],
};

const ROUTES: Schema = Schema {
    plural: "routes",
    singular: "route",
    key: "name",
    fields: &[
        ID,
        field("name", Kind::String),
        default(
            "protocols",
            Kind::StringsOf(PROTOCOLS),
            r#"["http","https"]"#,
        ),
        field("methods", Kind::Strings),
        field("hosts", Kind::Strings),
        field("paths", Kind::Paths),
        field("headers", Kind::Map),
        field("snis", Kind::Strings),
        field("sources", Kind::Any),
        field("destinations", Kind::Any),
        default(
            "https_redirect_status_code",
            Kind::OneOfIntegers(&[426, 301, 302, 307, 308]),
            "426",
        ),
        default("regex_priority", Kind::Integer(i64::MIN, i64::MAX), "0"),
        default("strip_path", Kind::Boolean, "true"),
        default("path_handling", Kind::OneOf(&["v0", "v1"]), "\"v0\""),
        default("preserve_host", Kind::Boolean, "false"),
        default("request_buffering", Kind::Boolean, "true"),
        default("response_buffering", Kind::Boolean, "true"),
        field("service", Kind::Reference("services")),
        TAGS,
        CREATED,
        UPDATED,
        field("plugins", Kind::Nested("plugins")),
    ],
};

const UPSTREAMS: Schema = Schema {
    plural: "upstreams",
    singular: "upstream",
    key: "name",
    fields: &[
        ID,
        required("name", Kind::String),
        default(
            "algorithm",
            Kind::OneOf(&[
                "consistent-hashing",
                "least-connections",
                "round-robin",
                "latency",
            ]),
            "\"round-robin\"",
        ),
        default("slots", Kind::Integer(10, 65_536), "10000"),
        field("healthchecks", Kind::Any),
        default("hash_on", Kind::String, "\"none\""),
        field("hash_fallback", Kind::String),
        field("hash_on_header", Kind::String),
        field("hash_fallback_header", Kind::String),
        field("hash_on_cookie", Kind::String),
        field("hash_on_cookie_path", Kind::String),
        field("hash_on_query_arg", Kind::String),
        field("hash_fallback_query_arg", Kind::String),
        field("hash_on_uri_capture", Kind::String),
        field("hash_fallback_uri_capture", Kind::String),
        field("host_header", Kind::String),
        field("client_certificate", Kind::Reference("certificates")),
        field("use_srv_name", Kind::Boolean),
        TAGS,
        CREATED,
        UPDATED,
        field("targets", Kind::Nested("targets")),
    ],
};

const TARGETS: Schema = Schema {
    plural: "targets",
    singular: "target",
    key: "",
    fields: &[
        ID,
        required("target", Kind::String),
        default("weight", PORT, "100"),
        field("upstream", Kind::Reference("upstreams")),
        TAGS,
        CREATED,
        UPDATED,
    ],
};

const PLUGINS: Schema = Schema {
    plural: "plugins",
    singular: "plugin",
    key: "instance_name",
    fields: &[
        ID,
        required("name", Kind::String),
        field("instance_name", Kind::String),
        field("config", Kind::Map),
        default("enabled", Kind::Boolean, "true"),
        default(
            "protocols",
            Kind::StringsOf(PROTOCOLS),
            r#"["grpc","grpcs","http","https"]"#,
        ),
        field("service", Kind::Reference("services")),
        field("route", Kind::Reference("routes")),
        field("consumer", Kind::Reference("consumers")),
        field("consumer_group", Kind::Reference("consumer_groups")),
        field("ordering", Kind::Any),
        TAGS,
        CREATED,
        UPDATED,
    ],
};

const CONSUMERS: Schema = Schema {
    plural: "consumers",
    singular: "consumer",
    key: "username",
    fields: &[
        ID,
        field("username", Kind::String),
        field("custom_id", Kind::String),
        TAGS,
        CREATED,
        UPDATED,
        field("plugins", Kind::Nested("plugins")),
        field("keyauth_credentials", Kind::Nested("keyauth_credentials")),
        field("basicauth_credentials", Kind::Any),
        field("hmacauth_credentials", Kind::Any),
        field("jwt_secrets", Kind::Any),
        field("oauth2_credentials", Kind::Any),
        field("acls", Kind::Any),
        field("mtls_auth_credentials", Kind::Any),
        field("groups", Kind::Any),
    ],
};

const KEYAUTH_CREDENTIALS: Schema = Schema {
    plural: "keyauth_credentials",
    singular: "keyauth_credential",
    key: "key",
    fields: &[
        ID,
        field("key", Kind::String),
        field("ttl", Kind::Any),
        field("consumer", Kind::Reference("consumers")),
        TAGS,
        CREATED,
    ],
};

const CERTIFICATES: Schema = Schema {
    plural: "certificates",
    singular: "certificate",
    key: "",
    fields: &[
        ID,
        required("cert", Kind::String),
        required("key", Kind::String),
        field("cert_alt", Kind::String),
        field("key_alt", Kind::String),
        TAGS,
        CREATED,
        UPDATED,
        field("snis", Kind::Nested("snis")),
    ],
};

const SNIS: Schema = Schema {
    plural: "snis",
    singular: "sni",
    key: "name",
    fields: &[
        ID,
        required("name", Kind::String),
        field("certificate", Kind::Reference("certificates")),
        TAGS,
        CREATED,
        UPDATED,
    ],
};

const CONSUMER_GROUPS: Schema = Schema {
    plural: "consumer_groups",
    singular: "consumer_group",
    key: "name",
    fields: &[
        ID,
        required("name", Kind::String),
        TAGS,
        CREATED,
        UPDATED,
        field("plugins", Kind::Nested("plugins")),
    ],
};

/// All entities that are looked into.
pub(crate) const SCHEMAS: &[Schema] = &[
    SERVICES,
    ROUTES,
    UPSTREAMS,
    TARGETS,
    PLUGINS,
    CONSUMERS,
    KEYAUTH_CREDENTIALS,
    CERTIFICATES,
    SNIS,
    CONSUMER_GROUPS,
];

/// Keys of a declarative configuration that are accepted as they are.
pub(crate) const OPAQUE: &[&str] = &[
    "_format_version",
    "_transform",
    "_comment",
    "_ignore",
    "ca_certificates",
    "consumer_group_consumers",
    "keys",
    "key_sets",
    "licenses",
    "vaults",
];

/// The schema of this kind of entity, by its plural.
pub(crate) fn schema(plural: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.plural == plural)
}
