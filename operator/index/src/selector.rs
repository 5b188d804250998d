//! Which pods are a workload's, by their labels.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::key::{Interner, Name};

/// The label on a DataPlane's pods that holds its status' `selector`.
pub(crate) const SELECTOR_LABEL: &str = "gateway-operator.konghq.com/selector";

/// Labels that a workload's pods have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<(Name, Name)>,
    expressions: Vec<(Name, Operator, Vec<Name>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    pub(crate) fn of(selector: &LabelSelector, names: &mut Interner) -> Self {
        let labels = selector
            .match_labels
            .iter()
            .flatten()
            .map(|(key, value)| (names.name(key), names.name(value)))
            .collect();
        let expressions = selector
            .match_expressions
            .iter()
            .flatten()
            .map(|expression| {
                let operator = match expression.operator.as_str() {
                    "NotIn" => Operator::NotIn,
                    "Exists" => Operator::Exists,
                    "DoesNotExist" => Operator::DoesNotExist,
                    _ => Operator::In,
                };
                let values = expression
                    .values
                    .iter()
                    .flatten()
                    .map(|value| names.name(value))
                    .collect();
                (names.name(&expression.key), operator, values)
            });
        Self {
            labels,
            expressions: expressions.collect(),
        }
    }

    /// The labels of a DataPlane's pods.
    pub(crate) fn of_dataplane(selector: &Name) -> Self {
        Self {
            labels: vec![(Name::from(SELECTOR_LABEL), Name::clone(selector))],
            expressions: Vec::new(),
        }
    }

    /// The selector as Kubernetes has it, in expressions only: they can be added to another selector's.
    pub(crate) fn expressions(&self) -> Vec<LabelSelectorRequirement> {
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| (key, Operator::In, std::slice::from_ref(value)));
        let expressions = self
            .expressions
            .iter()
            .map(|(key, operator, values)| (key, *operator, values.as_slice()));
        let requirement = |(key, operator, values): (&Name, Operator, &[Name])| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            LabelSelectorRequirement {
                key: key.to_string(),
                operator: format!("{operator:?}"),
                values: (!values.is_empty()).then_some(values),
            }
        };
        labels.chain(expressions).map(requirement).collect()
    }

    /// An empty selector matches nothing: a workload always has one.
    pub(crate) fn matches(&self, labels: &[(Name, Name)]) -> bool {
        self.holds(labels) && !(self.labels.is_empty() && self.expressions.is_empty())
    }

    /// Whether labels fit, where an empty selector fits everything.
    pub(crate) fn holds(&self, labels: &[(Name, Name)]) -> bool {
        let labels: BTreeMap<&Name, &Name> =
            labels.iter().map(|(key, value)| (key, value)).collect();
        let wanted = self
            .labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(&value));
        let expressed = self.expressions.iter().all(|(key, operator, values)| {
            let value = labels.get(key);
            match operator {
                Operator::In => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        });
        wanted && expressed
    }
}
