//! Whose plan may be another one after a change: the extensions to look at again.

use crate::{key::Key, plugins::Plugin, topology::Topology};

use super::{Changes, Index, Work};

impl Index {
    /// Extensions that are attached to this DataPlane: which GatewayConfigurations name them depends on the Gateway that it serves.
    pub(super) fn touch_attached(&self, dataplane: &Key, work: &mut Work) {
        let attachments = self.topology.attachments.iter();
        let attached = attachments.filter(|(_, all)| {
            all.iter()
                .any(|attachment| attachment.dataplane.as_ref() == Some(dataplane))
        });
        work.changes
            .extensions
            .extend(attached.map(|(extension, _)| extension.clone()));
    }

    /// Extensions that select one of these Services, or one that must be annotated like it.
    pub(super) fn touch(&self, services: &[Key], work: &mut Work) {
        for service in services {
            for fellow in self.fellows.of(service).into_keys() {
                work.changes.extensions.extend(
                    self.topology
                        .selected
                        .get(&fellow)
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
            }
        }
    }

    /// Extensions whose managed plugin it may be, or whose Services may name it, from other namespaces too.
    pub(super) fn touch_plugin(&self, key: &Key, versions: &[Option<Plugin>; 2], work: &mut Work) {
        if versions.iter().flatten().any(|plugin| plugin.prometheus) {
            return self.touch_all(work);
        }
        let attachments = self.topology.attachments.iter();
        let touched = attachments.filter(|(_, all)| {
            all.iter()
                .any(|attachment| attachment.namespace == key.namespace)
        });
        work.changes
            .extensions
            .extend(touched.map(|(extension, _)| extension.clone()));
    }

    /// All that are attached anywhere.
    pub(super) fn touch_all(&self, work: &mut Work) {
        work.changes
            .extensions
            .extend(self.topology.attachments.keys().cloned());
    }

    /// Extensions that share a Service whose extensions changed: one of them may now have it.
    pub(super) fn touch_reselected(&self, old: &Topology, changes: &mut Changes) {
        let (new, old) = (&self.topology.selected, &old.selected);
        for service in new.keys().chain(old.keys()) {
            let (now, then) = (new.get(service), old.get(service));
            if now != then {
                changes
                    .extensions
                    .extend(now.into_iter().chain(then).flatten().cloned());
            }
        }
    }
}
