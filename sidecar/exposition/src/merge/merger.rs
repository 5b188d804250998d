//! Many sources' families, brought together.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::agree::{Agreed, Types, agree};
use super::family::{Family, Names};
use super::finished::FinishedSource;
use super::format::Format;
use super::header::headers;
use super::output::{Merged, WrittenFamily};
use super::source::MergeSource;
use super::stats::{Disagreement, MergeStats};
use super::types::FamilyType;

/// Brings sources together, family by family. A clone shares the samples, so that what was read once can be written
/// several times, in several formats; what all who share it have written is let go.
///
/// ```
/// use tagalong_exposition::merge::{Format, Merger, MergeSource};
///
/// let mut merger = Merger::default();
/// for pod in ["kong-1", "kong-2"] {
///     let mut source = MergeSource::new(&[("dataplane_pod", pod)], 64 * 1024);
///     source.push(b"# HELP up About\n# TYPE up gauge\nup{a=\"b\"} 1\n");
///     source.finish();
///     merger.add(source);
/// }
/// let mut out = Vec::new();
/// let mut merged = merger.finish(Format::Text);
/// while merged.next(&mut out) {}
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "# HELP up About\n# TYPE up gauge\n\
///      up{dataplane_pod=\"kong-1\",a=\"b\"} 1\nup{dataplane_pod=\"kong-2\",a=\"b\"} 1\n",
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Merger {
    families: Vec<Family>,
    names: Names,
    labels: HashSet<Arc<[u8]>>,
    ordered: Vec<Arc<[u8]>>,
    groups: std::collections::HashMap<Arc<str>, usize>,
    last: Types,
    stats: MergeStats,
}

impl Merger {
    /// A merger for which a tie between types goes to what an earlier one had.
    #[must_use]
    pub fn after(last: Types) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    /// Adds a source that has been [finished](MergeSource::finish), and returns its number.
    ///
    /// A source with the same labels as an earlier one is refused, since all its series could be there already; it is
    /// counted.
    pub fn add(&mut self, source: MergeSource) -> Option<usize> {
        self.add_finished(&source.into())
    }

    /// The same of a source that others add, too: the samples are shared.
    pub fn add_finished(&mut self, source: &FinishedSource) -> Option<usize> {
        if !self.labels.insert(source.labels.clone()) {
            self.stats.refused += 1;
            return None;
        }
        let number = self.ordered.len();
        let next = self.groups.len();
        // A source of no group is one of its own, called as no group is.
        let group = source.group.clone();
        let group = group.unwrap_or_else(|| format!("\n{number}").into());
        let group = *self.groups.entry(group).or_insert(next);
        self.ordered.push(source.labels.clone());
        self.stats.sources += 1;
        for (name, part) in source.families.iter() {
            let index = *self.names.entry(name.clone()).or_insert_with(|| {
                self.families.push(Family {
                    name: name.clone(),
                    ..Family::default()
                });
                self.families.len() - 1
            });
            self.stats.samples += part.samples;
            if let Some(family) = self.families.get_mut(index) {
                family.parts.push_back(part.of(number, group));
            }
        }
        Some(number)
    }

    /// What is left out because sources do not agree what a family is, by source and family.
    #[must_use]
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let mut found = Vec::new();
        for (family, agreed) in self.families.iter().zip(self.agreed()) {
            for part in family.parts.iter().filter(|part| !agreed.takes(part)) {
                let text = |said: Option<FamilyType>| said.map_or("of no type", FamilyType::text);
                found.push(Disagreement {
                    source: part.source,
                    family: String::from_utf8_lossy(&family.name).into_owned(),
                    said: text(part.family),
                    agreed: (!agreed.left_out).then(|| text(agreed.family)),
                    samples: part.samples,
                });
            }
        }
        found
    }

    /// The types that the families have, for the next merge.
    #[must_use]
    pub fn types(&self) -> Types {
        Types::of(&self.families, &self.agreed())
    }

    /// Whether OpenMetrics can say of each histogram and summary that it is one: whether all series are whole. What is
    /// not whole has a place in text format only, so who takes either should get that one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut families = self.families.iter().zip(self.agreed());
        families.all(|(family, agreed)| {
            let composed = agreed.family.is_some_and(FamilyType::composed);
            let mut taken = family.parts.iter().filter(|part| agreed.takes(part));
            !composed || taken.all(|part| part.whole)
        })
    }

    /// No source is still to come.
    #[must_use]
    pub fn finish(mut self, format: Format) -> Merged {
        let agreed = self.agreed();
        for (family, agreed) in self.families.iter_mut().zip(&agreed) {
            let stats = &mut self.stats;
            family.parts.retain(|part| {
                let taken = agreed.takes(part);
                if !taken {
                    stats.leave_out(part.samples);
                }
                taken
            });
        }
        let headers = headers(&self.families, &self.names, &agreed, format);
        let mut families = VecDeque::new();
        for ((family, passes), agreed) in self.families.into_iter().zip(headers).zip(&agreed) {
            if !family.parts.is_empty() {
                families.push_back(WrittenFamily::new(family, agreed.family, passes));
            }
        }
        Merged::new(format, families, self.ordered, self.stats)
    }

    fn agreed(&self) -> Vec<Agreed> {
        agree(&self.families, &self.names, &self.last)
    }
}
