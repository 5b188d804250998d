//! What an extension's status says, and what is worth an Event. Pure.

use crate::lease::turn::ANOTHER_INSTALLATION;
use crate::names::survey::{Lack, Sentences, Unlabelled};
use crate::reconcile::subject::{Subject, SubjectKind};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use std::collections::{BTreeMap, BTreeSet};
use tagalong_crds::{CONDITION_READY, ControlPlaneRef, MetricsExtensionStatus};
use tagalong_index::{Index, Key, ObjectKind, Plan, PlanOutcome, PlanRefusal};

/// The extension is attached to a ControlPlane or workload.
pub const ACCEPTED: &str = "Accepted";
/// What it refers to exists.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// What it asks for is done.
pub const PROGRAMMED: &str = "Programmed";

/// No name of the Services it selects is ambiguous, and Kong refuses no change of one. A rule that is split is what somebody
/// chose and may stay so for ever: it is told here and makes nothing false. Not part of `Ready`: many ambiguous names belong
/// to versions of Kong's controllers that do not run here.
pub const NAMES_RESOLVED: &str = "NamesResolved";

/// No other installation of tagalong waits in this cluster. Only there while one does: that is for whoever installed it
/// to mend, and takes nothing from the extension.
pub const SOLE_INSTALLATION: &str = "SoleInstallation";

/// The sidecars of Gateways' DataPlanes come from their GatewayConfigurations. It is there only while that is not so; and not part
/// of `Ready`, since the sidecars are there all the same.
pub const INJECTED_AT_SOURCE: &str = "InjectedAtSource";

/// A message lists no more than this many things.
const LISTED: usize = 10;

/// A rule divides its traffic among several Services.
const SPLIT_RULE: &str = "SplitRule";

/// A write failed.
pub const WRITE_FAILED: &str = "WriteFailed";

/// What the plans do not know.
#[derive(Clone, Debug, Default)]
pub struct PassResult {
    /// What cannot be written, and why.
    pub failed: BTreeMap<Subject, String>,
    /// What somebody keeps taking back.
    pub reverted: BTreeSet<Subject>,
    /// Pods that have gone without a sidecar for long, by DataPlane.
    pub uninjected: BTreeMap<Key, BTreeSet<Key>>,
    /// Names that lack the label of a Service.
    pub unlabelled: Unlabelled,
    /// Another installation of tagalong, which waits.
    pub another: Option<Key>,
    /// DataPlanes of Gateways that do not get their sidecar from above: for want of which configuration, if of one.
    pub fallen_back: BTreeMap<Key, Option<Key>>,
}

/// One thing that is worth saying about an extension. It is the same as long as reason and object are: what the message
/// says may change, as a port in an error does, and is no news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The condition that it makes false, or that tells it where it is intended; none if it is only worth an Event.
    pub condition: Option<&'static str>,
    /// The reason, in the words of conditions and Events.
    pub reason: &'static str,
    /// Which object it is about.
    pub about: Option<Subject>,
    /// In words.
    pub message: String,
    /// More words, true when it was found: for an Event, not for a condition, which lasts.
    pub detail: Option<String>,
}

