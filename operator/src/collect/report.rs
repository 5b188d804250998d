//! How each pod did in this collection, as an exposition. Made anew each time: a pod that is gone
//! leaves no series behind.

use crate::collect::fetch::{Answer, Failed};
use std::fmt::Write as _;

/// Families about the pods that were asked.
pub(super) fn report(answers: &[Answer]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&Answer) -> f64| {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for answer in answers {
            let (pod, dataplane) = (&answer.target.pod, &answer.target.dataplane);
            let reason = answer.source.as_ref().map_or_else(Failed::reason, |_| "");
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
