//! Makes and keeps the APIServices. Every replica looks, the lease holder writes.

use crate::causes::in_words;
use crate::certificates::Bundle;
use crate::custom_metrics::api_services::{
    ApiServiceWrite, GroupOwner, ServedAt, Succession, foreign, name,
};
use crate::custom_metrics::path::Version;
use crate::events::EventRecorder;
use crate::lease::Writes;
use crate::metrics::{self, ApiServiceState};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::events::{Event, EventType};
use std::collections::BTreeSet;
use std::time::Duration;
use tagalong_runtime::Drain;
use tokio::time::Instant;

/// How often it is looked who answers for the group.
const EVERY: Duration = Duration::from_secs(60);
/// And after something failed, or was written.
const SOON: Duration = Duration::from_secs(5);

/// Keeps the APIServices.
pub struct ApiServiceKeeper {
    /// The API server.
    pub client: kube::Client,
    /// Where our API is served.
    pub at: ServedAt,
    /// The ClusterRole that owns them: they go when it does, also when nobody of us is left.
    pub owner: Option<String>,
    /// What the API server is to trust.
    pub bundle: Bundle,
    /// Whether this process may write.
    pub writes: Writes,
    /// Tells people.
    pub events: EventRecorder,
    /// What that is said about: the Lease, since an APIService of others is not ours to speak of.
    pub lease: ObjectReference,
    /// Counts.
    pub metrics: metrics::CustomMetrics,
}

impl ApiServiceKeeper {
    /// Keeps them until the drain begins.
    pub async fn keep(mut self, drain: Drain) {
        let mut succession = Succession::default();
        let (mut told, mut complaint) = (BTreeSet::new(), None);
        loop {
            let pass = drain.cancel(self.pass(&mut succession, &mut told)).await;
            let wait = match pass {
                None => return,
                Some(Ok(wait)) => {
                    complaint = None;
                    wait
                }
                Some(Err(error)) => {
                    if complaint.as_ref() != Some(&error) {
                        tracing::warn!(error, "APIServices of the metrics API: will try again");
                        complaint = Some(error);
                    }
                    SOON
                }
            };
            let waited = drain.cancel(async {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _new_or_never = self.bundle.changed() => {}
                }
            });
            if waited.await.is_none() {
                return;
            }
        }
    }

    async fn pass(
        &mut self,
        succession: &mut Succession,
        told: &mut BTreeSet<String>,
    ) -> Result<Duration, String> {
        let api = Api::<APIService>::all(self.client.clone());
        let owners = owners(&api, &self.at).await?;
        self.show(&owners);
        self.tell(&owners, told).await;
        let bundle = self.bundle.borrow_and_update().clone();
        let mut due = succession.due(&owners, &self.at, bundle.as_deref(), Instant::now());
        if due.is_empty() || !self.writes.allowed() {
            return Ok(if due.is_empty() { EVERY } else { SOON });
        }
        for write in &mut due {
            if let (ApiServiceWrite::Create(new), Some(name)) = (&mut *write, &self.owner) {
                new.metadata.owner_references = Some(vec![self.owned_by(name).await?]);
            }
        }
        for write in due {
            let written = self.writes.run(carry_out(&api, &write)).await;
            written.map_err(|error| error.to_string())??;
        }
        Ok(SOON)
    }

    async fn owned_by(&self, name: &str) -> Result<OwnerReference, String> {
        let roles = Api::<ClusterRole>::all(self.client.clone());
        let role = roles.get(name).await;
        let role =
            role.map_err(|error| format!("cannot read ClusterRole {name}: {}", in_words(&error)))?;
        Ok(OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: name.to_owned(),
            uid: role.metadata.uid.unwrap_or_default(),
            ..OwnerReference::default()
        })
    }

    fn show(&self, owners: &[GroupOwner; 2]) {
        for (version, owner) in Version::ALL.into_iter().zip(owners) {
            for state in ["absent", "ours", "foreign"] {
                let label = ApiServiceState {
                    version: version.name(),
                    state,
                };
                let is = i64::from(owner.state() == state);
                self.metrics.api_services.get_or_create(&label).set(is);
            }
        }
    }

    /// Tells of each APIService of others once, as long as it is theirs.
    async fn tell(&mut self, owners: &[GroupOwner; 2], told: &mut BTreeSet<String>) {
        let now = Version::ALL.into_iter().zip(owners);
        let now: BTreeSet<String> = now
            .filter_map(|(version, owner)| foreign(version, owner))
            .collect();
        told.retain(|said| now.contains(said));
        for note in now {
            if told.contains(&note) || !self.writes.allowed() {
                continue;
            }
            tracing::warn!("{note}");
            let event = Event {
                type_: EventType::Warning,
                reason: "ApiServiceForeign".to_owned(),
                note: Some(note.clone()),
                action: "Serve".to_owned(),
                secondary: None,
            };
            let recorded = self.events.record(&event, &self.lease);
            if let Ok(Err(error)) = self.writes.run(recorded).await {
                tracing::warn!(error = in_words(&error), "cannot record an Event");
            }
            told.insert(note);
        }
    }
}

/// Takes ours away, as at uninstallation: before the Service goes, else the cluster can delete no namespaces.
///
/// # Errors
///
/// When the API server does not let us.
pub async fn remove(client: kube::Client, at: &ServedAt) -> Result<(), String> {
    let api = Api::<APIService>::all(client);
    for owner in owners(&api, at).await? {
        if let GroupOwner::Us(ours) = owner {
            carry_out(&api, &ApiServiceWrite::Delete(ours)).await?;
        }
    }
    Ok(())
}

async fn owners(api: &Api<APIService>, at: &ServedAt) -> Result<[GroupOwner; 2], String> {
    let mut owners = [GroupOwner::Nobody, GroupOwner::Nobody];
    for (version, owner) in Version::ALL.into_iter().zip(&mut owners) {
        let name = name(version);
        let found = api.get_opt(&name).await;
        let found = found
            .map_err(|error| format!("cannot read APIService {name}: {}", in_words(&error)))?;
        *owner = GroupOwner::of(found, at);
    }
    Ok(owners)
}

async fn carry_out(api: &Api<APIService>, write: &ApiServiceWrite) -> Result<(), String> {
    let params = PostParams::default();
    let (done, object, written) = match write {
        ApiServiceWrite::Create(new) => {
            let written = api.create(&params, new).await.map(drop);
            ("made", new, written)
        }
        ApiServiceWrite::Replace(new) => {
            let name = new.metadata.name.as_deref().unwrap_or_default();
            let written = api.replace(name, &params, new).await.map(drop);
            ("wrote", new, written)
        }
        ApiServiceWrite::Delete(old) => {
            let name = old.metadata.name.as_deref().unwrap_or_default();
            // Not if it has become another's since.
            let seen = DeleteParams::default().preconditions(Preconditions {
                resource_version: old.metadata.resource_version.clone(),
                uid: old.metadata.uid.clone(),
            });
            let written = api.delete(name, &seen).await.map(drop);
            ("deleted", old, written)
        }
    };
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match written {
        Ok(()) => tracing::info!("{done} APIService {name}"),
        // Somebody else was first: the next look shows who.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => {
            return Err(format!(
                "cannot write APIService {name}: {}",
                in_words(&error)
            ));
        }
    }
    Ok(())
}
