//! A section whose every value has been checked against its keys, with the files of secrets read.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Value;

use super::FIXED;
use super::document::{Given, Section};
use super::key::{Key, Shown};
use super::problem::{Place, Problems, nearest};

/// A checked section: what was given and is sound; the rest has been noted.
#[derive(Debug)]
pub struct Settled {
    section: Section,
    keys: Vec<&'static Key>,
}

impl Settled {
    /// Checks a section: unknown keys, values of the wrong kind, files that cannot be read, keys that are missing.
    pub fn new(section: Section, keys: impl IntoIterator<Item = &'static Key>, problems: &mut Problems) -> Self {
        let keys: Vec<&'static Key> = keys.into_iter().collect();
        let mut settled = Self { section: Section { given: BTreeMap::new(), ..section.clone() }, keys };
        let mut wanting: Vec<&str> =
            settled.keys.iter().filter(|k| matches!(k.shown, Shown::Required(_))).map(|k| k.name).collect();
        for (name, given) in &section.given {
            let by_value = settled.keys.iter().find(|key| key.name == name).copied();
            let by_file = || settled.keys.iter().find(|key| key.from_file && key.file_name() == *name).copied();
            let Some(key) = by_value.or_else(by_file) else {
                problems.note(&given.place, settled.unknown(name));
                continue;
            };
            wanting.retain(|wanted| *wanted != key.name);
            let is_file = by_value.is_none();
            if is_file && section.given.contains_key(key.name) {
                problems.note(&given.place, format!("{}: give either {} or {name}, not both", section.name, key.name));
                continue;
            }
            let given = if is_file { read_file(&section.name, name, given) } else { Ok(given.clone()) };
            let checked = given.and_then(|given| match key.kind.check(&given.value) {
                Ok(()) => Ok(given),
                Err(must) => Err((given.place, format!("{}.{name} {must}", section.name))),
            });
            match checked {
                Ok(given) => drop(settled.section.given.insert(key.name.to_owned(), given)),
                Err((place, message)) => problems.note(&place, message),
            }
        }
        for name in wanting {
            let Some(key) = settled.keys.iter().find(|key| key.name == name) else { continue };
            let or_file = if key.from_file { format!(" (or {})", key.file_name()) } else { String::new() };
            problems.note(
                &section.place,
                format!("{}.{name}{or_file} is missing, for example {name} = {}", section.name, key.shown_text()),
            );
        }
        settled
    }

    fn unknown(&self, name: &str) -> String {
        let full = format!("{}.{name}", self.section.name);
        let names: Vec<String> = self
            .keys
            .iter()
            .flat_map(|key| [Some(key.name.to_owned()), key.from_file.then(|| key.file_name())])
            .flatten()
            .collect();
        let elsewhere = FIXED.iter().find(|part| part.name != self.section.name && part.keys.iter().any(|key| key.name == name));
        if let Some(part) = elsewhere {
            return format!("{full} is not a known key: {name} belongs into [{}]", part.name);
        }
        format!(
            "{full} is not a known key; did you mean {}?",
            nearest(name, names.iter().map(String::as_str)).unwrap_or_default()
        )
    }

    /// The value given, else the default. `None` when there is neither, or when the value was refused and has no default.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let given = self.section.given.get(name).map(|given| given.value.clone());
        let default = || self.keys.iter().find(|key| key.name == name)?.default_value();
        given.or_else(default)?.try_into().ok()
    }

    /// The raw value given.
    pub fn given(&self, name: &str) -> Option<&Given> {
        self.section.given.get(name)
    }

    /// Where a value came from; the section when it was not given.
    pub fn place(&self, name: &str) -> &Place {
        self.section.given.get(name).map_or(&self.section.place, |given| &given.place)
    }

    /// The section's full name.
    pub fn name(&self) -> &str {
        &self.section.name
    }

    /// What was given, as a table.
    pub fn table(&self) -> toml::Table {
        self.section.given.iter().map(|(name, given)| (name.clone(), given.value.clone())).collect()
    }
}

/// The content of the file without the line break at its end.
fn read_file(section: &str, name: &str, given: &Given) -> Result<Given, (Place, String)> {
    let refused = |message: String| (given.place.clone(), format!("{section}.{name} {message}"));
    let path = given.value.as_str().ok_or_else(|| refused("must be the path of a file, in quotes".to_owned()))?;
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("names {path}, which cannot be read: {error}")))?;
    let value = Value::String(text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(Given { value, place: given.place.clone() })
}
