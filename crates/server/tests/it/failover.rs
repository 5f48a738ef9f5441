//! The primary of PostgreSQL falls and its standby takes over, under load and without a restart of ours (`security.md` 48).

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::fleet::browser::send;
use crate::fleet::cluster::Cluster;
use crate::fleet::database::Database;
use crate::fleet::load::Load;
use crate::fleet::passage::Passage;
use crate::fleet::process::Process;
use crate::fleet::wire::ask;

/// How long after the promotion the server may need.
const RECOVERY: Duration = Duration::from_secs(5);

/// How a primary is lost.
enum Fall {
    /// It is gone at once.
    Stops,
    /// It still takes connections, and says nothing.
    Hangs,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_a_standby_is_promoted_under_load_when_the_primary_stops() {
    promoted_under_load(Fall::Stops).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_a_standby_is_promoted_under_load_when_the_primary_hangs() {
    promoted_under_load(Fall::Hangs).await;
}

async fn promoted_under_load(fall: Fall) {
    let mut primary = Cluster::start().await;
    let replication = Passage::to(primary.address()).await;
    let standby = primary.standby(&replication).await;
    let database = Database::schema_on(&primary.url()).await.url();
    // Whoever comes first must not stand in the way: a standby while it is one, a primary that hangs.
    let both = match fall {
        Fall::Stops => format!("{},{}", standby.address(), primary.address()),
        Fall::Hangs => format!("{},{}", primary.address(), standby.address()),
    };
    let mut fleet = Fleet::new(Database::Postgres(database.replace(&primary.address(), &both))).await;
    let server = fleet.start().await;
    let load = Load::begin(&fleet, vec![server.port], 4, 4);
    tokio::time::sleep(Duration::from_millis(1500)).await;

    // What is committed now is on the primary alone, and waits: these are the doubtful ones, and the standby will never have them.
    replication.silence();
    tokio::time::sleep(Duration::from_millis(500)).await;
    match fall {
        Fall::Stops => primary.end(),
        Fall::Hangs => primary.freeze().await,
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    standby.promote().await;
    serves_again(&fleet, &server).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let history = load.end().await;
    let told = history.told();
    assert!(history.acknowledged() > 50 && history.redeemed() > 20, "too little load: {told}");
    assert!(!history.failures.is_empty(), "nobody noticed: {told}");
    assert!(history.failures.iter().all(|answer| answer.starts_with("503")), "{told}");
    assert_eq!(history.cuts, Vec::<String>::new(), "requests that were sent and not answered: {told}");
    // Mail that was claimed at the time is under a lease for a minute: it is over.
    server.terminate().await;
    fleet.database = Database::Postgres(database.replace(&primary.address(), &standby.address()));
    fleet.database.end_leases().await;
    let server = fleet.start().await;
    fleet.drained().await;
    history.check(&fleet, server.port).await;
}

/// The address leads to a primary that became a standby, and only then to the new one; no connection is ever cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_a_server_that_is_left_at_a_standby_connects_anew() {
    let mut old = Cluster::start().await;
    let passage = Passage::to(old.address()).await;
    let new = old.standby(&passage).await;
    let direct = Database::schema_on(&old.url()).await.url();
    let behind = direct.replace(&old.address(), &format!("127.0.0.1:{}", passage.port));
    let fleet = Fleet::new(Database::Postgres(behind)).await;
    let server = fleet.start().await;
    serves_again(&fleet, &server).await;

    old.demote().await;
    new.promote().await;
    // All kinds of connections are made to the old one, which reads well and refuses writes.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        let answer = ask(server.port, &send("eve@example.com")).await.expect("an answer");
        assert_eq!(answer.status, 503, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(fleet.complaints().iter().any(|line| line.contains("read-only")), "{:?}", fleet.complaints());
    passage.turn_to(new.address());
    serves_again(&fleet, &server).await;
}

/// Links are issued and mailed again, and the server says that it is ready.
async fn serves_again(fleet: &Fleet, server: &Process) {
    let start = Instant::now();
    let mut number = 0;
    loop {
        number += 1;
        let sent = ask(server.port, &send(&format!("back{number}@example.com"))).await.expect("an answer");
        let ready = server.get("/readyz").await.expect("an answer");
        if sent.status == 200 && ready.status == 200 {
            return;
        }
        assert!(start.elapsed() < RECOVERY, "{sent:?} {ready:?} {:?}", fleet.complaints().last());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
