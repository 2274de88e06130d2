//! Objects are read from objects. What serde derives takes an array for a struct whose fields come in order, so that a
//! caller's `[1, 2]` would silently become something, and an object for a word.

use std::fmt;

use serde::Deserializer;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;

/// A deserializer that gives structs from maps only.
pub(super) struct ObjectOnly<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<D> fmt::Debug for ObjectOnly<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectOnly")
    }
}

/// For a struct with `#[serde(remote = "Self")]`: what serde derives, but from objects only.
macro_rules! only_from_objects {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $name::deserialize(crate::domain::object::ObjectOnly(deserializer))
            }
        }
    };
}

pub(super) use only_from_objects;

/// For an enum of plain words with `#[serde(remote = "Self")]`: what serde derives, but from words only, and not from
/// `{"word": null}`.
macro_rules! only_from_words {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Formats of our own, such as the snapshot's, do not write words.
                if !deserializer.is_human_readable() {
                    return $name::deserialize(deserializer);
                }
                let word = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                $name::deserialize(serde::de::value::CowStrDeserializer::new(word))
            }
        }
    };
}

pub(crate) use only_from_words;
