//! What every kind has in common: its names, its versions and its metadata.

use kube::core::{ApiResource, GroupVersionKind, Resource};

/// A kind of object, whose version is chosen at run time.
pub trait Kind: Resource<DynamicType = ApiResource> {
    /// The API group; empty for the core group.
    const GROUP: &'static str;
    /// The versions that the type can read, best first.
    const VERSIONS: &'static [&'static str];
    /// The name of the kind, such as `HTTPRoute`.
    const KIND: &'static str;
    /// The name of the resource in URLs, such as `httproutes`.
    const PLURAL: &'static str;
    /// Whether objects live in a namespace.
    const NAMESPACED: bool;

    /// The kind in the given version.
    #[must_use]
    fn at(version: &str) -> ApiResource {
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(Self::GROUP, version, Self::KIND),
            Self::PLURAL,
        )
    }

    /// The kind in its best version.
    #[must_use]
    fn preferred() -> ApiResource {
        Self::at(Self::VERSIONS.first().copied().unwrap_or("v1"))
    }

    /// The kind in the best version of those that a cluster serves; none if it serves none that can be read.
    #[must_use]
    fn served<'a>(versions: impl IntoIterator<Item = &'a str> + Clone) -> Option<ApiResource> {
        Self::VERSIONS
            .iter()
            .find(|known| versions.clone().into_iter().any(|served| served == **known))
            .map(|version| Self::at(version))
    }
}

/// Declares a kind: a struct of metadata and the fields named, with [`Kind`] and [`Resource`].
macro_rules! kind {
    (
        $(#[$doc:meta])*
        $name:ident = $scope:ident $group:literal / [$($version:literal),+] $kind:literal $plural:literal
        $(metadata_only $metadata_only:literal)? {
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The standard metadata.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl crate::Kind for $name {
            const GROUP: &'static str = $group;
            const VERSIONS: &'static [&'static str] = &[$($version),+];
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $crate::kind::kind!(@namespaced $scope);
        }

        impl kube::core::Resource for $name {
            type DynamicType = kube::core::ApiResource;
            type Scope = $crate::kind::kind!(@scope $scope);

            fn kind(resource: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
                resource.kind.as_str().into()
            }
            fn group(resource: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
                resource.group.as_str().into()
            }
            fn version(resource: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
                resource.version.as_str().into()
            }
            fn api_version(resource: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
                resource.api_version.as_str().into()
            }
            fn plural(resource: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
                resource.plural.as_str().into()
            }
            $(fn metadata_api() -> bool {
                $metadata_only
            })?
            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
    (@namespaced namespaced) => { true };
    (@namespaced cluster) => { false };
    (@scope namespaced) => { kube::core::NamespaceResourceScope };
    (@scope cluster) => { kube::core::ClusterResourceScope };
}
pub(crate) use kind;
