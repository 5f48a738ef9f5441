//! One key of the configuration: its name, what it may hold, its default and its sentence. The tables made of these are at once the schema,
//! the commented template and the list of environment variables.

use toml::Value;

use super::kind::Kind;

/// What the template shows behind a key, as TOML.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// The value when nothing is given.
    Default(&'static str),
    /// Nothing is given by default; this is an example.
    Example(&'static str),
    /// It must be given; this is an example.
    Required(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name within the section.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Its default or an example.
    pub shown: Shown,
    /// One sentence.
    pub doc: &'static str,
    /// Its value is never printed, not even in an error.
    pub secret: bool,
    /// It may be given as `<name>_file`, whose content is then the value.
    pub from_file: bool,
}

impl Key {
    /// A key with a default.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, shown: Shown::Default(default), doc, secret: false, from_file: false }
    }

    /// A key that is not set by default.
    pub const fn optional(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Self {
        Self { name, kind, shown: Shown::Example(example), doc, secret: false, from_file: false }
    }

    /// A key that must be given.
    pub const fn required(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Self {
        Self { name, kind, shown: Shown::Required(example), doc, secret: false, from_file: false }
    }

    /// The same key, holding a secret: also as `<name>_file`, and never printed.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self.from_file = true;
        self
    }

    /// The same key, also as `<name>_file`.
    pub const fn or_file(mut self) -> Self {
        self.from_file = true;
        self
    }

    /// The name under which a file with the value is given.
    pub fn file_name(&self) -> String {
        format!("{}_file", self.name)
    }

    /// The default, when there is one.
    pub fn default_value(&self) -> Option<Value> {
        match self.shown {
            Shown::Default(text) => literal(text),
            Shown::Example(_) | Shown::Required(_) => None,
        }
    }

    /// What the template shows.
    pub fn shown_text(&self) -> &'static str {
        match self.shown {
            Shown::Default(text) | Shown::Example(text) | Shown::Required(text) => text,
        }
    }
}

/// The value a TOML literal stands for.
pub fn literal(text: &str) -> Option<Value> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    table.remove("value")
}
