//! The part of the index that names are about: routes, and what they refer to.

use crate::{
    key::{Key, Name},
    object::{Object, Source},
    records::Service,
    referents::{Grant, Listeners, Policy, Referent},
    translate,
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
        self.replace_source(&source, Some((audience, claims)), translation.fellows, work);
    }

    pub(super) fn replace_source(
        &mut self,
        source: &Source,
        new: Option<(Audience, Vec<translate::Claim>)>,
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
        let views = &self.topology.views;
        for (source, draft) in self.dependents.of(referent) {
            let claims = draft.claims(source, &self.referents);
            self.names.reach(source, claims, |names, touched| {
                work.before.note(names, touched, views);
            });
        }
    }
}
