//! `[log]`: what is logged, and how.

use serde::Deserialize;

use super::Part;
use super::key::Key;
use super::kind::Kind;
use super::settled::Settled;

/// The section.
pub const PART: Part = Part {
    name: "log",
    doc: "Logs go to standard error. They never hold secrets, whole addresses or query strings.",
    keys: KEYS,
};

const KEYS: &[Key] = &[
    Key::new(
        "level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "\"info\"",
        "The least important lines still written.",
    ),
    Key::new("format", Kind::Choice(&["json", "text"]), "\"json\"", "One JSON object a line, or text for people."),
];

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// The section, read.
#[derive(Clone, Debug)]
pub struct Log {
    /// The least important level still written.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Log {
    pub(super) fn read(section: &Settled) -> Option<Self> {
        Some(Self { level: section.read("level")?, format: section.read("format")? })
    }
}
