//! One process of the real binary.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::wire::{Answer, NoAnswer, ask, request};

/// A running server; killed when dropped.
pub struct Process {
    child: Child,
    pub port: u16,
}

impl Process {
    /// The real binary.
    pub fn program() -> &'static Path {
        Path::new(env!("CARGO_BIN_EXE_passlink"))
    }

    /// The same as a command, which knows nothing of the variables here.
    pub fn command() -> Command {
        let mut command = Command::new(Self::program());
        command.env_clear();
        command
    }

    pub fn spawn(mut command: Command, configuration: &Path, port: u16, log: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let child = command
            .args(["serve", "--config"])
            .arg(configuration)
            .env("PASSLINK_SERVER_LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        Self { child, port }
    }

    /// Waits until it is ready for requests.
    pub async fn ready(&mut self) {
        let start = Instant::now();
        while !self.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
            assert_eq!(self.child.try_wait().expect("a child"), None, "the server ended while it started");
            assert!(start.elapsed() < crate::support::PATIENCE, "the server does not become ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        ask(self.port, &request("GET", path, &[], "")).await
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it has no chance to do anything more.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Waits until it has ended by itself, and not in order.
    pub async fn aborted(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.signal().is_some(), "it ended in order: {status}");
                return;
            }
            assert!(start.elapsed() < crate::support::PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM; answers the exit code and how long it took.
    pub async fn terminate(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        signal(self.id(), "TERM");
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status.code(), start.elapsed());
            }
            assert!(start.elapsed() < crate::support::PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that the test started.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{name} to {process}");
}
