//! The patch that makes one pod template into another.
//!
//! The two differ in what is ours alone: items of a list that we add or take out, lists and annotations that we make.
//! So an item is added, replaced or removed as a whole, and a patch never carries anything of the user's: it is short,
//! however large the object is.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;
use tagalong_wire::contract::SIDECAR;

use super::pod::name;

/// The patch that makes `from`, which is at `path`, into `to`.
pub(super) fn difference(path: &str, from: &Value, to: &Value) -> Patch {
    let mut patch = Patch::default();
    // The paths of `Kind::template` are pointers; an empty one would only be refused by the API server.
    let at = PointerBuf::parse(path).unwrap_or_default();
    compare(&at, from, to, &mut patch.0);
    patch
}

/// What a patch would put into the object.
pub(super) fn values(patch: &Patch) -> impl Iterator<Item = &Value> {
    patch.0.iter().filter_map(|operation| match operation {
        PatchOperation::Add(AddOperation { value, .. })
        | PatchOperation::Replace(ReplaceOperation { value, .. }) => Some(value),
        _ => None,
    })
}

fn compare(at: &PointerBuf, from: &Value, to: &Value, out: &mut Vec<PatchOperation>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(from), Value::Object(to)) => {
            for (key, value) in to {
                let at = below(at, key);
                match from.get(key) {
                    Some(before) => compare(&at, before, value, out),
                    None => out.push(add(at, value)),
                }
            }
            for key in from.keys().filter(|key| !to.contains_key(*key)) {
                out.push(remove(below(at, key)));
            }
        }
        (Value::Array(from), Value::Array(to)) => compare_lists(at, from, to, out),
        _ => out.push(replace(at.clone(), to)),
    }
}

/// Without what is ours, both lists are the same.
fn compare_lists(at: &PointerBuf, from: &[Value], to: &[Value], out: &mut Vec<PatchOperation>) {
    let (mut from, mut to) = (from.iter().peekable(), to.iter().peekable());
    let mut index = 0_usize;
    loop {
        let here = below(at, &index.to_string());
        match (from.peek(), to.peek()) {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) if is_ours(old) && is_ours(new) => out.push(replace(here, new)),
            (Some(old), new) if is_ours(old) || new.is_none() => {
                out.push(remove(here));
                from.next();
                continue;
            }
            (_, Some(new)) => {
                out.push(add(here, new));
                to.next();
                index += 1;
                continue;
            }
            (Some(_), None) => return,
        }
        from.next();
        to.next();
        index += 1;
    }
}

/// Whether an item can be ours: the sidecar, its volume, or what has nothing but a name.
fn is_ours(item: &Value) -> bool {
    let bare = item.as_object().is_some_and(|item| item.len() == 1);
    name(item) == SIDECAR || bare && !name(item).is_empty()
}

fn below(at: &PointerBuf, token: &str) -> PointerBuf {
    let mut below = at.clone();
    below.push_back(token);
    below
}

fn add(path: PointerBuf, value: &Value) -> PatchOperation {
    let value = value.clone();
    PatchOperation::Add(AddOperation { path, value })
}

fn replace(path: PointerBuf, value: &Value) -> PatchOperation {
    let value = value.clone();
    PatchOperation::Replace(ReplaceOperation { path, value })
}

fn remove(path: PointerBuf) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path })
}

#[cfg(test)]
mod tests;
