//! `scripts/bench`: drives the release binary over HTTP on loopback and prints requests a second, latencies and processor time, each beside
//! two references of the same run: the same server answering a constant, and inserts with one sync each.
//!
//! Absolute figures mean little on a shared machine; the ratios to the references, and processor time for each operation, carry over.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod client;
mod phases;
mod receiver;
mod reference;
mod server;

use std::path::PathBuf;
use std::time::Duration;

/// What to measure.
#[derive(Clone)]
pub struct Options {
    /// The binary under test.
    pub binary: PathBuf,
    /// A PostgreSQL to measure too: `postgres://…`.
    pub postgres: Option<String>,
    /// How long each figure is measured.
    pub time: Duration,
    /// The constant rate, requests a second.
    pub rate: u32,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let binary =
        PathBuf::from(arguments.next().ok_or("usage: passlink-bench BINARY [SECONDS]; PASSLINK_TEST_POSTGRES adds PostgreSQL")?);
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let postgres = std::env::var("PASSLINK_TEST_POSTGRES").ok();
    let options = Options { binary, postgres, time: Duration::from_secs_f64(seconds), rate: 2000 };
    phases::run(&options, None).await?;
    if let Some(url) = options.postgres.clone() {
        phases::run(&options, Some(&url)).await?;
    }
    Ok(())
}
