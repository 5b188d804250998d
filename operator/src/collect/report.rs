//! How each pod did in this collection, as an exposition. Made anew each time: a pod that is gone
//! leaves no series behind.

use crate::collect::fetch::{FetchError, PodAnswer, PodTarget};
use std::fmt::Write as _;
use std::sync::Arc;
use tagalong_exposition::merge::Disagreement;

/// Families about the pods that were asked.
pub(super) fn report(answers: &[Arc<PodAnswer>]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&PodAnswer) -> f64| {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for answer in answers {
            let (pod, dataplane) = (&answer.target.pod, &answer.target.dataplane);
            let reason = answer
                .source
                .as_ref()
                .map_or_else(FetchError::reason, |_| "");
            // Names of objects hold nothing that would have to be escaped.
            let _infallible = writeln!(
                text,
                "{name}{{dataplane=\"{}\",dataplane_namespace=\"{}\",dataplane_pod=\"{}\",reason=\"{reason}\"}} {}",
                dataplane.name,
                dataplane.namespace,
                pod.name,
                value(answer)
            );
        }
    };
    family(
        "tagalong_collect_pod_up",
        "Whether the pod's samples are here",
        &|answer| f64::from(u8::from(answer.source.is_ok())),
    );
    family(
        "tagalong_collect_pod_duration_seconds",
        "Time to ask the pod",
        &|answer| answer.took.as_secs_f64(),
    );
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    {
        family(
            "tagalong_collect_pod_bytes",
            "Uncompressed bytes of the pod's exposition",
            &|answer| {
                answer
                    .source
                    .as_ref()
                    .map_or(0.0, |source| source.stats().bytes as f64)
            },
        );
        family(
            "tagalong_collect_pod_samples",
            "Samples taken from the pod",
            &|answer| {
                answer
                    .source
                    .as_ref()
                    .map_or(0.0, |source| source.stats().samples as f64)
            },
        );
    }
    text
}

/// How many families of a pod are named of which samples are left out: whoever sends more has invented them.
const NAMED: usize = 10;
/// The longest name that is written in full.
const LONGEST_NAME: usize = 100;

/// Families about what is left out of the answer because pods do not agree what a family is.
pub(super) fn left_out<'d>(
    disagreements: impl IntoIterator<Item = (&'d PodTarget, &'d [Disagreement])>,
) -> String {
    let mut text = String::new();
    for (target, families) in disagreements {
        if text.is_empty() {
            text += "# HELP tagalong_collect_pod_samples_left_out Samples left out because the pod gives the family another type than \
                it is agreed to have\n# TYPE tagalong_collect_pod_samples_left_out gauge\n";
        }
        let (named, rest) = families.split_at(families.len().min(NAMED));
        let rest = rest.iter().map(|other| other.samples).sum();
        let named = named
            .iter()
            .map(|one| (short(&one.family), one.samples))
            .chain((rest > 0).then_some(("(others)", rest)));
        for (family, samples) in named {
            // Names of objects and metrics hold nothing that would have to be escaped.
            let _infallible = writeln!(
                text,
                "tagalong_collect_pod_samples_left_out{{dataplane=\"{}\",dataplane_namespace=\"{}\",dataplane_pod=\"{}\",family=\"{family}\"}} {samples}",
                target.dataplane.name, target.dataplane.namespace, target.pod.name,
            );
        }
    }
    text
}

/// A metric's name as it is told: it is the pod's choice.
pub(super) fn short(name: &str) -> &str {
    name.get(..LONGEST_NAME).unwrap_or(name)
}
