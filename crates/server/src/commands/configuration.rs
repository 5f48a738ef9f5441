//! `passlink check-config` and `passlink config print`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config;
use crate::config::template::template;
use crate::listener::tls::Certificate;

/// Tell everything that is wrong with a configuration, or "ok" with a summary. The environment counts, as it does for `serve`.
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The commented configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a commented configuration with all defaults.
    Print,
}

/// Prints the template.
///
/// # Errors
/// It cannot be written.
pub fn run(command: &ConfigCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Print => out.write_all(template().as_bytes())?,
    }
    Ok(())
}

/// Checks a file.
///
/// # Errors
/// Everything that is wrong.
pub fn check(command: &CheckConfig, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = config::load(&command.file)?;
    if let Some(files) = config.server.tls.clone() {
        Certificate::load(files)?;
    }
    let tls = if config.server.tls.is_some() { "with TLS" } else { "without TLS" };
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    writeln!(out, "ok")?;
    writeln!(out, "  links begin with  {}", config.server.public_origin)?;
    writeln!(out, "  listens on        {} {tls}", config.server.listen)?;
    writeln!(out, "  database          {}", config.database.kind())?;
    writeln!(out, "  senders           {}", names(config.senders.keys().map(String::as_str).collect()))?;
    let apps = config.apps.iter().map(|(name, app)| format!("{name} ({} clients)", app.clients.len())).collect::<Vec<_>>();
    writeln!(out, "  declared apps     {}", names(apps.iter().map(String::as_str).collect()))?;
    Ok(())
}
