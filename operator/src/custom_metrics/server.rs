//! Answers requests of the metrics API.

use crate::custom_metrics::authentication::{Authentication, Unknown};
use crate::custom_metrics::authorization::{Authorization, Decider, Permission};
use crate::custom_metrics::denial::{Denial, JSON};
use crate::custom_metrics::discovery::Documents;
use crate::custom_metrics::list;
use crate::custom_metrics::path::{self, Asked, Version};
use crate::custom_metrics::signals::{CatalogueEntry, Described, Signals};
use crate::custom_metrics::user::User;
use crate::custom_metrics::values;
use crate::metrics::{self, Answered};
use crate::reviews::token::Reviewer;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tagalong_runtime::admin::text;
use tagalong_runtime::log_rate::{LogRateLimiter, shortened};
use tagalong_runtime::serve::{ClientCertificates, ConnectionHandle, Limits, Peer};
use tokio::time::{Instant, timeout_at};

/// What it may take to find out who asks and whether they may. Each of an HPA controller's five workers waits for its answer.
const DEADLINE: Duration = Duration::from_millis(800);
/// How much of a stranger's words the log takes, in bytes.
const WORDS: usize = 512;
/// As `metric` of a request that is for none.
const DISCOVERY: &str = "discovery";
const OTHER: &str = "other";
/// As `metric` of a request for all of an object, and as the subresource that must be allowed.
const VALUES: &str = "values";

type Answer = Response<Full<Bytes>>;

/// The metrics API.
pub struct MetricsApi<S, R, D> {
    signals: S,
    catalogue: Vec<CatalogueEntry>,
    documents: Documents,
    authentication: Authentication<R>,
    authorization: Authorization<D>,
    metrics: metrics::CustomMetrics,
    /// Anybody can be refused as often as they like: the log tells of each reason now and then.
    told: LogRateLimiter<&'static str>,
}

/// What the port bears. The API server's replicas have a few connections each, and so has KEDA.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        connections: 64,
        streams: 64,
        ..Limits::default()
    }
}

impl<S: Signals, R: Reviewer, D: Decider> MetricsApi<S, R, D> {
    /// Serves what `signals` knows.
    pub fn new(
        signals: S,
        authentication: Authentication<R>,
        authorization: Authorization<D>,
        metrics: metrics::CustomMetrics,
    ) -> Arc<Self> {
        let catalogue = signals.catalogue();
        Arc::new(Self {
            signals,
            documents: Documents::new(&catalogue),
            catalogue,
            authentication,
            authorization,
            metrics,
            told: LogRateLimiter::new(1),
        })
    }

    /// The answer to one request.
    pub async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Answer {
        let begun = Instant::now();
        let asked = path::read(request.uri());
        if matches!(asked, Ok(Asked::Alive)) {
            return text(StatusCode::OK, "ok\n");
        }
        let metric = match &asked {
            Ok(asked) => match asked.metric() {
                Some((_, object, metric)) => self
                    .served(object, metric)
                    .map_or(OTHER, |served| served.metric),
                None if asked.is_discovery() => DISCOVERY,
                None => VALUES,
            },
            Err(_) => OTHER,
        };
        let answer = self.respond(&request, asked, begun + DEADLINE).await;
        let answer = answer.unwrap_or_else(|denial| self.denied(&denial, &request));
        let code = answer.status().as_u16();
        let answered = Answered { metric, code };
        self.metrics.requests.get_or_create(&answered).inc();
        let took = begun.elapsed().as_secs_f64();
        self.metrics.duration.observe(took);
        answer
    }

    async fn respond<B>(
        &self,
        request: &Request<B>,
        asked: Result<Asked<'_>, Denial>,
        deadline: Instant,
    ) -> Result<Answer, Denial> {
        let user = match self.user(request, deadline).await {
            Ok(user) => Some(user),
            Err(Unknown::Nobody(why)) => {
                return Err(Denial::new(StatusCode::UNAUTHORIZED, why));
            }
            // There is no secret in what there is to ask, and a cluster without discovery can delete no namespaces.
            Err(_) if asked.as_ref().is_ok_and(Asked::is_discovery) => None,
            Err(unknown) => return Err(Denial::unavailable(unknown.to_string())),
        };
        if request.method() != Method::GET {
            let only = format!(
                "metrics can be read only, with GET, not {}",
                request.method()
            );
            return Err(Denial::new(StatusCode::METHOD_NOT_ALLOWED, only));
        }
        let asked = asked?;
        if let Some(document) = self.documents.answer(&asked, request.headers()) {
            if user.is_some_and(|user| !user.is_authenticated()) {
                let message = "only authenticated users may ask what there is";
                return Err(Denial::new(StatusCode::FORBIDDEN, message));
            }
            return Ok(document);
        }
        let body = match (asked.metric(), asked.values(), user) {
            (Some((version, object, metric)), _, Some(user)) => {
                self.metric(&user, version, object, metric, deadline)
                    .await?
            }
            (_, Some(object), Some(user)) => self.values(&user, object, deadline).await?,
            _ => return Err(Denial::not_found("there is nothing here")),
        };
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        answer.headers_mut().insert(CONTENT_TYPE, JSON);
        Ok(answer)
    }

