//! The server under test: started as an operator would, with limits out of the way, and watched through `/proc`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::{Error, Options};

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub start: Duration,
}

/// What the server consumed so far.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Processor time, user and system.
    pub processor: Duration,
    /// Resident memory, bytes.
    pub memory: u64,
}

impl Server {
    /// Starts it and waits until it answers.
    pub async fn start(
        options: &Options,
        folder: &Path,
        postgres: Option<&str>,
        receiver: SocketAddr,
        sends_mail: bool,
    ) -> Result<Self, Error> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("passlink.toml");
        let database = postgres.map_or_else(|| format!("sqlite:{}", folder.join("bench.db").display()), str::to_owned);
        let most = "1000000000 per 1h";
        std::fs::write(
            &config,
            format!(
                r#"[server]
listen = "{address}"
public_origin = "http://{address}"
secret = "benchmarks-need-no-secret-but-32-bytes"
data = "{folder}"
sends_mail = {sends_mail}
[database]
url = "{database}"
[log]
level = "warn"
[limits]
per_server = "{most}"
[senders.receiver]
kind = "webhook"
url = "http://{receiver}/"
secret = "whsec_YmVuY2htYXJrcyBuZWVkIG5vIHNlY3JldHMgYXQgYWxs"
allow_loopback_http = true
[apps.bench]
allowed_origins = ["https://app.example.com"]
default_origin = "https://app.example.com"
opening = "immediate"
link_lifetime = "1h"
sender = "receiver"
from_address = "signin@example.com"
limit_per_network = "{most}"
limit_per_app = "{most}"
limit_attempts_per_network = "{most}"
"#,
                folder = folder.display(),
            ),
        )?;
        let begun = Instant::now();
        let child = Command::new(&options.binary)
            // The server takes every PASSLINK_ variable for a setting and refuses those it does not know.
            .env_remove("PASSLINK_TEST_POSTGRES")
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut server = Self { child, address, start: Duration::ZERO };
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.ask(b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n").await.is_ok()
            {
                break;
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended at once: {status}").into());
            }
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("the server does not answer".into());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        server.start = begun.elapsed();
        Ok(server)
    }

    /// What it consumed so far.
    pub fn usage(&self) -> Result<Usage, Error> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(") ").ok_or("an unknown /proc format")?.1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let pages: u64 = fields[21].parse()?;
        // Linux counts in hundredths of a second and, on this architecture, pages of 4 KiB.
        Ok(Usage { processor: Duration::from_millis(ticks * 10), memory: pages * 4096 })
    }

    /// Ends it gracefully.
    pub fn stop(mut self) -> Result<(), Error> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an error; after `stop` there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
