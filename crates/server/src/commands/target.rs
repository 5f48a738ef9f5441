//! Which server a command works on: one with a configuration file, or the folder of `passlink dev`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use passlink_engine::Engine;
use passlink_engine::caller::{Caller, RequestContext};
use std::sync::Arc;

use super::folder;
use crate::assemble;
use crate::config::{self, Config};
use crate::output::told;

/// `--config FILE` or `--data DIR`.
#[derive(Debug, Args)]
pub struct Target {
    /// The server's configuration file.
    #[arg(long, value_name = "FILE", env = "PASSLINK_CONFIG", required_unless_present = "data", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The folder of `passlink dev`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database of `passlink dev --database`.
    #[arg(long, value_name = "URL", requires = "data")]
    database: Option<String>,
}

impl Target {
    /// The configuration of the server.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> anyhow::Result<Config> {
        match (&self.data, &self.config) {
            (Some(data), _) => folder::config(data, self.database.as_deref(), None),
            (None, Some(file)) => config::load(file),
            (None, None) => anyhow::bail!("Give --config FILE or --data DIR"),
        }
    }

    /// An engine on the server's database, beside the one that runs there.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub async fn engine(&self) -> anyhow::Result<(Arc<Engine>, Config)> {
        let config = self.load()?;
        let sql = assemble::open_store(&config).await?;
        assemble::check_migrated(&sql).await?;
        let assembled = assemble::start(&config, sql).await.context("The server's parts do not fit together")?;
        Ok((assembled.engine, config))
    }
}

/// How events tell that a command did it.
pub fn context(command: &str) -> RequestContext {
    RequestContext { request_id: format!("command:{command}"), ..RequestContext::default() }
}

/// The operator, for one app.
///
/// # Errors
/// There is no such app; it names those there are.
pub fn operator(engine: &Engine, command: &str, app: &str) -> anyhow::Result<Caller> {
    engine.operator(&context(command), app).map_err(told)
}
