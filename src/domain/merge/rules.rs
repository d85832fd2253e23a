//! What a merge must be told: which values are volatile, and which fields name the elements of arrays.

use super::volatile::VolatileKeys;

/// What can be set about merging.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeRules {
    /// Top-level keys whose newest value wins.
    pub volatile: VolatileKeys,
    /// Fields that may name the elements of an array.
    pub identity: IdentityFields,
}

/// Fields that may name an element of an array of objects, the most telling first. The first that every element of every
/// side has, each with a value of its own, is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFields(Vec<String>);

/// The fields that are taken when nothing is set, as builders write them.
pub const DEFAULT_IDENTITY_FIELDS: [&str; 11] =
    ["id", "_id", "uid", "uuid", "key", "field_id", "fieldId", "control_id", "unique_id", "name", "path"];

impl IdentityFields {
    /// These fields, and no others; without any, every array is merged as a sequence.
    pub fn new(fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(fields.into_iter().map(Into::into).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Default for IdentityFields {
    fn default() -> Self {
        Self::new(DEFAULT_IDENTITY_FIELDS)
    }
}
