//! The part of the index that names are about: routes, and what they refer to.

use crate::{
    holds::{Shown, Since},
    key::{Key, Name},
    object::{Object, Source},
    records::Service,
    referents::{Grant, Listeners, Policy, Referent},
    translate::{self, Claim},
    view::Audience,
};

use super::{Index, Work};

impl Index {
    pub(super) fn route(&mut self, object: &Object, key: Key, work: &mut Work) {
        let Some(translation) = translate::translate(object, &mut self.interner) else {
            return;
        };
        let audience = Audience {
            namespace: Name::clone(&key.namespace),
            parents: translation.parents.map(Vec::into_boxed_slice),
        };
        let source = Source {
            kind: object.kind(),
            key,
        };
        let claims = translation.draft.claims(&source, &self.referents);
        self.dependents.replace(&source, Some(translation.draft));
        if self.settings.wait_for_kong {
            self.edited(
                object,
                &source,
                (&claims, audience.parents.as_deref()),
                work,
            );
        }
        self.replace_source(&source, Some((audience, claims)), translation.fellows, work);
        self.beside(&source, work);
    }

    /// Keeps what the object meant before, until Kong has what it means now.
    fn edited(
        &mut self,
        object: &Object,
        source: &Source,
        new: (&[Claim], Option<&[Key]>),
        work: &mut Work,
    ) {
        let (metadata, status) = match object {
            Object::HttpRoute(route) => (&route.metadata, Some(&route.status)),
            Object::GrpcRoute(route) => (&route.metadata, Some(&route.status)),
            Object::TcpRoute(route) => (&route.metadata, Some(&route.status)),
            Object::TlsRoute(route) => (&route.metadata, Some(&route.status)),
            Object::UdpRoute(route) => (&route.metadata, Some(&route.status)),
            Object::Ingress(ingress) => (&ingress.metadata, None),
            Object::Facade(facade) => (&facade.metadata, None),
            Object::TcpIngress(ingress) => (&ingress.metadata, None),
            Object::UdpIngress(ingress) => (&ingress.metadata, None),
            Object::Extension(_)
            | Object::ControlPlane(_)
            | Object::GatewayConfiguration(_)
            | Object::DataPlane(_)
            | Object::Deployment(_)
            | Object::DaemonSet(_)
            | Object::StatefulSet(_)
            | Object::Pod(_)
            | Object::Service(_)
            | Object::Plugin(_)
            | Object::ClusterPlugin(_)
            | Object::Gateway(_)
            | Object::Grant(_)
            | Object::UpstreamPolicy(_) => return,
        };
        let namespace = &source.key.namespace;
        let shown = status.map(|status| Shown::of(status, namespace));
        let shown = shown.unwrap_or_default();
        let since = Since {
            uid: metadata.uid.as_deref().map(Name::from),
            generation: metadata.generation.unwrap_or_default(),
        };
        self.holds.report(source.kind, &shown);
        match self.names.newest(source) {
            Some(old) if *old.claims != *new.0 => {
                let old = (&*old.claims, old.audience.parents.as_deref());
                self.holds.edited(source, old, new, since, &shown);
            }
            Some(newest) if self.holds.shown(source, &since, &shown) => {
                let views = self.topology.views.iter();
                let sees = views.filter(|(_, view)| view.sees(&newest.audience));
                let sees = sees.map(|(dataplane, _)| dataplane.clone());
                work.changes.states.extend(sees);
            }
            Some(_) => {}
            None if shown.behind(since.generation).next().is_some() => {
                self.holds.unknown(source, new, since, &shown);
            }
            None => {}
        }
    }

    /// Puts in, or takes out, what an older reading claims beside the newest.
    pub(super) fn beside(&mut self, source: &Source, work: &mut Work) {
        let newest = self.names.newest(source);
        let claims = newest.map(|newest| &*newest.claims).unwrap_or_default();
        let older = self.holds.beside(source, claims).map(|(parents, claims)| {
            let audience = Audience {
                namespace: Name::clone(&source.key.namespace),
                parents: parents.map(Vec::into_boxed_slice),
            };
            (audience, claims)
        });
        let views = &self.topology.views;
        self.names.hold(source, older, |names, touched| {
            work.before.note(names, touched, views);
        });
    }

    /// An object is gone: Kong may have it for a while.
    pub(super) fn removed(&mut self, source: &Source, work: &mut Work) {
        let old = self.names.newest(source);
        if let Some(old) = old.filter(|_| self.settings.wait_for_kong) {
            let parents = old.audience.parents.as_deref();
            self.holds.removed(source, &old.claims, parents);
        }
        self.dependents.replace(source, None);
        self.replace_source(source, None, Vec::new(), work);
        self.beside(source, work);
    }

    pub(super) fn replace_source(
        &mut self,
        source: &Source,
        new: Option<(Audience, Vec<Claim>)>,
        fellows: Vec<Vec<Key>>,
        work: &mut Work,
    ) {
        let views = &self.topology.views;
        self.names.replace(source, new, |names, touched| {
            work.before.note(names, touched, views);
        });
        // Whoever is told by a rule that comes or goes had a fellow in it, or was one, before.
        let touched: Vec<Key> = self
            .fellows
            .affected(source, &fellows)
            .into_iter()
            .collect();
        self.touch(&touched, work);
        self.fellows.replace(source, fellows);
    }

    pub(super) fn service(&mut self, key: &Key, new: Option<Service>, work: &mut Work) {
        if self.referents.put_service(key, new) {
            self.touch(std::slice::from_ref(key), work);
            self.reconsider(&Referent::Service(key.clone()), work);
        }
    }

    pub(super) fn gateway(&mut self, key: &Key, new: Option<Listeners>, work: &mut Work) {
        self.holds.gateway(key, new.is_some());
        if self.referents.put_gateway(key, new) {
            self.reconsider(&Referent::Gateway(key.clone()), work);
        }
    }

    pub(super) fn grant(&mut self, key: &Key, new: Option<Grant>, work: &mut Work) {
        if self.referents.put_grant(key, new) {
            let namespace = Name::clone(&key.namespace);
            self.reconsider(&Referent::Grants(namespace), work);
        }
    }

    pub(super) fn policy(&mut self, key: &Key, new: Option<Policy>, work: &mut Work) {
        for service in self.referents.put_policy(key, new) {
            self.reconsider(&Referent::Service(service), work);
        }
    }

    /// The names of routes that refer to it may reach something else now.
    fn reconsider(&mut self, referent: &Referent, work: &mut Work) {
        let mut changed = Vec::new();
        let views = &self.topology.views;
        for (source, draft) in self.dependents.of(referent) {
            let claims = draft.claims(source, &self.referents);
            let old = self
                .names
                .newest(source)
                .filter(|old| *old.claims != *claims);
            if let Some(old) = old.filter(|_| self.settings.wait_for_kong) {
                let parents = old.audience.parents.as_deref();
                self.holds.changed(source, &old.claims, parents);
                changed.push(source.clone());
            }
            self.names.reach(source, claims, |names, touched| {
                work.before.note(names, touched, views);
            });
        }
        for source in changed {
            self.beside(&source, work);
        }
    }
}
