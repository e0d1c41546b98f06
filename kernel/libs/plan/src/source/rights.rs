//! What a partition may do to others: the keys `may_see` and `may_control`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::reader::{Reader, Value};
use crate::Place;

/// Reads a list of partitions' names, and marks the place of each. No list is an empty one.
pub fn read_names(
    reader: &mut Reader,
    list: Option<Value<'_>>,
    place: impl Fn(usize) -> Place,
) -> Vec<String> {
    let mut names = Vec::new();
    let elements = list.and_then(|list| reader.array(&list, "`[\"name\"]`"));
    for element in elements.into_iter().flatten() {
        if let Some(name) = reader.string(&element) {
            reader.mark(place(names.len()), element.span());
            names.push(name.to_owned());
        }
    }
    names
}
