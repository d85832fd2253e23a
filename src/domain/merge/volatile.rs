//! Volatile values: times that every save changes, and that mean nothing by themselves.

use super::json::Sides;
use super::parse::parse;
use super::time::{Instant, parse_epoch, parse_text};
use super::tree::{Document, Node, Part, Shape, decode};

/// The names of the top-level keys whose values are volatile, if they are times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolatileKeys(Vec<String>);

impl VolatileKeys {
    /// These keys, and no others.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// Whether `name` is one of them.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|key| key.as_bytes() == name)
    }
}

impl Default for VolatileKeys {
    /// `updated_time`, as the model's exports have it.
    fn default() -> Self {
        Self::new(["updated_time"])
    }
}

/// Whether the two versions of the file at `path` are equal, or would be with their volatile values blanked.
///
/// Only a `.json` file whose top level is an object has volatile values, and a value counts only if both versions have
/// it and both are times. Everything else must be equal byte for byte: a file laid out anew is a change.
#[must_use]
pub fn differs_only_in_volatile(path: &str, a: &[u8], b: &[u8], keys: &VolatileKeys) -> bool {
    if a == b {
        return true;
    }
    if !super::is_json_path(path) || !may_hold_key(a, keys) || !may_hold_key(b, keys) {
        return false;
    }
    let (Ok(a), Ok(b)) = (parse(a), parse(b)) else { return false };
    !a.duplicate_keys && !b.duplicate_keys && equal_but_for_times(&a, &b, keys).unwrap_or(false)
}

/// Cheap, and right for keys spelled without escapes, which is how they are written.
fn may_hold_key(bytes: &[u8], keys: &VolatileKeys) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| keys.0.iter().any(|key| text.contains(key.as_str())))
}

fn equal_but_for_times(a: &Document<'_>, b: &Document<'_>, keys: &VolatileKeys) -> Option<bool> {
    let (in_a, in_b) = (a.root.as_object()?, b.root.as_object()?);
    let equal_around = |a: &Part<'_>, b: &Part<'_>| a.lead == b.lead && a.head == b.head && a.tail == b.tail;
    let both_times = |a: &Part<'_>, b: &Part<'_>| time_of(&a.value).is_some() && time_of(&b.value).is_some();
    let equal_value =
        |a: &Part<'_>, b: &Part<'_>| a.value.text == b.value.text || (keys.contains(&a.name) && both_times(a, b));
    let pairs = || in_a.list.iter().zip(&in_b.list);
    Some(
        a.before == b.before
            && a.after == b.after
            && in_a.end == in_b.end
            && in_a.list.len() == in_b.list.len()
            && pairs().all(|(a, b)| equal_around(a, b) && equal_value(a, b)),
    )
}

/// The text of the newest of two volatile values; of equal times the greater bytes. `None` if the values are not all
/// times, or if one side left the value as it was: then it is merged like any other.
///
/// A side that deleted the value yields to a side that changed it: no one shall have to settle a clash over a time.
pub(super) fn newest<'a>(sides: Sides<'_, 'a>) -> Option<&'a str> {
    let [base, ours, theirs] = sides;
    if base.is_some_and(|base| time_of(base).is_none()) {
        return None;
    }
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let (our_time, their_time) = (time_of(ours)?, time_of(theirs)?);
            Some((our_time, ours.text).max((their_time, theirs.text)).1)
        }
        (Some(left), None) | (None, Some(left)) if base.is_some_and(|base| !base.same(left)) => {
            time_of(left).map(|_| left.text)
        }
        _ => None,
    }
}

fn time_of(node: &Node<'_>) -> Option<Instant> {
    match node.shape {
        Shape::Text => std::str::from_utf8(&decode(node.text)).ok().and_then(parse_text),
        Shape::Plain => parse_epoch(node.text),
        Shape::Object(_) | Shape::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volatile_only(a: &str, b: &str) -> bool {
        differs_only_in_volatile("__export_meta.json", a.as_bytes(), b.as_bytes(), &VolatileKeys::default())
    }

    #[test]
    fn a_save_that_only_moves_the_time_is_no_change() {
        let old = r#"{"updated_time": "27-03-2025 06:23:08", "engine": "1.0.0"}"#;
        assert!(volatile_only(old, old));
        assert!(volatile_only(old, &old.replace("27-03-2025 06:23:08", "28-03-2025 16:00:00")));
        assert!(volatile_only(old, &old.replace("\"27-03-2025 06:23:08\"", "1743056588000")));
    }

    #[test]
    fn anything_else_is_a_change() {
        let old = r#"{"updated_time": "27-03-2025 06:23:08", "engine": "1.0.0"}"#;
        assert!(!volatile_only(old, &old.replace("1.0.0", "1.0.1")));
        assert!(!volatile_only(old, &old.replace("27-03-2025 06:23:08", "yesterday")));
        assert!(!volatile_only(old, &old.replace(", ", ",  ")));
        assert!(!volatile_only(old, r#"{"engine": "1.0.0"}"#));
        let nested = r#"{"a": {"updated_time": "27-03-2025 06:23:08"}}"#;
        assert!(!volatile_only(nested, &nested.replace("27-", "28-")));
        let js = old.replace("27-", "28-");
        assert!(!differs_only_in_volatile("a.js", old.as_bytes(), js.as_bytes(), &VolatileKeys::default()));
    }

    #[test]
    fn the_keys_can_be_set() {
        let keys = VolatileKeys::new(["saved_at"]);
        assert!(differs_only_in_volatile("m.JSON", b"{\"saved_at\":1743056588}", b"{\"saved_at\":1743056589}", &keys));
        assert!(!volatile_only("{\"saved_at\":1743056588}", "{\"saved_at\":1743056589}"));
    }
}
