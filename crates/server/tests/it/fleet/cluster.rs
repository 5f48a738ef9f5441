//! A PostgreSQL of the test's own, to be stopped, frozen and started again. It is found as `scripts/postgres-for-tests` finds it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::passage::Passage;
use super::syncs::Syncs;
use super::wire::free_port;

/// A cluster; gone when dropped.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    /// Who runs it, when the tests run as root, whom PostgreSQL refuses.
    user: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
    frozen: Vec<u32>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut cluster = Self::made();
        cluster.begin().await;
        cluster
    }

    /// The same, with all its syncs watched.
    pub async fn watched(syncs: &Syncs) -> Self {
        let mut cluster = Self::made();
        let command = syncs.of(&cluster.programs.join("postgres"));
        cluster.begin_as(command).await;
        cluster
    }

    /// A standby of this one, which from now on acknowledges nothing that the standby does not have. It follows by way of `passage`.
    pub async fn standby(&self, passage: &Passage) -> Self {
        let mut standby = Self::empty();
        let from = ["-h", "127.0.0.1", "-U", "postgres", "-p", &passage.port.to_string()].map(str::to_owned);
        let arguments = ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"];
        let mut copy = standby.program("pg_basebackup");
        let copied = copy.args(from).args(arguments).arg(standby.data()).status().expect("pg_basebackup runs");
        assert!(copied.success(), "pg_basebackup failed");
        standby.begin().await;
        let client = self.client().await;
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.expect("a setting");
        client.batch_execute("SELECT pg_reload_conf()").await.expect("it is read");
        let start = Instant::now();
        let synchronous = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while client.query(synchronous, &[]).await.expect("a list").is_empty() {
            assert!(start.elapsed() < crate::support::PATIENCE, "the standby does not follow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        standby
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        let promoted = self.client().await.query_one("SELECT pg_promote(true, 15)", &[]).await.expect("an answer");
        assert!(promoted.get::<_, bool>(0), "the standby is not promoted");
    }

    /// Stops it in order and starts it again as one that only follows.
    pub async fn demote(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(server.id(), "INT");
            server.wait().expect("it ends");
        }
        let sign = self.data().join("standby.signal");
        std::fs::write(&sign, "").expect("the data folder is there");
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&sign, Some(user), Some(group)).expect("the file is given away");
        }
        self.begin().await;
    }

    async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("PostgreSQL answers");
        tokio::spawn(connection);
        client
    }

    fn made() -> Self {
        let cluster = Self::empty();
        let arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        let made = cluster.program("initdb").args(arguments).arg(cluster.data()).status().expect("initdb runs");
        assert!(made.success(), "initdb failed");
        cluster
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let user = (number("id", &["-u"]) == 0).then(|| (number("id", &["-u", "postgres"]), number("id", &["-g", "postgres"])));
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).expect("the folder is given away");
        }
        Self { folder, programs: programs(), user, port: free_port(), server: None, frozen: Vec::new() }
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres?sslmode=disable", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        self.prepared(Command::new(self.programs.join(name)))
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it, and waits until it answers.
    pub async fn begin(&mut self) {
        self.begin_as(Command::new(self.programs.join("postgres"))).await;
    }

    async fn begin_as(&mut self, command: Command) {
        let mut command = self.prepared(command);
        command.arg("-D").arg(self.data()).args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.folder.path().display()));
        self.server = Some(command.spawn().expect("postgres runs"));
        let start = Instant::now();
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            assert!(start.elapsed() < crate::support::PATIENCE, "PostgreSQL does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it as a crash would: connections are cut, nothing is finished.
    pub fn end(&mut self) {
        self.thaw();
        if let Some(mut server) = self.server.take() {
            signal(server.id(), "QUIT");
            server.wait().expect("it ends");
        }
    }

    /// Its processes stay, and do nothing any more: connections hang.
    pub async fn freeze(&mut self) {
        let client = self.client().await;
        let server = self.server.as_ref().expect("it runs").id();
        // First the one that would start others.
        signal(server, "STOP");
        let others = client.query("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()", &[]).await.expect("a list");
        self.frozen = vec![server];
        for row in others {
            let process = row.get::<_, i32>(0).unsigned_abs();
            signal(process, "STOP");
            self.frozen.push(process);
        }
    }

    pub fn thaw(&mut self) {
        for process in self.frozen.drain(..) {
            signal(process, "CONT");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// One that has ended meanwhile needs no signal.
fn signal(process: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).stderr(Stdio::null()).status();
}

fn number(program: &str, arguments: &[&str]) -> u32 {
    let output = Command::new(program).args(arguments).output().expect(program);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().unwrap_or_else(|_| panic!("{program} {arguments:?} answers {text:?}"))
}

/// The folder of the newest server.
fn programs() -> PathBuf {
    let has_both = |folder: &Path| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    let versioned = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versioned.filter(|folder| has_both(&folder.join("bin"))).max_by_key(version).map(|folder| folder.join("bin"));
    let on_path = || std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).find(|folder| has_both(folder));
    newest
        .or_else(on_path)
        .unwrap_or_else(|| panic!("no PostgreSQL server was found; scripts/postgres-for-tests says what to install"))
}
