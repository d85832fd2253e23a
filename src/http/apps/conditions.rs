//! `ETag`, `If-Match` and `If-None-Match`: an app's tag is the name of its tree.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

use crate::domain::ObjectId;
use crate::http::answer::ApiError;
use crate::sync::engine::Condition;

/// The tag of a tree.
pub(super) fn tag(tree: ObjectId) -> String {
    format!("\"{tree}\"")
}

/// What a save supposes.
pub(super) fn of_save(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let (of, not) = (listed(headers, IF_MATCH), listed(headers, IF_NONE_MATCH));
    match (of.is_empty(), not.is_empty()) {
        (true, true) => Ok(Condition::None),
        (false, true) if of.iter().any(|tag| tag == "*") => Ok(Condition::Present),
        (false, true) => Ok(Condition::OneOf(of.iter().filter_map(|tag| ObjectId::from_hex(tag)).collect())),
        (true, false) if not.iter().all(|tag| tag == "*") => Ok(Condition::Absent),
        _ => Err(ApiError::request("give a save either `If-Match` with tags, or `If-None-Match: *`")),
    }
}

/// Whether the caller has this already.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let tag = bare(tag);
    listed(headers, IF_NONE_MATCH).iter().any(|known| known == "*" || known == tag)
}

/// The tags of a header, without quotes. Whether a tag is weak makes no difference: it names the content either way.
fn listed(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|tag| bare(tag).to_owned()).filter(|tag| !tag.is_empty()).collect()
}

fn bare(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_save_supposes_what_its_headers_say() {
        let tree = ObjectId::from_bytes([7; 20]);
        let of = |name: HeaderName, value: &str| {
            of_save(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])).ok()
        };
        assert_eq!(of_save(&HeaderMap::new()).ok(), Some(Condition::None));
        assert_eq!(of(IF_MATCH, "*"), Some(Condition::Present));
        assert_eq!(of(IF_NONE_MATCH, "*"), Some(Condition::Absent));
        assert_eq!(of(IF_MATCH, &tag(tree)), Some(Condition::OneOf(vec![tree])));
        assert_eq!(of(IF_MATCH, &format!("\"x\", W/{}", tag(tree))), Some(Condition::OneOf(vec![tree])));
        assert_eq!(of(IF_MATCH, "\"x\""), Some(Condition::OneOf(vec![])), "which nothing is");
        assert_eq!(of(IF_NONE_MATCH, &tag(tree)), None);
    }
}
