//! Acknowledged means on disk (`security.md` 45). Killing processes cannot show this, for the system keeps what they wrote: the syncs are counted.

use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::fleet::browser::send;
use crate::fleet::cluster::Cluster;
use crate::fleet::database::Database;
use crate::fleet::process::Process;
use crate::fleet::syncs::Syncs;
use crate::fleet::wire::ask;

/// Requests one after the other.
const ALONE: usize = 20;
/// Requests at the same time.
const TOGETHER: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_45_sqlite_syncs_before_each_answer_and_once_for_many() {
    let syncs = Syncs::watch();
    let fleet = quiet(Database::sqlite()).await;
    let mut server = fleet.spawn_as(syncs.of(Process::program()));
    server.ready().await;
    check(&server, &syncs, "/passlink.db-wal>").await;
}

/// The first write of a connection, before anything else could have changed how it writes: a command beside the server shows a client's secret once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_45_sqlite_syncs_the_first_write_of_a_connection() {
    let syncs = Syncs::watch();
    let fleet = quiet(Database::sqlite()).await;
    // Its log stays while the server runs, and needs no sync merely for being new.
    let server = fleet.start().await;
    acknowledged(server.port, 0).await;
    let mut command = syncs.of(Process::program());
    command.args(["client", "create", "--app", "shop", "--config"]).arg(fleet.configuration());
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(syncs.of_files("/passlink.db-wal>"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_45_postgres_syncs_before_each_answer_and_once_for_many() {
    let syncs = Syncs::watch();
    let cluster = Cluster::watched(&syncs).await;
    let fleet = quiet(Database::schema_on(&cluster.url()).await).await;
    let server = fleet.start().await;
    check(&server, &syncs, "/pg_wal/").await;
}

/// Nothing else writes: the server sends no mail.
async fn quiet(database: Database) -> Fleet {
    Fleet::with(database, "sends_mail = false", "limit_per_network = \"10000000 per 1m\"").await
}

async fn check(server: &Process, syncs: &Syncs, log: &str) {
    for number in 0..ALONE {
        let before = syncs.of_files(log);
        acknowledged(server.port, number).await;
        let after = syncs.of_files(log);
        assert!(after > before, "request {number} was acknowledged, and its log was not synced since it came");
    }
    // Those that come while another is being written share; a busy machine may let them come one by one, but not each time.
    let mut counts = Vec::new();
    for round in 0..5 {
        let before = syncs.of_files(log);
        let mut all = JoinSet::new();
        for number in 0..TOGETHER {
            all.spawn(acknowledged(server.port, ALONE + round * TOGETHER + number));
        }
        all.join_all().await;
        counts.push(syncs.of_files(log) - before);
        if counts.last().is_some_and(|count| *count < TOGETHER / 2) {
            break;
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "acknowledged without a sync: {counts:?}");
    assert!(counts.last().is_some_and(|count| *count < TOGETHER / 2), "{counts:?} syncs for {TOGETHER} requests at once");
}

async fn acknowledged(port: u16, number: usize) {
    let answer = ask(port, &send(&format!("p{number}@example.com"))).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}
