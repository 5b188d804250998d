//! Keeps the authority and what it signs in Secrets. The lease holder writes; every replica reads.

use crate::certificates::Serving;
use crate::certificates::authority::{Authority, Leaf, Lifetimes};
use crate::certificates::secret::{Content, Found, Kept};
use crate::lease::Writes;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use std::sync::Arc;
use std::time::Duration;
use tagalong_runtime::Drain;
use tagalong_runtime::tls;
use tagalong_wire::contract::CA_KEY;
use tokio::sync::watch;

/// How often the Secrets are read again.
const REREAD: Duration = Duration::from_secs(30);
/// And how often while something is missing.
const SOON: Duration = Duration::from_secs(1);

const AUTHORITY: &str = "authority.json";
const ISSUER: &str = "tagalong.dev/issuer";
const RENEW: &str = "tagalong.dev/renew-at";
const NAMES: &str = "tagalong.dev/names";

/// Which Secrets, in which namespace, for which names.
#[derive(Clone, Debug)]
pub struct Places {
    /// The operator's namespace.
    pub namespace: String,
    /// The Secret of the authority itself.
    pub authority: String,
    /// The Secret of the push server's certificate, and the names in it.
    pub push: (String, Vec<String>),
    /// The same for the webhook, if there is one.
    pub webhook: Option<(String, Vec<String>)>,
    /// How long things last.
    pub lifetimes: Lifetimes,
}

/// Keeps certificates until the drain begins.
pub fn keep(client: &kube::Client, places: Places, writes: Writes, drain: Drain) -> Serving {
    let api = Api::<Secret>::namespaced(client.clone(), &places.namespace);
    let (bundle_sender, bundle) = watch::channel(None);
    let (certificate_sender, certificates) = watch::channel(None);
    let mut keeper = Keeper {
        api,
        places,
        writes,
        complaint: None,
    };
    drain
        .clone()
        .spawn("the keeper of certificates", async move {
            loop {
                let kept = keeper.keep_once();
                let Some((authority, push)) = drain.cancel(kept).await else {
                    return;
                };
                let complete = authority.is_some() && push.is_some();
                if let Some(authority) = authority {
                    let new = Some(authority.bundle());
                    bundle_sender.send_if_modified(|bundle| {
                        let changed = *bundle != new;
                        *bundle = new;
                        changed
                    });
                }
                if let Some(push) = push {
                    certificate_sender.send_replace(Some(push));
                }
                let wait = if complete { REREAD } else { SOON };
                if drain.cancel(tokio::time::sleep(wait)).await.is_none() {
                    return;
                }
            }
        });
    Serving {
        certificates,
        bundle,
    }
}

struct Keeper {
    api: Api<Secret>,
    places: Places,
    writes: Writes,
    complaint: Option<String>,
}

type Certified = Arc<rustls::sign::CertifiedKey>;

impl Keeper {
    async fn keep_once(&mut self) -> (Option<Authority>, Option<Certified>) {
        let now = jiff::Timestamp::now().as_second();
        let kept = async {
            let Some(authority) = self.authority(now).await? else {
                return Ok((None, None));
            };
            let (name, names) = &self.places.push;
            let push = self.leaf(name, names, &authority, now).await?;
            if let Some((name, names)) = &self.places.webhook {
                self.leaf(name, names, &authority, now).await?;
            }
            Ok::<_, String>((Some(authority), push))
        };
        match kept.await {
            Ok(found) => {
                self.complaint = None;
                found
            }
            Err(error) => {
                if self.complaint.as_ref() != Some(&error) {
                    tracing::warn!(error, "certificates: will try again");
                    self.complaint = Some(error);
                }
                (None, None)
            }
        }
    }

    fn kept(&self, name: &str, kind: &'static str) -> Kept {
        Kept {
            api: self.api.clone(),
            name: name.to_owned(),
            kind,
        }
    }

    /// The authority as it is, after what was due to it was done by whoever may write.
    async fn authority(&self, now: i64) -> Result<Option<Authority>, String> {
        let kept = self.kept(&self.places.authority, "Opaque");
        let found = kept.read().await?;
        let stored = found.content.data.get(AUTHORITY);
        let mut authority = match stored.map(|text| serde_json::from_str::<Authority>(text)) {
            Some(Ok(authority)) => authority,
            None => Authority::default(),
            Some(Err(error)) => {
                tracing::error!(secret = kept.name, %error, "the authority cannot be read: the lease holder makes a new one");
                Authority::default()
            }
        };
        if !self.writes.allowed() {
            return Ok(authority.issuer().is_some().then_some(authority));
        }
        let lifetimes = &self.places.lifetimes;
        let changed = authority
            .tick(now, lifetimes)
            .map_err(|error| error.to_string())?;
        let text = serde_json::to_string(&authority).map_err(|error| error.to_string())?;
        if changed {
            let mut content = found.content.clone();
            content.data.insert(AUTHORITY.to_owned(), text);
            content.data.insert(CA_KEY.to_owned(), authority.bundle());
            kept.write(found, &content, &self.writes).await?;
            tracing::info!(
                secret = kept.name,
                issuer = authority.issuer(),
                "wrote the certificate authority"
            );
        }
        Ok(Some(authority))
    }

    async fn leaf(
        &self,
        secret: &str,
        names: &[String],
        authority: &Authority,
        now: i64,
    ) -> Result<Option<Certified>, String> {
        let kept = self.kept(secret, "kubernetes.io/tls");
        let found = kept.read().await?;
        let usable = usable(&found);
        let due = usable.is_none() || is_due(&found.content, names, authority, now);
        if !due || !self.writes.allowed() {
            return Ok(usable);
        }
        let signed = authority.sign(names, now, &self.places.lifetimes);
        let Some(leaf) = signed.map_err(|error| error.to_string())? else {
            return Ok(usable);
        };
        let certified = tls::parse(leaf.certificate.as_bytes(), leaf.key.as_bytes());
        let certified = certified.map_err(|error| error.to_string())?;
        kept.write(found, &content(leaf, names, authority), &self.writes)
            .await?;
        tracing::info!(secret, ?names, "wrote a serving certificate");
        Ok(Some(Arc::new(certified)))
    }
}

fn content(leaf: Leaf, names: &[String], authority: &Authority) -> Content {
    Content {
        data: [
            ("tls.crt".to_owned(), leaf.certificate),
            ("tls.key".to_owned(), leaf.key),
            (CA_KEY.to_owned(), authority.bundle()),
        ]
        .into(),
        annotations: [
            (ISSUER.to_owned(), leaf.issuer),
            (RENEW.to_owned(), leaf.renew.to_string()),
            (NAMES.to_owned(), names.join(",")),
        ]
        .into(),
    }
}

/// The certificate, if it and its key can be used.
fn usable(found: &Found) -> Option<Certified> {
    let data = &found.content.data;
    let (chain, key) = (data.get("tls.crt")?, data.get("tls.key")?);
    tls::parse(chain.as_bytes(), key.as_bytes())
        .ok()
        .map(Arc::new)
}

fn is_due(content: &Content, names: &[String], authority: &Authority, now: i64) -> bool {
    let said = |key: &str| content.annotations.get(key).map(String::as_str);
    let renew = said(RENEW).and_then(|at| at.parse::<i64>().ok());
    said(ISSUER) != authority.issuer()
        || said(NAMES) != Some(names.join(",").as_str())
        || renew.is_none_or(|at| now >= at)
        || content.data.get(CA_KEY) != Some(&authority.bundle())
}
