//! Which kinds of the cluster the world is fed with.

use crate::watch::{self, Context, Watched};
use crate::world::{CaConfigMaps, Policies, World};
use std::collections::BTreeMap;
use tagalong_crds as crds;
use tagalong_runtime::{Drain, Readiness};
use tagalong_wire::contract::CA_CONFIG_MAP;

/// All kinds that may be watched.
#[must_use]
pub fn kinds() -> Vec<Watched<World>> {
    macro_rules! all {
        ($($name:ident($type:ident) $written:ident,)+) => {
            vec![$(Watched::new::<crds::$type>(),)+]
        };
    }
    tagalong_index::for_each_kind!(all)
}

/// The kinds of them that the reconcilers write.
#[must_use]
pub fn written() -> Vec<Watched<World>> {
    let mut watched = Vec::new();
    macro_rules! written {
        ($($name:ident($type:ident) $written:ident,)+) => {
            $(written!(@$written $type);)+
        };
        (@written $type:ident) => { watched.push(Watched::new::<crds::$type>()); };
        (@read $type:ident) => {};
    }
    tagalong_index::for_each_kind!(written);
    watched
}

/// Watches `kinds`, and the authority's ConfigMaps.
pub(crate) fn watch(
    kinds: Vec<Watched<World>>,
    context: Context<World>,
    synced: &Readiness,
    drain: &Drain,
) {
    let ca = Context {
        client: context.client.clone(),
        sink: CaConfigMaps(context.sink.clone()),
        metrics: context.metrics.clone(),
        selectors: BTreeMap::new(),
    };
    let ready = synced.handle("ConfigMap");
    let named = Some(CA_CONFIG_MAP);
    let watched = watch::core(ca, named, ready, drain.clone());
    drain.spawn("the watch of ConfigMaps", watched);
    let policies = Context {
        client: context.client.clone(),
        sink: Policies(context.sink.clone()),
        metrics: context.metrics.clone(),
        selectors: BTreeMap::new(),
    };
    let ready = synced.handle("NetworkPolicy");
    let watched = watch::core(policies, None, ready, drain.clone());
    drain.spawn("the watch of NetworkPolicies", watched);
    let watched = watch::run(kinds, context, synced.clone(), drain.clone());
    drain.spawn("discovery", watched);
}
