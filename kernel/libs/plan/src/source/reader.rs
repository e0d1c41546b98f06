//! Takes values out of a TOML document, one type at a time, and collects what is wrong.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::SOURCE_VERSION;
use super::suggestion::nearest;
use super::value::{parse_bytes, parse_integer};
use crate::{Place, Rule};

/// Keys that came with a version of the source form after the first.
const LATER_KEYS: [(&str, u32); 7] = [
    ("management", 2),
    ("restart", 2),
    ("restart_limit", 2),
    ("denied_limit", 3),
    ("may_see", 3),
    ("may_control", 3),
    ("room", 3),
];

/// A range of bytes in the source.
pub type Span = Range<usize>;

/// Something that is wrong with the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub rule: Rule,
    pub span: Option<Span>,
    pub what: String,
    pub other: Option<Span>,
    /// What to do about it, if that is more exact than the rule's remedy.
    pub remedy: Option<String>,
}

impl Finding {
    pub const fn new(rule: Rule, span: Option<Span>, what: String) -> Self {
        Self {
            rule,
            span,
            what,
            other: None,
            remedy: None,
        }
    }
}

/// A table of the document.
pub struct Table<'d> {
    entries: &'d DeTable<'d>,
    span: Span,
    name: &'d str,
}

impl<'d> Table<'d> {
    /// `value` as a table, if it is one.
    pub fn new(value: &'d Spanned<DeValue<'d>>, name: &'d str) -> Option<Self> {
        let entries = value.get_ref().as_table()?;
        Some(Self {
            entries,
            span: value.span(),
            name,
        })
    }

    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The value of `key`, if it is there.
    pub fn get(&self, key: &'d str) -> Option<Value<'d>> {
        self.entries.get(key).map(|value| Value { key, value })
    }

    /// Where `key` itself is written.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get_key_value(key).map(|(key, _)| key.span())
    }
}

/// A value of the document, and the key that it is of.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    key: &'d str,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    pub fn span(&self) -> Span {
        self.value.span()
    }

    /// Whether it is this very string.
    pub fn is_text(&self, text: &str) -> bool {
        matches!(self.value.get_ref(), DeValue::String(found) if found == text)
    }

    /// The value of `key`, if this is a table that has it.
    pub fn get(&self, key: &'d str) -> Option<Self> {
        let value = self.value.get_ref().as_table()?.get(key)?;
        Some(Self { key, value })
    }
}

/// Collects findings, and the spans of the places that could be read.
pub struct Reader {
    findings: Vec<Finding>,
    spans: BTreeMap<Place, Span>,
    machine_is_complete: bool,
    version: u32,
    /// The keys that somebody meant who misspelt them, each with the start of its table.
    meant: Vec<(usize, String)>,
}

impl Reader {
    pub const fn new() -> Self {
        Self {
            findings: Vec::new(),
            spans: BTreeMap::new(),
            machine_is_complete: false,
            version: 1,
            meant: Vec::new(),
        }
    }

    /// Says which version of the source form the plan is written in.
    pub const fn set_version(&mut self, version: u32) {
        self.version = version;
    }

    /// Whether the plan is written in this version of the source form, or a later one.
    pub const fn is_version(&self, version: u32) -> bool {
        self.version >= version
    }

    pub fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Whether everything could be read.
    pub const fn is_complete(&self) -> bool {
        self.findings.is_empty()
    }

    /// How much was found so far, to see whether reading something found more.
    pub const fn count(&self) -> usize {
        self.findings.len()
    }

    /// Says that `place` could be read, and where it is.
    pub fn mark(&mut self, place: Place, span: Span) {
        self.spans.insert(place, span);
    }

    pub fn span(&self, place: Place) -> Option<Span> {
        self.spans.get(&place).cloned()
    }

    /// Says that the machine's table has been read.
    pub const fn end_machine(&mut self) {
        self.machine_is_complete = self.findings.is_empty();
    }

    /// Whether enough could be read to say that `rule` is broken: what the machine or the plan
    /// does not have may be in the part of it that could not be read.
    pub const fn can_judge(&self, rule: Rule) -> bool {
        let needs_machine = matches!(
            rule,
            Rule::UnknownCore
                | Rule::MemoryOutsideMachine
                | Rule::RoomMissing
                | Rule::UnknownFunction
                | Rule::VirtualFunctionTooHigh
        );
        let needs_all = matches!(rule, Rule::UnknownPartition);
        !needs_all && (self.machine_is_complete || !needs_machine)
    }

    /// The value of `key`, which must be there. A misspelt one is reported as that alone.
    pub fn require<'d>(&mut self, table: &Table<'d>, key: &'d str) -> Option<Value<'d>> {
        let value = table.get(key);
        let mut meant = self.meant.iter();
        let is_misspelt = meant.any(|(start, meant)| *start == table.span.start && meant == key);
        if value.is_none() && !is_misspelt {
            let what = format!("`{key}` is missing in {}", table.name);
            self.report(Finding {
                remedy: Some(addition(key)),
                ..Finding::new(Rule::MissingKey, Some(table.span()), what)
            });
        }
        value
    }

