//! The configuration file as sections of keys, each with its line; nothing is judged here but the names of the sections.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{Place, Problems, nearest};
use super::{FIXED, MAPS};

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub place: Place,
}

/// A section: its full name (`server`, `senders.mail`) and what was given.
#[derive(Clone, Debug)]
pub struct Section {
    /// The full name, as problems show it.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// What was given.
    pub given: BTreeMap<String, Given>,
}

impl Section {
    /// A section in which nothing is given.
    pub fn empty(name: impl Into<String>, place: Place) -> Self {
        Self { name: name.into(), place, given: BTreeMap::new() }
    }
}

/// An app as written: its own keys and its clients.
#[derive(Clone, Debug)]
pub struct AppSections {
    /// `[apps.<name>]`.
    pub app: Section,
    /// `[[apps.<name>.clients]]`, in order.
    pub clients: Vec<Section>,
}

/// The whole configuration as written.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file's name.
    pub file: Arc<str>,
    /// The sections every configuration has, by name.
    pub fixed: BTreeMap<&'static str, Section>,
    /// The senders by name.
    pub senders: BTreeMap<String, Section>,
    /// The apps by name.
    pub apps: BTreeMap<String, AppSections>,
}

impl Document {
    /// A document in which nothing is given; `file` names it in problems.
    pub fn empty(file: &str) -> Self {
        let file: Arc<str> = file.into();
        let place = Place::File(Arc::clone(&file));
        let fixed = FIXED.iter().map(|part| (part.name, Section::empty(part.name, place.clone()))).collect();
        Self { file, fixed, senders: BTreeMap::new(), apps: BTreeMap::new() }
    }

    /// Reads a file's text. `None` when it is not TOML: every mistake of syntax is noted with its line.
    pub fn parse(file: &str, text: &str, problems: &mut Problems) -> Option<Self> {
        let mut document = Self::empty(file);
        let lines = Lines { file: Arc::clone(&document.file), text };
        let (table, mistakes) = DeTable::parse_recoverable(text);
        for mistake in &mistakes {
            let place = lines.place(mistake.span().map_or(0, |span| span.start));
            problems.note(&place, format!("this is not TOML: {}", mistake.message().trim().replace('\n', ", ")));
        }
        if !mistakes.is_empty() {
            return None;
        }
        document.fill(table.into_inner(), &lines, problems);
        Some(document)
    }

    fn fill(&mut self, table: DeTable<'_>, lines: &Lines<'_>, problems: &mut Problems) {
        for (key, value) in table {
            let place = lines.place(key.span().start);
            let name = key.into_inner();
            let DeValue::Table(inner) = value.into_inner() else {
                problems.note(&place, unknown_section(&name, "is not in a section"));
                continue;
            };
            if let Some(section) = self.fixed.get_mut(&*name) {
                section.place = place;
                section.given = values(inner, lines, problems);
            } else if MAPS.contains(&&*name) {
                for (key, value) in inner {
                    let place = lines.place(key.span().start);
                    let inner_name = key.into_inner().into_owned();
                    let full = format!("{name}.{inner_name}");
                    if !is_plain_name(&inner_name) {
                        problems.note(&place, format!("[{full}] must be named with 1 to 63 lower-case letters, digits or \"-\""));
                        continue;
                    }
                    let DeValue::Table(inner) = value.into_inner() else {
                        problems.note(&place, format!("{full} must be a section: write [{full}]"));
                        continue;
                    };
                    self.fill_named(&name, inner_name, Section::empty(full, place), inner, lines, problems);
                }
            } else {
                problems.note(&place, unknown_section(&name, "is not a known section"));
            }
        }
    }

    fn fill_named(
        &mut self,
        map: &str,
        name: String,
        mut section: Section,
        mut inner: DeTable<'_>,
        lines: &Lines<'_>,
        problems: &mut Problems,
    ) {
        if map == "senders" {
            section.given = values(inner, lines, problems);
            self.senders.insert(name, section);
            return;
        }
        let mut clients = Vec::new();
        let spot = inner.keys().find(|key| key.get_ref() == "clients").cloned();
        if let Some((spot, value)) = spot.and_then(|key| inner.remove_entry(&key)) {
            let full = format!("{}.clients", section.name);
            match value.into_inner() {
                DeValue::Array(entries) => {
                    for entry in entries {
                        let place = lines.place(entry.span().start);
                        match entry.into_inner() {
                            DeValue::Table(inner) => {
                                let given = values(inner, lines, problems);
                                clients.push(Section { name: full.clone(), place, given });
                            }
                            _ => problems.note(&place, format!("a client must be a section: write [[{full}]]")),
                        }
                    }
                }
                _ => problems
                    .note(&lines.place(spot.span().start), format!("clients are a list: write [[{full}]] with two brackets")),
            }
        }
        section.given = values(inner, lines, problems);
        self.apps.insert(name, AppSections { app: section, clients });
    }
}

/// What apps and senders may be called: such a name is also part of an environment variable.
pub fn is_plain_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn unknown_section(name: &str, what: &str) -> String {
    if let Some(part) = FIXED.iter().find(|part| part.keys.iter().any(|key| key.name == name)) {
        return format!("{name} {what}: it belongs into [{}]", part.name);
    }
    let known = FIXED.iter().map(|part| part.name).chain(MAPS);
    format!("{name} {what}; did you mean [{}]?", nearest(name, known).unwrap_or_default())
}

fn values(table: DeTable<'_>, lines: &Lines<'_>, problems: &mut Problems) -> BTreeMap<String, Given> {
    let mut given = BTreeMap::new();
    for (key, value) in table {
        let place = lines.place(key.span().start);
        match Value::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => {
                given.insert(key.into_inner().into_owned(), Given { value, place });
            }
            Err(_) => problems.note(&place, "this value cannot be read"),
        }
    }
    given
}

struct Lines<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        Place::Line(Arc::clone(&self.file), 1 + before.iter().filter(|b| **b == b'\n').count())
    }
}
