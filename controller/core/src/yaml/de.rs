//! serde over the tree: every error gets the place of the key or value that caused it.

use std::fmt;

use indexmap::map::Iter;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor, value::StrDeserializer,
};

use super::core::Core;
use super::node::{Entry, Mapping, Node, Scalar, Value};
use super::place::{Place, suggestion};
use crate::located::Fault;

/// Reads a value from a text.
///
/// # Errors
/// The first fault, with its place.
pub fn from_str<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Fault> {
    from_node(&super::parse(file, text)?)
}

/// Reads a value from a node.
///
/// # Errors
/// The first fault, with its place.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, Fault> {
    T::deserialize(node).map_err(|error| error.or_at(&node.place).0)
}

/// What serde reports; boxed by need, since every result carries it.
#[derive(Debug)]
pub struct Error(Fault);

impl Error {
    /// Gives the fault a place unless something deeper already did.
    fn or_at(self, place: &Place) -> Self {
        if self.0.at.is_some() {
            return self;
        }
        Self(Fault { hint: self.0.hint, ..place.fault(self.0.message) })
    }

    fn of(message: String, hint: Option<String>) -> Self {
        Self(Fault { hint, ..Fault::new(message) })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(message.to_string(), None)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of(format!("unknown key `{field}`"), choices(field, expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::of(format!("`{variant}` is not known here"), choices(variant, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(format!("the key `{field}` is missing"), None)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let is_text =
            expected.to_string().contains("string") && !matches!(found, Unexpected::Map | Unexpected::Seq);
        let hint = is_text.then(|| "put it in quotes".to_owned());
        Self::of(format!("{} stands where {} is expected", shown(found), wanted(expected)), hint)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(format!("{} stands where {} is expected", shown(found), wanted(expected)), None)
    }
}

fn choices(word: &str, known: &'static [&'static str]) -> Option<String> {
    if let Some(meant) = suggestion(word, known.iter().copied()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    (!known.is_empty()).then(|| format!("known are `{}`", known.join("`, `")))
}

/// serde names Rust's types; people don't know them.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        struct_name if struct_name.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Sequence(_) => Unexpected::Seq,
            Value::Mapping(_) => Unexpected::Map,
            Value::Scalar(scalar) => match scalar.core() {
                Core::Null => Unexpected::Unit,
                Core::Bool(value) => Unexpected::Bool(value),
                Core::Float(value) => Unexpected::Float(value),
                Core::Int(value) => {
                    i64::try_from(value).map_or(Unexpected::Str(&scalar.text), Unexpected::Signed)
                }
                Core::Text => Unexpected::Str(&scalar.text),
            },
        }
    }

    fn untagged(&self) -> Result<(), Error> {
        if self.tag.is_none() {
            return Ok(());
        }
        Err(Error(self.fault("`!reset` and `!override` mean something in Compose files only")))
    }

    fn visit_mapping<'de, V: Visitor<'de>>(
        &'de self,
        map: &'de Mapping,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Map { entries: map.iter(), next: None }).map_err(|error| error.or_at(&self.place))
    }
}

fn visit_scalar<'de, V: Visitor<'de>>(scalar: &'de Scalar, visitor: V) -> Result<V::Value, Error> {
    match scalar.core() {
        Core::Null => visitor.visit_unit(),
        Core::Bool(value) => visitor.visit_bool(value),
        Core::Float(value) => visitor.visit_f64(value),
        Core::Text => visitor.visit_borrowed_str(&scalar.text),
        Core::Int(value) => match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => visitor.visit_u64(value),
            (_, Ok(value)) => visitor.visit_i64(value),
            _ => visitor.visit_i128(value),
        },
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.untagged()?;
        let result = match &self.value {
            Value::Scalar(scalar) => visit_scalar(scalar, visitor),
            Value::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Value::Mapping(map) => self.visit_mapping(map, visitor),
        };
        result.map_err(|error| error.or_at(&self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A key with nothing under it (its lines commented out) is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_seq(Items([].iter())) } else { self.deserialize_any(visitor) }
    }

    /// A key with nothing under it (its lines commented out) is an empty map.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            let entries = Mapping::new();
            return visitor.visit_map(Empty(entries)).map_err(|error| error.or_at(&self.place));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Sequence(_) => Err(de::Error::invalid_type(Unexpected::Seq, &"a map")),
            _ => self.deserialize_map(visitor),
        }
        .map_err(|error: Error| error.or_at(&self.place))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.untagged()?;
        let variant = match &self.value {
            Value::Scalar(scalar) => Some((scalar.text.as_str(), &self.place, None)),
            Value::Mapping(map) if map.len() == 1 => {
                map.first().map(|(k, e)| (k.as_str(), &e.key, Some(&e.node)))
            }
            _ => None,
        };
        let Some((name, place, content)) = variant else {
            return Err(Error(
                self.fault(format!("{} stands where one word is expected", shown(self.unexpected()))),
            ));
        };
        visitor.visit_enum(Variant { name, place, content }).map_err(|error| error.or_at(place))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct identifier
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|error| error.or_at(&node.place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Map<'de> {
    entries: Iter<'de, String, Entry>,
    next: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Map<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, entry)) = self.entries.next() else { return Ok(None) };
        self.next = Some(entry);
        let text: StrDeserializer<'_, Error> = key.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|error| error.or_at(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.next.take() else { return Err(de::Error::custom("a value without a key")) };
        seed.deserialize(&entry.node).map_err(|error| error.or_at(&entry.node.place))
    }
}

