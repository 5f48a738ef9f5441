//! `[database]`: where data is kept.

use std::path::Path;

use passlink_store::DatabaseSettings;

use super::Part;
use super::key::Key;
use super::kind::Kind;
use super::problem::Problems;
use super::settled::Settled;

/// The section.
pub const PART: Part =
    Part { name: "database", doc: "Where data is kept: one file by default, or PostgreSQL for several replicas.", keys: KEYS };

/// The database's file in the data folder.
pub const FILE: &str = "passlink.db";

const KEYS: &[Key] = &[
    Key::optional(
        "url",
        Kind::Text,
        "\"postgres://passlink:password@db.example.com/passlink?sslmode=verify-full\"",
        "\"sqlite:<path>\" or \"postgres://…\"; by default sqlite with the file passlink.db in the data folder.",
    )
    .secret(),
    Key::new("readers", Kind::Whole(1, 512), "4", "Connections (PostgreSQL) or threads (sqlite) that read."),
    Key::new(
        "migrate_at_start",
        Kind::Flag,
        "true",
        "Bring the schema up to date at start, under a lock; otherwise `passlink migrate` must have done it.",
    ),
    Key::optional(
        "postgres_ca_certificates",
        Kind::Text,
        "\"-----BEGIN CERTIFICATE-----…\"",
        "Certificates (PEM) of authorities to trust for PostgreSQL besides the system's.",
    )
    .or_file(),
];

/// The section, read.
pub struct Database {
    /// For the store.
    pub settings: DatabaseSettings,
    /// Whether `serve` migrates.
    pub migrate_at_start: bool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_tuple("Database").field(&self.kind()).finish()
    }
}

impl Database {
    pub(super) fn read(section: &Settled, data: &Path, problems: &mut Problems) -> Option<Self> {
        let url: Option<String> = section.read("url");
        if url
            .as_deref()
            .is_some_and(|url| !["sqlite:", "postgres://", "postgresql://"].iter().any(|known| url.starts_with(known)))
        {
            problems.note(section.place("url"), "database.url must begin with \"sqlite:\" or \"postgres://\"");
        }
        let settings = DatabaseSettings {
            url: url.unwrap_or_else(|| format!("sqlite:{}", data.join(FILE).display())),
            readers: section.read("readers")?,
            postgres_ca_certificates: section.read("postgres_ca_certificates"),
        };
        Some(Self { settings, migrate_at_start: section.read("migrate_at_start")? })
    }

    /// `sqlite` or `postgres`, for the operator.
    pub fn kind(&self) -> &'static str {
        if self.settings.url.starts_with("sqlite:") { "sqlite" } else { "postgres" }
    }
}
