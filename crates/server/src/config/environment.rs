//! Every key as an environment variable: `PASSLINK_<SECTION>_<KEY>`, with dashes of names as underscores. A variable wins over the file.

use std::sync::Arc;

use super::document::{AppSections, Document, Given, Section};
use super::key::Key;
use super::problem::{Place, Problems, nearest};
use super::{FIXED, apps, is_plain_name, senders};

/// What all our variables begin with.
pub const PREFIX: &str = "PASSLINK_";

/// Variables that the command line reads, and not the configuration.
const OF_THE_COMMAND_LINE: [&str; 1] = ["PASSLINK_CONFIG"];

/// Puts the variables into the document; what matches no key is a problem, for it would be overlooked otherwise.
pub fn overlay(document: &mut Document, variables: impl IntoIterator<Item = (String, String)>, problems: &mut Problems) {
    let mut variables: Vec<(String, String)> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && !OF_THE_COMMAND_LINE.contains(&name.as_str()))
        .collect();
    variables.sort();
    for (name, text) in variables {
        let place = Place::Variable(name.clone());
        let found = find(document, &name[PREFIX.len()..]);
        let Some((section, key, named)) = found else {
            let known = known_names(document);
            let near = nearest(&name, known.iter().map(String::as_str)).unwrap_or_default();
            problems.note(&place, format!("matches no key; did you mean {near}?"));
            continue;
        };
        let value = if named == key.name { key.kind.read(&text) } else { Ok(toml::Value::String(text)) };
        match value {
            Ok(value) => {
                // The file may say the other of the two forms: the variable replaces both.
                section.given.remove(key.name);
                section.given.remove(&key.file_name());
                section.given.insert(named, Given { value, place });
            }
            Err(must) => problems.note(&place, must),
        }
    }
}

/// The key among `keys` that the upper-case text names, and under which of its names.
fn key_named<'k>(keys: impl Iterator<Item = &'k Key>, text: &str) -> Option<(&'k Key, String)> {
    keys.flat_map(|key| names(key).map(move |name| (key, name))).find(|(_, name)| name.to_ascii_uppercase() == text)
}

fn names(key: &Key) -> impl Iterator<Item = String> + use<> {
    [Some(key.name.to_owned()), key.from_file.then(|| key.file_name())].into_iter().flatten()
}

fn find<'d>(document: &'d mut Document, rest: &str) -> Option<(&'d mut Section, &'static Key, String)> {
    for part in FIXED {
        let keys = rest.strip_prefix(&format!("{}_", part.name.to_ascii_uppercase()));
        if let Some((key, named)) = keys.and_then(|text| key_named(part.keys.iter(), text)) {
            return Some((document.fixed.get_mut(part.name)?, key, named));
        }
    }
    let place = Place::File(Arc::clone(&document.file));
    if let Some(text) = rest.strip_prefix("SENDERS_") {
        let (name, key, named) = split(text, document.senders.keys(), |text| key_named(senders::all_keys(), text))?;
        let section = document.senders.entry(name.clone()).or_insert_with(|| Section::empty(format!("senders.{name}"), place));
        return Some((section, key, named));
    }
    let text = rest.strip_prefix("APPS_")?;
    let known: Vec<String> = document.apps.keys().cloned().collect();
    if let Some((name, number, key, named)) = split_client(text, known.iter()) {
        let sections = document.apps.entry(name.clone()).or_insert_with(|| new_app(&name, &place));
        // A number may name a client of the file, or be the next one.
        if number == sections.clients.len() {
            sections.clients.push(Section::empty(format!("apps.{name}.clients"), place));
        }
        return Some((sections.clients.get_mut(number)?, key, named));
    }
    let (name, key, named) = split(text, known.iter(), |text| key_named(apps::KEYS.iter(), text))?;
    let sections = document.apps.entry(name.clone()).or_insert_with(|| new_app(&name, &place));
    Some((&mut sections.app, key, named))
}

fn new_app(name: &str, place: &Place) -> AppSections {
    AppSections { app: Section::empty(format!("apps.{name}"), place.clone()), clients: Vec::new() }
}

/// Splits `<NAME>_<KEY>`: names that are known come first, then the split with the longest key.
fn split<'n>(
    text: &str,
    known: impl Iterator<Item = &'n String>,
    key: impl Fn(&str) -> Option<(&'static Key, String)>,
) -> Option<(String, &'static Key, String)> {
    for name in known {
        let rest = text.strip_prefix(&format!("{}_", in_variables(name)));
        if let Some((found, named)) = rest.and_then(&key) {
            return Some((name.clone(), found, named));
        }
    }
    text.match_indices('_').find_map(|(at, _)| {
        let name = text[..at].to_ascii_lowercase().replace('_', "-");
        let (found, named) = key(&text[at + 1..])?;
        is_plain_name(&name).then_some((name, found, named))
    })
}

/// Splits `<NAME>_CLIENTS_<NUMBER>_<KEY>`.
fn split_client<'n>(text: &str, known: impl Iterator<Item = &'n String>) -> Option<(String, usize, &'static Key, String)> {
    let (name, rest) = text.split_once("_CLIENTS_")?;
    let (number, rest) = rest.split_once('_')?;
    let (key, named) = key_named(apps::CLIENT_KEYS.iter(), rest)?;
    let name = known
        .into_iter()
        .find(|k| in_variables(k) == name)
        .cloned()
        .unwrap_or_else(|| name.to_ascii_lowercase().replace('_', "-"));
    Some((name, number.parse().ok()?, key, named))
}

/// A name as it stands in a variable.
pub fn in_variables(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

fn known_names(document: &Document) -> Vec<String> {
    let fixed = FIXED.iter().flat_map(|part| part.keys.iter().map(move |key| (part.name.to_owned(), key)));
    let senders = document.senders.keys().flat_map(|name| senders::all_keys().map(move |key| (format!("senders_{name}"), key)));
    let apps = document.apps.keys().flat_map(|name| apps::KEYS.iter().map(move |key| (format!("apps_{name}"), key)));
    fixed
        .chain(senders)
        .chain(apps)
        .flat_map(|(section, key)| {
            names(key).map(move |name| format!("{PREFIX}{}_{}", in_variables(&section), name.to_ascii_uppercase()))
        })
        .collect()
}
