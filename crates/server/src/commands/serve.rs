//! `passlink serve`.

use std::path::PathBuf;

use clap::Args;
use passlink_store::Failpoint;

use super::long;
use crate::config;
use crate::listener::bind;
use crate::stop::Signals;
use crate::{run, telemetry};

/// Run the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  passlink config print > passlink.toml
  passlink serve --config passlink.toml

It stops on SIGTERM or SIGINT, after requests in progress have ended.")]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "PASSLINK_CONFIG")]
    config: PathBuf,
}

/// Serves until a signal comes.
///
/// # Errors
/// A sentence that says what to do.
pub fn run(command: &Serve) -> anyhow::Result<()> {
    let config = config::load(&command.config)?;
    if cfg!(debug_assertions)
        && let Ok(name) = std::env::var("FAILPOINT")
    {
        anyhow::ensure!(Failpoint::arm(&name), "there is no failpoint {name}");
    }
    telemetry::log(&config.log)?;
    long(config.server.workers, async {
        let mut signals = Signals::listen()?;
        let listener = bind(config.server.listen, "server.listen").await?;
        // A start may take long, while a database is away or migrates: it can be given up.
        let ready = tokio::select! {
            ready = run::prepare(&config, listener, false) => ready?,
            _ = signals.received() => return Ok(()),
        };
        ready.run(signals.received()).await
    })
}