/// What is wrong with an extension, or at least notable; in order.
#[must_use]
pub fn problems(plan: &Plan, index: &Index, result: &PassResult) -> Vec<Problem> {
    let mut problems = Vec::new();
    if plan.seen.is_none() {
        return problems;
    }
    attachments(plan, index, &mut problems);
    for service in &plan.services {
        let about = Some(SubjectKind::Service.at(&service.service));
        let unlabelled = result.unlabelled.get(&service.service);
        problems.extend(
            unlabelled
                .into_iter()
                .flatten()
                .map(|(lack, names)| left_out(&service.service, *lack, names)),
        );
        match &service.outcome {
            PlanOutcome::Plugin(_) => {}
            PlanOutcome::Missing => problems.push(Problem {
                condition: Some(RESOLVED_REFS),
                reason: "ServiceNotFound",
                about,
                message: format!("Service {} does not exist", service.service),
                detail: None,
            }),
            PlanOutcome::Refused(refusal) => problems.push(Problem {
                condition: Some(PROGRAMMED),
                reason: reason(refusal),
                about,
                message: format!("Service {} is not annotated: {refusal}", service.service),
                detail: None,
            }),
        }
    }
    for (dataplane, pods) in &result.uninjected {
        if attached(plan).any(|key| key == dataplane) {
            let mut names: Vec<&str> = pods.iter().map(|pod| pod.name.as_ref()).collect();
            names.truncate(LISTED);
            problems.push(Problem {
                condition: Some(PROGRAMMED),
                reason: "SidecarMissing",
                about: Some(SubjectKind::DataPlane.at(dataplane)),
                message: format!(
                    "pods of DataPlane {dataplane} run without a sidecar; see whether tagalong's webhook runs. \
                     The operator rewrites the DataPlane from time to time, so that the webhook sees it again"
                ),
                detail: Some(format!("at present {}: {}", pods.len(), names.join(", "))),
            });
        }
    }
    problems.extend(result.another.as_ref().map(|other| Problem {
        condition: Some(SOLE_INSTALLATION),
        reason: ANOTHER_INSTALLATION,
        about: None,
        message: format!(
            "another installation of tagalong is in this cluster, the one with Lease {other}. It writes nothing as long \
             as this one works; uninstall one of them"
        ),
        detail: None,
    }));
    let taken_back = result.reverted.iter();
    problems.extend(
        taken_back
            .filter(|subject| concerns(plan, subject))
            .map(reverted),
    );
    for (dataplane, lacking) in &result.fallen_back {
        if attached(plan).any(|key| key == dataplane) {
            problems.push(fallen_back(dataplane, lacking.as_ref(), result));
        }
    }
    let failed = result.failed.iter();
    problems.extend(
        failed
            .filter(|(subject, _)| concerns(plan, subject))
            .map(|(subject, error)| write_failed(subject, error)),
    );
    problems
}

/// What it means that a DataPlane is injected itself.
fn fallen_back(dataplane: &Key, lacking: Option<&Key>, result: &PassResult) -> Problem {
    let (reason, why) = match lacking {
        Some(configuration) => {
            let subject = SubjectKind::Configuration.at(configuration);
            let why = match result.failed.get(&subject) {
                Some(error) => format!("{subject} cannot be written: {error}"),
                None => format!("{subject} has no sidecar; see what the webhook's log says of it"),
            };
            ("SourceNotInjected", why)
        }
        None => (
            "SourceNotCopied",
            "Kong's operator did not copy the sidecar from its GatewayConfiguration".to_owned(),
        ),
    };
    Problem {
        condition: Some(INJECTED_AT_SOURCE),
        reason,
        about: Some(SubjectKind::DataPlane.at(dataplane)),
        message: format!(
            "DataPlane {dataplane} gets its sidecar from the webhook at each reconcile, since {why}. While no webhook answers, \
             Kong's operator replaces its pods with pods that have no sidecar or, with failure policy `Fail`, cannot change it"
        ),
        detail: None,
    }
}

/// In the words of `explain`.
fn left_out(service: &Key, lack: Lack, names: &Sentences) -> Problem {
    let reason = match lack {
        Lack::Ambiguous => "AmbiguousName",
        Lack::Refused => "ChangeRefused",
        Lack::Split => SPLIT_RULE,
    };
    let mut message = format!("Service {service}: {}", names.first.join("; "));
    if names.more > 0 {
        message.push_str(&format!("; and {} more", names.more));
    }
    Problem {
        condition: Some(NAMES_RESOLVED),
        reason,
        about: Some(SubjectKind::Service.at(service)),
        message,
        detail: None,
    }
}

impl Problem {
    /// Whether it is worth saying, and nothing is wrong.
    #[must_use]
    pub fn is_intended(&self) -> bool {
        self.reason == SPLIT_RULE
    }
}

fn reverted(subject: &Subject) -> Problem {
    Problem {
        condition: Some(PROGRAMMED),
        reason: "Reverted",
        about: Some(subject.clone()),
        message: format!(
            "something keeps undoing what tagalong writes to {subject}. tagalong writes it again, with pauses that grow to \
             ten minutes; let the other tool ignore the field, or have it write the same"
        ),
        detail: None,
    }
}

