//! Nesting of dotted keys.
//!
//! `a.b` is member `b` of object `a`, `a.<number>.b` an element of list `a`. What contradicts that is kept
//! beside it under a dotted key: a value at `a` and one at `a.b` give `{"a": …, "a.b": …}`.
//!
//! The paths are sorted, so that everything below one node is one run of them; no key is looked up twice, and
//! list positions are only ever compared, never used as sizes.

use std::mem;

use serde_json::Value;

use super::Attributes;
use super::key_path::{Segment, push_segments};

/// Segments of all keys of one span together; further keys stay flat. Ten thousand chat messages stay below it, and it
/// keeps the nodes of a hostile span (up to 300 bytes of memory for two bytes of key) within about 100 MB.
const MAX_SEGMENTS_OF_A_SPAN: usize = 262_144;

/// Nests dotted keys. The last of equal keys wins; `null` values are left out. A key with more than
/// [`super::MAX_SEGMENTS`] segments stays flat.
pub fn unflatten(flat: impl IntoIterator<Item = (String, Value)>) -> Attributes {
    nest(flat.into_iter().unzip())
}

/// [`unflatten`] for keys that may be borrowed, given as keys and their values.
pub(super) fn nest<K: AsRef<str>>((keys, values): (Vec<K>, Vec<Value>)) -> Attributes {
    let mut segments = Vec::with_capacity(keys.len() * 4);
    let mut ends = Vec::with_capacity(keys.len());
    for key in &keys {
        if segments.len() < MAX_SEGMENTS_OF_A_SPAN {
            push_segments(key.as_ref(), &mut segments);
        } else {
            segments.push(Segment::Name(key.as_ref()));
        }
        ends.push(segments.len());
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let paths = starts.zip(&ends).map(|(start, end)| &segments[start..*end]);
    let mut leaves: Vec<_> = paths.zip(values).map(|(path, value)| Leaf { path, value }).collect();
    leaves.sort_by(|one, other| one.path.cmp(other.path));
    leaves.dedup_by(|later, earlier| {
        let same = later.path == earlier.path;
        if same {
            mem::swap(&mut later.value, &mut earlier.value);
        }
        same
    });
    leaves.retain(|leaf| !leaf.value.is_null());
    object(&mut leaves, 0)
}

/// A value and where it belongs. Runs of leaves are sorted by path; all of a run share the segments above it.
struct Leaf<'k> {
    path: &'k [Segment<'k>],
    value: Value,
}

/// The object that a run makes, whose members are named by segment `depth`.
fn object(run: &mut [Leaf], depth: usize) -> Attributes {
    let mut members = Attributes::new();
    for child in children(run, depth) {
        let name = child[0].path[depth].text().to_owned();
        place(child, depth + 1, name, &mut members);
    }
    members
}

/// Puts the node that a run describes, `depth` segments down, into `members` under `name`, and after it what does not
/// fit there: where both flatten to the same keys, what stands beside the node wins.
fn place(run: &mut [Leaf], depth: usize, name: String, members: &mut Attributes) {
    let (own, below) = run.split_at_mut(usize::from(run[0].path.len() == depth));
    if let [leaf] = own {
        members.insert(name.clone(), mem::take(&mut leaf.value));
        for child in children(below, depth) {
            place_beside(child, depth, &name, members);
        }
        return;
    }
    let elements = children(below, depth).filter(|child| is_element(child, depth));
    let list: Vec<_> = elements.map(|child| Value::Object(object(child, depth + 1))).collect();
    if list.is_empty() {
        members.insert(name, Value::Object(object(below, depth)));
        return;
    }
    members.insert(name.clone(), Value::Array(list));
    for child in children(below, depth).filter(|child| !is_element(child, depth)) {
        place_beside(child, depth, &name, members);
    }
}

/// Puts a child that its parent has no room for next to it.
fn place_beside(child: &mut [Leaf], depth: usize, parent: &str, members: &mut Attributes) {
    let name = format!("{parent}.{}", child[0].path[depth].text());
    place(child, depth + 1, name, members);
}

/// The runs below a run, one for each segment at `depth`.
fn children<'r, 'k>(run: &'r mut [Leaf<'k>], depth: usize) -> impl Iterator<Item = &'r mut [Leaf<'k>]> {
    run.chunk_by_mut(move |one, other| one.path[depth] == other.path[depth])
}

/// Whether a child is an object at a list position. One with a value of its own (`a.0` and `a.0.b`) is not.
fn is_element(child: &[Leaf], depth: usize) -> bool {
    child[0].path[depth].is_number() && child[0].path.len() > depth + 1
}
