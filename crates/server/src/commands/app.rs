//! `passlink app`.

use std::io::Write;

use anyhow::{Context, bail};
use clap::Subcommand;
use passlink_engine::apps::AppSettings;
use passlink_engine::apps::store::Saved;
use serde::Deserialize;

use super::target::{Target, context};
use crate::config::apps::KEYS;
use crate::config::problem::nearest;
use crate::output::told;

/// List, show and change apps.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// The apps, oldest first; the first is the default app.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// All settings of an app, as they would stand in the configuration file.
    Show {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        name: String,
    },
    /// Make an app, or change some of its settings.
    #[command(after_help = "\
Example:
  passlink app save shop --config passlink.toml --set allowed_origins=https://shop.example.com \\
      --set sender=mail --set from_address=signin@example.com

The keys are those of [apps.<name>] in `passlink config print`; lists are separated by commas.")]
    Save {
        #[command(flatten)]
        target: Target,
        /// The app's name: lower-case letters, digits and "-".
        name: String,
        /// A setting; repeat it for more.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// A setting to put back to its default; repeat it for more.
        #[arg(long = "reset", value_name = "KEY")]
        resets: Vec<String>,
    },
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &AppCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        AppCommand::List { target } => {
            let (engine, _) = target.engine().await?;
            for app in engine.directory().apps() {
                writeln!(out, "{}  {}  made {}", app.name, app.display_name(), app.created_at)?;
            }
        }
        AppCommand::Show { target, name } => {
            let (engine, _) = target.engine().await?;
            let app = engine.operator(&context("app-show"), name).map_err(told)?.app;
            writeln!(out, "# id {}, made {}\n[apps.{name}]", app.id, app.created_at)?;
            write!(out, "{}", toml::to_string(&app.settings)?)?;
        }
        AppCommand::Save { target, name, settings, resets } => {
            let (engine, config) = target.engine().await?;
            let before = engine.directory().app_by_name(name).map(|app| app.settings.clone()).unwrap_or_default();
            let after = changed(&before, settings, resets)?;
            let (_, saved) = engine.save_app(&context("app-save"), name, after).await.map_err(told)?;
            let word = match saved {
                Saved::Created => "made",
                Saved::Changed => "changed",
                Saved::Unchanged => "unchanged",
            };
            writeln!(out, "{name}: {word}")?;
            if config.apps.contains_key(name) {
                writeln!(out, "The configuration file declares [apps.{name}]: at its next start the server takes that again.")?;
            }
        }
    }
    Ok(())
}

/// Settings with some of them changed.
fn changed(before: &AppSettings, settings: &[String], resets: &[String]) -> anyhow::Result<AppSettings> {
    let mut table = toml::Table::try_from(before)?;
    for name in resets {
        table.remove(known(name)?.name);
    }
    for setting in settings {
        let (name, text) = setting.split_once('=').with_context(|| format!("--set {setting}: write KEY=VALUE"))?;
        let key = known(name)?;
        let value = key.kind.read(text).map_err(|must| anyhow::anyhow!("{name} {must}"))?;
        table.insert(name.to_owned(), value);
    }
    Ok(AppSettings::deserialize(toml::Value::Table(table))?)
}

fn known(name: &str) -> anyhow::Result<&'static crate::config::key::Key> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    bail!("{name} is not a setting of apps; did you mean {}?", nearest(name, KEYS.iter().map(|key| key.name)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_settings_change_and_the_others_stay() {
        let before = AppSettings { display_name: Some("Shop".into()), pending_links: 9, ..AppSettings::default() };
        let set = ["allowed_origins=https://a.example.com, https://*.b.example.com".to_owned(), "native=true".to_owned()];
        let after = changed(&before, &set, &["pending_links".to_owned()]).unwrap();
        assert_eq!(after.allowed_origins.len(), 2);
        assert!(after.native);
        assert_eq!(after.pending_links, AppSettings::default().pending_links);
        assert_eq!(after.display_name.as_deref(), Some("Shop"));
        for (bad, told) in [
            ("opning=confirm", "did you mean opening"),
            ("native=perhaps", "native must be true or false"),
            ("native", "KEY=VALUE"),
        ] {
            let error = changed(&before, &[bad.to_owned()], &[]).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
