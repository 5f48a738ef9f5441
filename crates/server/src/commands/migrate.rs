//! `passlink migrate`.

use std::io::Write;

use clap::Args;

use super::target::Target;
use crate::assemble;
use crate::output::told;

/// Bring the database's schema up to date; old and new servers may run meanwhile.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    target: Target,
}

/// Migrates.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &Migrate, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = command.target.load()?;
    let applied = assemble::open_store(&config).await?.migrate().await.map_err(told)?;
    for name in &applied {
        writeln!(out, "applied {name}")?;
    }
    if applied.is_empty() {
        writeln!(out, "The schema is up to date.")?;
    }
    Ok(())
}
