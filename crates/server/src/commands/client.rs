//! `passlink client`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::Scopes;
use passlink_engine::secret::Secret;
use passlink_engine::time::{Lifetime, Timestamp};

use super::target::{Target, operator};
use crate::config::kind::instant;
use crate::output::told;

/// Make, list and revoke the credentials of backends.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Make a client and show its secret, this once.
    #[command(after_help = "\
Examples:
  passlink client create --config passlink.toml --app shop --label backend
  passlink client create --config passlink.toml --app shop --client-id project-live-1 --client-secret-file old-secret.txt")]
    Create {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        #[arg(long)]
        app: String,
        /// The id, when it must be a certain one; drawn otherwise.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// A file with the secret, when it must be a certain one; drawn otherwise.
        #[arg(long, value_name = "FILE")]
        client_secret_file: Option<PathBuf>,
        /// What it may do, separated by spaces.
        #[arg(long, default_value = "*")]
        scopes: String,
        /// Your own note.
        #[arg(long)]
        label: Option<String>,
        /// When it ends: an instant such as 2027-01-31T00:00:00Z, or a time from now such as 90d.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// The clients of an app, oldest first.
    List {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        #[arg(long)]
        app: String,
    },
    /// Revoke a client at once and for ever.
    Revoke {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        #[arg(long)]
        app: String,
        /// The client's id.
        client_id: String,
    },
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &ClientCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        ClientCommand::Create { target, app, client_id, client_secret_file, scopes, label, expires } => {
            let (engine, _) = target.engine().await?;
            let caller = operator(&engine, "client-create", app)?;
            let client_secret = client_secret_file.as_ref().map(|path| {
                let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
                anyhow::Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            });
            let is_chosen = client_secret.is_some();
            let client = SaveClient {
                client_id: client_id.clone(),
                client_secret: client_secret.transpose()?,
                scopes: Scopes::parse(scopes),
                label: label.clone(),
                expires_at: expires.as_deref().map(|text| when(text, engine.now())).transpose()?,
            };
            let saved = engine.save_client(&caller, client).await.map_err(told)?;
            writeln!(out, "client_id      {}", saved.client_id)?;
            if is_chosen {
                writeln!(out, "client_secret  as in the file")?;
            } else {
                writeln!(out, "client_secret  {}", saved.client_secret.expose())?;
                writeln!(out, "The secret is kept only as a hash: note it now.")?;
            }
        }
        ClientCommand::List { target, app } => {
            let (engine, _) = target.engine().await?;
            let clients = engine.list_clients(&operator(&engine, "client-list", app)?).await.map_err(told)?;
            if clients.is_empty() {
                writeln!(out, "{app} has no clients; `passlink client create --app {app}` makes one.")?;
            }
            for client in clients {
                let state = match (client.revoked_at, client.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(end)) if end <= engine.now() => format!("expired {end}"),
                    (None, Some(end)) => format!("until {end}"),
                    (None, None) => "live".to_owned(),
                };
                let label = client.label.as_deref().unwrap_or("-");
                writeln!(
                    out,
                    "{}  {state}  scopes {}  label {label}  made {}",
                    client.client_id, client.scopes, client.created_at
                )?;
            }
        }
        ClientCommand::Revoke { target, app, client_id } => {
            let (engine, _) = target.engine().await?;
            engine.revoke_client(&operator(&engine, "client-revoke", app)?, client_id).await.map_err(told)?;
            writeln!(out, "{client_id} is revoked")?;
        }
    }
    Ok(())
}

/// An instant, or a time from now.
fn when(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(lifetime) = Lifetime::parse(text) {
        return Ok(now.plus(lifetime));
    }
    instant(&toml::Value::from(text))
        .map_err(|_| anyhow::anyhow!("--expires {text}: write an instant such as 2027-01-31T00:00:00Z, or 90d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_instant_or_a_time_from_now() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(when("1h", now).unwrap(), now.plus(Lifetime::from_minutes(60)));
        assert_eq!(when("2027-01-31T00:00:00Z", now).unwrap().to_rfc3339(), "2027-01-31T00:00:00Z");
        assert!(when("tomorrow", now).is_err());
    }
}