/// What is to be said of a write that failed.
#[must_use]
pub fn write_failed(subject: &Subject, error: &str) -> Problem {
    let condition = match subject.kind {
        SubjectKind::Configuration => INJECTED_AT_SOURCE,
        _ => PROGRAMMED,
    };
    Problem {
        condition: Some(condition),
        reason: WRITE_FAILED,
        about: Some(subject.clone()),
        message: format!("{subject} cannot be written: {error}"),
        detail: None,
    }
}

fn concerns(plan: &Plan, subject: &Subject) -> bool {
    let key = &subject.key;
    match subject.kind {
        SubjectKind::Service => plan.services.iter().any(|one| one.service == *key),
        SubjectKind::Plugin => plan.plugins.iter().any(|one| one.key == *key),
        SubjectKind::Extension => plan.extension == *key,
        SubjectKind::Configuration => plan.sources.contains(key),
        SubjectKind::DataPlane => attached(plan).any(|dataplane| dataplane == key),
        // For all DataPlanes of a namespace, or for some of them.
        SubjectKind::ConfigMap | SubjectKind::Policy => {
            attached(plan).any(|dataplane| dataplane.namespace == key.namespace)
        }
    }
}

fn attached(plan: &Plan) -> impl Iterator<Item = &Key> {
    plan.attachments
        .iter()
        .filter_map(|attachment| attachment.dataplane.as_ref())
}

fn attachments(plan: &Plan, index: &Index, problems: &mut Vec<Problem>) {
    if plan.attachments.is_empty() {
        let (reason, message) = match plan.pending.first() {
            Some(configuration) => (
                "Pending",
                format!(
                    "GatewayConfiguration {configuration} names the extension, but no ControlPlane created from it does yet"
                ),
            ),
            None => (
                "NotAttached",
                "no ControlPlane and no workload refers to the extension".to_owned(),
            ),
        };
        problems.push(Problem {
            condition: Some(ACCEPTED),
            reason,
            about: None,
            message,
            detail: None,
        });
    }
    let by = |kind| move |by: &&&tagalong_index::Attachment| by.by.kind == kind;
    let control_planes: Vec<_> = plan.attachments.iter().collect();
    let control_planes: Vec<_> = control_planes
        .iter()
        .filter(by(ObjectKind::ControlPlane))
        .collect();
    if let [first, .., _] = control_planes.as_slice() {
        let names: Vec<String> = control_planes
            .iter()
            .map(|one| one.by.key.to_string())
            .collect();
        problems.push(Problem {
            condition: None,
            reason: "AttachedTwice",
            about: None,
            message: format!(
                "ControlPlanes {} refer to the extension; it serves all of them, and its status names {}",
                names.join(", "),
                first.by.key
            ),
            detail: None,
        });
    }
    for attachment in &plan.attachments {
        let message = match &attachment.dataplane {
            None => format!("{} has no DataPlane yet", attachment.by),
            Some(dataplane) if index.dataplane(dataplane).is_none() => {
                format!("DataPlane {dataplane} of {} does not exist", attachment.by)
            }
            Some(_) => continue,
        };
        problems.push(Problem {
            condition: Some(RESOLVED_REFS),
            reason: "DataPlaneNotFound",
            about: attachment
                .dataplane
                .as_ref()
                .map(|key| SubjectKind::DataPlane.at(key)),
            message,
            detail: None,
        });
    }
}

fn reason(refusal: &PlanRefusal) -> &'static str {
    match refusal {
        PlanRefusal::OtherExtension(_) => "OtherExtension",
        PlanRefusal::OwnPlugin(_) => "OwnPlugin",
        PlanRefusal::NameTaken(_) => "PluginNameTaken",
        PlanRefusal::BuiltInController(_) => "BuiltInController",
        PlanRefusal::GlobalPluginUnreadable(_) => "GlobalPluginUnreadable",
        PlanRefusal::Fellow { .. } => "MultiBackendRule",
    }
}

