//! JSON as rows take it: nothing that it holds is lost without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Deeper nesting is refused, so that no output can exhaust the stack.
const DEEPEST: usize = 128;

/// Reads one value. Two equal names in one object are an error: only one of them could be kept.
pub(super) fn read(text: &str) -> Result<Value, serde_json::Error> {
    value(text, 0)
}

/// Arrays and objects are taken apart here: the parser itself takes an object with a name of its own for a number.
fn value(text: &str, depth: usize) -> Result<Value, serde_json::Error> {
    if depth == DEEPEST {
        return Err(Error::custom("it is nested too deep"));
    }
    match text.trim_start().bytes().next() {
        Some(b'{') => {
            let mut object = Map::new();
            for (name, inner) in serde_json::from_str::<Entries<'_>>(text)?.0 {
                if object.contains_key(&name) {
                    return Err(Error::custom(format!("the name {name:?} stands twice in one object")));
                }
                object.insert(name, value(inner.get(), depth + 1)?);
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text)?;
            values.into_iter().map(|inner| value(inner.get(), depth + 1)).collect::<Result<_, _>>().map(Value::Array)
        }
        _ => serde_json::from_str(text),
    }
}

/// What stands in an object, one by one.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = from.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        from.deserialize_map(OneByOne).map(Self)
    }
}