/// A map of nothing, for keys whose value is left out.
struct Empty(Mapping);

impl<'de> MapAccess<'de> for Empty {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Error> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("a value without a key"))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Variant<'de> {
    name: &'de str,
    place: &'de Place,
    content: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        let value = seed.deserialize(name).map_err(|error| error.or_at(self.place))?;
        Ok((value, self))
    }
}

impl<'de> Variant<'de> {
    fn needs_content(&self) -> Result<&'de Node, Error> {
        self.content.ok_or_else(|| Error(self.place.fault(format!("`{}` needs a value under it", self.name))))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            Some(node) if !node.is_null() => {
                Err(Error(node.fault(format!("`{}` takes no value", self.name))))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let node = self.needs_content()?;
        seed.deserialize(node).map_err(|error| error.or_at(&node.place))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.needs_content()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.needs_content()?.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Sample {
        port_number: u16,
        name: String,
        items: Vec<Sample>,
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Mode {
        Fast,
        Slow { by: u8 },
    }

    fn read(text: &str) -> Result<Sample, String> {
        from_str("s.yaml", text).map_err(|fault| fault.to_string())
    }

    #[test]
    fn reads_what_is_right() {
        let sample =
            read("portNumber: 80\nname: 'x'\nitems:\n- {mode: {slow: {by: 3}}}\nmode: fast\n").unwrap();
        assert_eq!(sample.port_number, 80);
        assert_eq!(sample.mode, Some(Mode::Fast));
        assert_eq!(sample.items[0].mode, Some(Mode::Slow { by: 3 }));
        assert_eq!(read("items:\n").unwrap(), Sample::default());
    }

    #[test]
    fn every_error_has_its_place() {
        insta::assert_snapshot!(read("portNumber: 80\nnaem: x\n").unwrap_err(), @"s.yaml:2:1: unknown key `naem` (did you mean `name`?)");
        insta::assert_snapshot!(read("items:\n- portNumber: 99999\n").unwrap_err(), @"s.yaml:2:15: `99999` stands where a whole number from 0 to 65535 is expected");
        insta::assert_snapshot!(read("name: 5\n").unwrap_err(), @"s.yaml:1:7: `5` stands where a string is expected (put it in quotes)");
        insta::assert_snapshot!(read("items: {a: 1}\n").unwrap_err(), @"s.yaml:1:8: a map stands where a list is expected");
        insta::assert_snapshot!(read("mode: fats\n").unwrap_err(), @"s.yaml:1:7: `fats` is not known here (did you mean `fast`?)");
        insta::assert_snapshot!(read("mode: slow\n").unwrap_err(), @"s.yaml:1:7: `slow` needs a value under it");
        insta::assert_snapshot!(read("mode: {slow: {by: 300}}\n").unwrap_err(), @"s.yaml:1:19: `300` stands where a whole number from 0 to 255 is expected");
        insta::assert_snapshot!(read("- 1\n").unwrap_err(), @"s.yaml:1:1: a list stands where a map is expected");
        insta::assert_snapshot!(read("name: !reset x\n").unwrap_err(), @"s.yaml:1:7: `!reset` and `!override` mean something in Compose files only");
    }
}
