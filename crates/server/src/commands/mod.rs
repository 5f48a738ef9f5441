//! The command line: one file for each command. Exit codes: 0 done, 1 failed, 2 used wrongly, 3 done for a part (an import that
//! skipped somebody).

pub mod app;
pub mod client;
pub mod configuration;
pub mod dev;
pub mod events;
pub mod folder;
pub mod import;
pub mod keys;
pub mod link;
pub mod migrate;
pub mod outbox;
pub mod serve;
pub mod target;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::output;
use crate::system::SystemEntropy;

/// Magic-link sign-in on your own server.
#[derive(Debug, Parser)]
#[command(
    name = "passlink",
    version,
    about,
    max_term_width = 110,
    after_help = "\
Examples:
  passlink dev                                       try it: no configuration needed
  passlink config print > passlink.toml              a commented configuration to start from
  passlink check-config passlink.toml                everything that is wrong with it
  passlink serve --config passlink.toml              production
  passlink events --data passlink-data --email ada@example.com    why did my link not work?"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine with a demo app and a built-in inbox; needs no configuration.
    Dev(dev::Dev),
    /// Run the server.
    Serve(serve::Serve),
    /// Bring the database's schema up to date.
    Migrate(migrate::Migrate),
    /// Tell everything that is wrong with a configuration file, or "ok".
    CheckConfig(configuration::CheckConfig),
    /// The commented configuration with all defaults.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// List, show and change apps.
    #[command(subcommand)]
    App(app::AppCommand),
    /// Make, list and revoke the credentials of backends.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Make links by hand.
    #[command(subcommand)]
    Link(link::LinkCommand),
    /// Bring users over from another server.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// What happened to a link or to the links of an address, newest first.
    Events(events::Events),
    /// Mail that could not be sent.
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// The keys that sign tokens.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    // TLS is used by the listener, by PostgreSQL and by senders; they must agree on who computes it. A second call would change nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    SystemEntropy::warm_up();
    let cli = Cli::parse();
    match run(cli, &mut output::standard()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output had enough of it (`passlink events | head`).
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        // What was skipped has been told.
        Err(error) if error.is::<output::Partly>() => ExitCode::from(3),
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say; what there is to read goes to `out`.
///
/// # Errors
/// A sentence that says what to do.
pub fn run(cli: Cli, out: &mut dyn Write) -> anyhow::Result<()> {
    match cli.command {
        Command::Dev(command) => dev::run(&command, out),
        Command::Serve(command) => serve::run(&command),
        Command::Migrate(command) => once(migrate::run(&command, out)),
        Command::CheckConfig(command) => configuration::check(&command, out),
        Command::Config(command) => configuration::run(&command, out),
        Command::App(command) => once(app::run(&command, out)),
        Command::Client(command) => once(client::run(&command, out)),
        Command::Link(command) => once(link::run(&command, out)),
        Command::Import(command) => once(import::run(&command, out)),
        Command::Events(command) => once(events::run(&command, out)),
        Command::Outbox(command) => once(outbox::run(&command, out)),
        Command::Keys(command) => once(keys::run(&command, out)),
    }
}

/// Runs something short on this thread.
fn once<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot start")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Runs a server, with so many threads.
fn long<T>(workers: Option<usize>, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build().context("The runtime cannot start")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