/// The status that an extension is to have; `now` is given to conditions that turn.
#[must_use]
pub fn status(
    plan: &Plan,
    problems: &[Problem],
    stands: Option<&MetricsExtensionStatus>,
    now: Timestamp,
) -> MetricsExtensionStatus {
    let generation = plan.seen.as_ref().map(|seen| seen.generation);
    let old: BTreeMap<&str, &Condition> = stands
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|condition| (condition.type_.as_str(), condition))
        .collect();
    let make = |type_: &str, against: Vec<&Problem>, good: (&str, &str)| {
        let (status, reason, message) = match against.first() {
            None => ("True", good.0, good.1.to_owned()),
            Some(first) if first.is_intended() => ("True", first.reason, list(&against)),
            Some(first) => ("False", first.reason, list(&against)),
        };
        let turned = old.get(type_).filter(|old| old.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: turned.map_or(Time(now), |old| old.last_transition_time.clone()),
        }
    };
    let against = |condition: Option<&str>| {
        let mut against: Vec<&Problem> = problems
            .iter()
            .filter(|problem| match condition {
                Some(_) => problem.condition == condition,
                None => problem.condition.is_some_and(counts),
            })
            .collect();
        against.sort_by_key(|problem| problem.is_intended());
        against
    };
    let mut conditions = vec![
        make(
            ACCEPTED,
            against(Some(ACCEPTED)),
            ("Accepted", "the extension is attached"),
        ),
        make(
            RESOLVED_REFS,
            against(Some(RESOLVED_REFS)),
            ("ResolvedRefs", "everything the extension refers to exists"),
        ),
        make(
            PROGRAMMED,
            against(Some(PROGRAMMED)),
            (
                "Programmed",
                "everything the extension asks for is in place",
            ),
        ),
        make(
            NAMES_RESOLVED,
            against(Some(NAMES_RESOLVED)),
            (
                "NamesResolved",
                "no Kong name is ambiguous or split, and Kong refuses no change of one",
            ),
        ),
        make(
            CONDITION_READY,
            against(None),
            ("Ready", "no problems found"),
        ),
    ];
    let others_wait = against(Some(SOLE_INSTALLATION));
    if !others_wait.is_empty() {
        conditions.push(make(SOLE_INSTALLATION, others_wait, ("", "")));
    }
    let fallen_back = against(Some(INJECTED_AT_SOURCE));
    if !fallen_back.is_empty() {
        conditions.push(make(INJECTED_AT_SOURCE, fallen_back, ("", "")));
    }
    // Conditions of others stay.
    let mut ours: Vec<String> = conditions
        .iter()
        .map(|condition| condition.type_.clone())
        .chain([INJECTED_AT_SOURCE.to_owned()])
        .collect();
    ours.push(SOLE_INSTALLATION.to_owned());
    let others = old
        .values()
        .filter(|condition| !ours.contains(&condition.type_));
    conditions.extend(others.map(|condition| (*condition).clone()));
    let first = plan
        .attachments
        .iter()
        .find(|attachment| attachment.by.kind == ObjectKind::ControlPlane);
    MetricsExtensionStatus {
        control_plane_ref: first.map(|attachment| ControlPlaneRef {
            name: attachment.by.key.name.to_string(),
            namespace: Some(attachment.by.key.namespace.to_string()),
        }),
        conditions,
        observed_generation: generation,
    }
}

/// Whether an extension is not `Ready` for it, and something was refused.
#[must_use]
pub fn counts(condition: &str) -> bool {
    ![NAMES_RESOLVED, SOLE_INSTALLATION, INJECTED_AT_SOURCE].contains(&condition)
}

fn list(problems: &[&Problem]) -> String {
    let mut messages: Vec<&str> = problems
        .iter()
        .take(LISTED)
        .map(|problem| problem.message.as_str())
        .collect();
    let more = problems.len().saturating_sub(LISTED);
    let rest = format!("and {more} more");
    if more > 0 {
        messages.push(&rest);
    }
    messages.join("; ")
}

#[cfg(test)]
mod tests;
