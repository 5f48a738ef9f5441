//! `passlink outbox`.

use std::io::Write;

use anyhow::{Context, bail};
use clap::Subcommand;
use passlink_engine::ids::MessageId;

use super::target::{Target, operator};
use crate::output::told;

/// Mail that could not be sent.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Messages that will not go, newest first, each with the last failure.
    Dead {
        #[command(flatten)]
        target: Target,
        /// Only of this app.
        #[arg(long)]
        app: Option<String>,
        /// How many of each app.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Try a dead message again, as long as its link has time left.
    Requeue {
        #[command(flatten)]
        target: Target,
        /// The message's id.
        id: String,
    },
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &OutboxCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        OutboxCommand::Dead { target, app, limit } => {
            let (engine, _) = target.engine().await?;
            let names: Vec<String> = match app {
                Some(app) => vec![app.clone()],
                None => engine.directory().apps().iter().map(|app| app.name.clone()).collect(),
            };
            let mut count = 0;
            for name in names {
                for message in engine.dead_messages(&operator(&engine, "outbox-dead", &name)?, *limit).await.map_err(told)? {
                    count += 1;
                    let why = message.last_error.as_deref().unwrap_or("unknown").replace(char::is_control, " ");
                    let (id, attempts, link) = (message.id, message.attempts, message.link);
                    writeln!(out, "{id}  app {name}  link {link}  queued {}  attempts {attempts}  {why}", message.created_at)?;
                }
            }
            if count == 0 {
                writeln!(out, "No dead messages.")?;
            }
        }
        OutboxCommand::Requeue { target, id } => {
            let id: MessageId =
                id.parse().with_context(|| format!("{id} is no id of a message; `passlink outbox dead` lists them"))?;
            let (engine, _) = target.engine().await?;
            let Some(app) = engine.directory().default_app() else { bail!("There are no apps, hence no messages") };
            engine.requeue_message(&operator(&engine, "outbox-requeue", &app.name)?, id).await.map_err(told)?;
            writeln!(out, "{id} waits again; the running server sends it within a second")?;
        }
    }
    Ok(())
}