    /// Reports the keys of `table` that are not `known`, or not yet in the plan's version.
    pub fn check_keys(&mut self, table: &Table<'_>, known: &[&str]) {
        for key in table.entries.keys() {
            let name: &str = key.get_ref();
            let (what, remedy) = match (known.contains(&name), since(name)) {
                (true, version) if version <= self.version => continue,
                (true, version) => (
                    format!(
                        "`{name}` needs `version = {version}` or later, the plan has {}",
                        self.version
                    ),
                    format!("write `version = {version}`"),
                ),
                (false, _) => (
                    format!("unknown key `{name}` in {}", table.name),
                    self.correct(table, name, known),
                ),
            };
            self.report(Finding {
                remedy: Some(remedy),
                ..Finding::new(Rule::UnknownKey, Some(key.span()), what)
            });
        }
    }

    /// What to do about a key that no table has, and a note of what was meant.
    fn correct(&mut self, table: &Table<'_>, name: &str, known: &[&str]) -> String {
        match nearest(name, known) {
            Some(meant) => {
                self.meant.push((table.span.start, meant.to_string()));
                format!("did you mean `{meant}`?")
            }
            None => format!("remove it; the keys here are {}", known.join(", ")),
        }
    }

    /// `value` as a table with only `known` keys.
    pub fn table<'d>(
        &mut self,
        value: &Value<'d>,
        name: &'d str,
        known: &[&str],
    ) -> Option<Table<'d>> {
        match Table::new(value.value, name) {
            Some(table) => {
                self.check_keys(&table, known);
                Some(table)
            }
            None => self.wrong_type(value, "a table"),
        }
    }

    /// The elements of `value`, each by the key of the array, which is to be written in `form`.
    pub fn array<'d>(
        &mut self,
        value: &Value<'d>,
        form: &str,
    ) -> Option<impl Iterator<Item = Value<'d>> + use<'d>> {
        let key = value.key;
        match value.value.get_ref() {
            DeValue::Array(elements) => {
                let elements: &'d DeArray<'d> = elements;
                Some(elements.iter().map(move |value| Value { key, value }))
            }
            _ => self.wrong_form(value, "an array", form),
        }
    }

    pub fn string<'d>(&mut self, value: &Value<'d>) -> Option<&'d str> {
        match value.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type(value, "a string"),
        }
    }

    pub fn boolean(&mut self, value: &Value<'_>) -> Option<bool> {
        match value.value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            _ => self.wrong_type(value, "true or false"),
        }
    }

    /// A string that `parse` understands; `expected` says what that is.
    pub fn parse<T>(
        &mut self,
        value: &Value<'_>,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.string(value)?;
        parse(text).or_else(|| self.wrong_value(value, &format!("{text:?}"), expected))
    }

    /// An integer that `T` can hold; `expected` says what it is.
    pub fn integer<T: TryFrom<u64>>(&mut self, value: &Value<'_>, expected: &str) -> Option<T> {
        let DeValue::Integer(integer) = value.value.get_ref() else {
            return self.wrong_type(value, "an integer");
        };
        let digits = integer.as_str();
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        let number = parse_integer(digits, integer.radix());
        let converted = number.and_then(|number| T::try_from(number).ok());
        converted.or_else(|| self.wrong_value(value, &integer.to_string(), expected))
    }

    /// An integer, or a string like `"640M"` or `"0x3f8"`, that `T` can hold.
    pub fn bytes<T: TryFrom<u64>>(&mut self, value: &Value<'_>, expected: &str) -> Option<T> {
        match value.value.get_ref() {
            DeValue::Integer(_) => self.integer(value, expected),
            DeValue::String(_) => self.parse(value, expected, |text| {
                parse_bytes(text).and_then(|number| T::try_from(number).ok())
            }),
            _ => self.wrong_type(value, "an integer or a string"),
        }
    }

    fn wrong_type<T>(&mut self, value: &Value<'_>, expected: &str) -> Option<T> {
        self.wrong_form(value, expected, expected)
    }

    /// Reports that `value` is of another type than is `expected`, and in which `form` to write it.
    fn wrong_form<T>(&mut self, value: &Value<'_>, expected: &str, form: &str) -> Option<T> {
        let found = value.value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        let what = format!("`{}` is {article} {found}, expected {expected}", value.key);
        self.report(Finding {
            remedy: Some(format!("write {form}")),
            ..Finding::new(Rule::WrongType, Some(value.span()), what)
        });
        None
    }

    /// Reports that `value`, written `found`, is not what is `expected`.
    pub fn wrong_value<T>(&mut self, value: &Value<'_>, found: &str, expected: &str) -> Option<T> {
        let what = format!("`{}` is {found}, expected {expected}", value.key);
        self.report(Finding {
            remedy: Some(format!("write {expected}")),
            ..Finding::new(Rule::WrongValue, Some(value.span()), what)
        });
        None
    }
}

/// How to add `key`.
fn addition(key: &str) -> String {
    match key {
        "version" => format!("add `version = {SOURCE_VERSION}`"),
        "machine" => "add a `[machine]`".into(),
        "image" => "add a `[partition.image]`".into(),
        key => format!("add `{key} = …`"),
    }
}

/// The version of the source form that `key` came with.
fn since(key: &str) -> u32 {
    let later = LATER_KEYS.iter().find(|(later, _)| *later == key);
    later.map_or(1, |(_, version)| *version)
}
