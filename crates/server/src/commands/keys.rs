//! `passlink keys`.

use std::io::Write;

use anyhow::bail;
use clap::Subcommand;
use passlink_engine::Engine;

use super::target::{Target, context, operator};
use crate::output::told;

/// The keys that sign tokens.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Publish a new key, which signs as soon as everybody who caches keys has seen it; the old one retires by itself.
    Rotate {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        #[arg(long)]
        app: String,
    },
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &KeysCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    let KeysCommand::Rotate { target, app } = command;
    let (engine, _) = target.engine().await?;
    let caller = operator(&engine, "keys-rotate", app)?;
    let newest = |engine: &Engine| engine.directory().keys_of(caller.app.id).map(|key| key.id).max();
    let before = newest(&engine);
    engine.rotate_signing_key(&context("keys-rotate"), caller.app.id).await.map_err(told)?;
    if newest(&engine) == before {
        bail!("The newest key of {app} was made less than a minute ago, so none was added; try again in a minute");
    }
    for key in engine.directory().keys_of(caller.app.id) {
        writeln!(out, "{}  signs from {}", key.id, key.signs_from)?;
    }
    writeln!(out, "The new key is published now and signs in {}.", Engine::KEY_LEAD)?;
    Ok(())
}
