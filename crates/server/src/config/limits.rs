//! `[limits]`: limits of the server as a whole; each app has its own besides.

use passlink_engine::limits::Limit;

use super::Part;
use super::key::Key;
use super::kind::Kind;
use super::settled::Settled;

/// The section.
pub const PART: Part =
    Part { name: "limits", doc: "Limits of the server as a whole; those of each app stand in its own section.", keys: KEYS };

const KEYS: &[Key] = &[Key::new("per_server", Kind::Limit, "\"6000 per 1m\"", "Mails all apps together may ask for.")];

/// The section, read.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Mails all apps together may ask for.
    pub per_server: Limit,
}

impl Limits {
    pub(super) fn read(section: &Settled) -> Option<Self> {
        Some(Self { per_server: section.read("per_server")? })
    }
}