    async fn user<B>(&self, request: &Request<B>, deadline: Instant) -> Result<Arc<User>, Unknown> {
        let extensions = request.extensions();
        let peer = extensions.get::<Peer>().map(|peer| peer.0.ip());
        // Without a connection there is one peer.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let now = jiff::Timestamp::now().as_second();
        let now = Duration::from_secs(now.try_into().unwrap_or_default());
        let shown = extensions.get::<ClientCertificates>();
        let user = self
            .authentication
            .user(request.headers(), shown, peer, now);
        let user = timeout_at(deadline, user).await.unwrap_or_else(|_elapsed| {
            Err(Unknown::Unavailable(
                "the API server has not answered in time".to_owned(),
            ))
        });
        let reason = match &user {
            Ok(_) => "known",
            Err(Unknown::Nobody(_)) => "refused",
            Err(Unknown::Unavailable(_)) => "unavailable",
        };
        let result = metrics::AuthResult { result: reason };
        self.metrics.authentications.get_or_create(&result).inc();
        user
    }

    async fn metric(
        &self,
        user: &Arc<User>,
        version: Version,
        object: Described<'_>,
        metric: &str,
        deadline: Instant,
    ) -> Result<Vec<u8>, Denial> {
        let served = self
            .served(object, metric)
            .ok_or_else(|| self.unknown(object, metric))?;
        let permission = Permission {
            version: version.name(),
            object,
            subresource: served.metric,
        };
        self.allowed(user, permission, deadline).await?;
        let value = self.signals.value(object, served.metric)?;
        list::of(version, served, object, &value).ok_or_else(|| {
            Denial::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the value of {metric} cannot be written"),
            )
        })
    }

    async fn values(
        &self,
        user: &Arc<User>,
        object: Described<'_>,
        deadline: Instant,
    ) -> Result<Vec<u8>, Denial> {
        let [preferred, _] = Version::ALL;
        let permission = Permission {
            version: preferred.name(),
            object,
            subresource: VALUES,
        };
        self.allowed(user, permission, deadline).await?;
        let all = self.catalogue.iter().copied();
        let all = all.filter(|entry| entry.resource == object.resource);
        let all = all.map(|entry| (entry, self.signals.value(object, entry.metric)));
        values::of(object, all.collect())
    }

    async fn allowed(
        &self,
        user: &Arc<User>,
        permission: Permission<'_>,
        deadline: Instant,
    ) -> Result<(), Denial> {
        let allowed = timeout_at(deadline, self.authorization.allows(user, permission)).await;
        match allowed {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(forbidden(user, permission)),
            Ok(Err(error)) => Err(undecided(&error)),
            Err(_elapsed) => Err(undecided("the API server has not answered in time")),
        }
    }

    fn served(&self, object: Described<'_>, metric: &str) -> Option<CatalogueEntry> {
        let mut all = self.catalogue.iter();
        all.find(|served| served.resource == object.resource && served.metric == metric)
            .copied()
    }

    /// What there is instead.
    fn unknown(&self, object: Described<'_>, metric: &str) -> Denial {
        let resource = object.resource;
        let all = self.catalogue.iter();
        let names: Vec<&str> = all
            .filter(|served| served.resource == resource)
            .map(|served| served.metric)
            .collect();
        if names.is_empty() {
            let mut kinds: Vec<&str> = self.catalogue.iter().map(|served| served.kind).collect();
            kinds.dedup();
            let kinds = kinds.join(", ");
            return Denial::not_found(format!(
                "tagalong has no metrics of {resource}: name an object of kind {kinds}"
            ));
        }
        let names = names.join(", ");
        Denial::not_found(format!(
            "tagalong has no metric {metric} of {resource}: it has {names}"
        ))
    }

    fn denied<B>(&self, denial: &Denial, request: &Request<B>) -> Answer {
        let mut answer = denial.answer();
        let reason = match denial.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer");
                answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                // Strangers hold no connection.
                if let Some(connection) = request.extensions().get::<ConnectionHandle>() {
                    connection.end_after_answers();
                }
                "unauthorized"
            }
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => return answer,
        };
        if let Some(suppressed) = self.told.due(reason) {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
            let (path, why) = (request.uri().path(), &denial.message);
            let (path, why) = (shortened(path, WORDS), shortened(why, WORDS));
            tracing::info!(
                ?peer,
                reason,
                path,
                why,
                suppressed,
                "answered without a value"
            );
        }
        answer
    }
}

fn undecided(why: &str) -> Denial {
    Denial::unavailable(format!(
        "whether this is allowed cannot be checked now: {why}"
    ))
}

fn forbidden(user: &User, permission: Permission<'_>) -> Denial {
    let Permission {
        object,
        subresource,
        ..
    } = permission;
    let Described {
        resource,
        namespace,
        name,
    } = object;
    let user = &user.name;
    Denial::new(
        StatusCode::FORBIDDEN,
        format!(
            "{resource} {name:?} is forbidden: User {user:?} cannot get resource \"{resource}/{subresource}\" in API group \"custom.metrics.k8s.io\" in the namespace {namespace:?}"
        ),
    )
}

#[cfg(test)]
mod tests;
