//! The configuration: a file, the environment and files with secrets become one [`Config`], or a list of everything that is wrong with them.
//!
//! Each section has its file here, with its table of keys ([`key::Key`]) and the struct that the rest of the server uses. The tables are
//! the only place where a key is written down: [`template`] prints them, [`environment`] matches variables with them, [`settled`] checks by them.

pub mod apps;
pub mod database;
pub mod document;
pub mod environment;
pub mod key;
pub mod kind;
pub mod limits;
pub mod log;
pub mod problem;
pub mod senders;
pub mod server;
pub mod settled;
pub mod template;
pub mod templates;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use passlink_delivery::SenderSettings;

use apps::DeclaredApp;
use database::Database;
use document::{Document, is_plain_name};
use key::Key;
use limits::Limits;
use log::Log;
use problem::Problems;
use server::Server;
use settled::Settled;
use templates::TemplateFiles;

/// A section every configuration has.
#[derive(Debug)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// One or two sentences for the template.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// The sections every configuration has, in the template's order.
pub const FIXED: &[Part] = &[server::PART, database::PART, log::PART, limits::PART, templates::PART];

/// The sections that hold named sections.
pub const MAPS: [&str; 2] = ["senders", "apps"];

/// Everything that can be configured, checked.
#[derive(Debug)]
pub struct Config {
    /// Addresses, secret, TLS and the listener's limits.
    pub server: Server,
    /// Where data is kept.
    pub database: Database,
    /// What is logged, and how.
    pub log: Log,
    /// Limits of the server as a whole.
    pub limits: Limits,
    /// Overrides of the texts of messages.
    pub templates: TemplateFiles,
    /// The senders by name.
    pub senders: BTreeMap<String, SenderSettings>,
    /// Apps and clients to make or change at start.
    pub apps: BTreeMap<String, DeclaredApp>,
}

/// Reads a configuration file, with the process's environment over it.
///
/// # Errors
/// The file cannot be read, or [`Problems`].
pub fn load(file: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("{} cannot be read. `passlink config print > {}` writes one to start from", file.display(), file.display())
    })?;
    let variables =
        std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    Ok(read(&file.display().to_string(), &text, variables)?)
}

/// Reads a configuration from a text and variables; `file` names the text in problems.
///
/// # Errors
/// Everything that is wrong.
pub fn read(file: &str, text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    // When the text is not even TOML, what is missing in it is not news.
    let Some(mut document) = Document::parse(file, text, &mut problems) else { return Err(problems) };
    environment::overlay(&mut document, variables, &mut problems);
    let config = settle(document, &mut problems);
    match config {
        Some(config) if problems.0.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

fn settle(mut document: Document, problems: &mut Problems) -> Option<Config> {
    let mut fixed = FIXED.iter().map(|part| {
        let section = document.fixed.remove(part.name);
        Some(Settled::new(section?, part.keys, problems))
    });
    let mut next = || fixed.next().flatten();
    let (server, database, log, limits, templates) = (next()?, next()?, next()?, next()?, next()?);
    drop(fixed);
    let server = Server::read(&server, problems);
    let senders = senders::read_all(document.senders, problems);
    let apps = apps::read_all(document.apps, &senders.names, problems);
    let server = server?;
    Some(Config {
        database: Database::read(&database, &server.data, problems)?,
        log: Log::read(&log)?,
        limits: Limits::read(&limits)?,
        templates: TemplateFiles::read(&templates, problems),
        senders: senders.settings,
        apps,
        server,
    })
}

impl Config {
    /// What a server with nothing but a data folder and a secret runs with.
    ///
    /// # Errors
    /// Those of the variables given here, which is a defect.
    pub fn of_folder(settings: &BTreeMap<&str, String>) -> Result<Self, Problems> {
        let variables = settings.iter().map(|(name, value)| (format!("{}{name}", environment::PREFIX), value.clone()));
        let mut problems = Problems::default();
        let mut document = Document::empty("the data folder");
        environment::overlay(&mut document, variables, &mut problems);
        match settle(document, &mut problems) {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }
}
