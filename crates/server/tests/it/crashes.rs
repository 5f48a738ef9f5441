//! SIGKILL at any moment (`security.md` 46 and 47): what was acknowledged is there, what was not may be, and nothing happens twice.

use std::time::Duration;

use crate::fleet::browser::send;
use crate::fleet::chance::Chance;
use crate::fleet::database::Database;
use crate::fleet::load::Load;
use crate::fleet::wire::{ask, free_port};
use crate::fleet::{Fleet, both};
use crate::support::PATIENCE;

both!(
    sec_46_nothing_acknowledged_is_lost_and_nothing_happens_twice,
    sec_47_a_mail_whose_fate_was_not_written_comes_again_under_the_same_id,
);

const KILLS: u32 = 50;

async fn sec_46_nothing_acknowledged_is_lost_and_nothing_happens_twice(database: Database) {
    let fleet = Fleet::new(database).await;
    let port = free_port();
    let load = Load::begin(&fleet, vec![port], 4, 4);
    let mut chance = Chance::new(46);
    for kill in 0..KILLS {
        let mut server = fleet.spawn(port);
        // Now and then during the start, mostly at work.
        if kill % 7 != 6 {
            server.ready().await;
        }
        tokio::time::sleep(chance.millis(5, 300)).await;
        server.kill();
    }
    let history = load.end().await;
    assert!(fleet.database.is_sound());
    // The dead hold leases for up to a minute: it is over.
    fleet.database.end_leases().await;

    let mut server = fleet.spawn(port);
    server.ready().await;
    fleet.drained().await;
    let told = history.told();
    assert!(history.acknowledged() >= KILLS as usize && history.redeemed() >= KILLS as usize / 2, "too little load: {told}");
    assert!(history.unknown() > 0, "no kill ever hit a request: {told}");
    history.check(&fleet, port).await;
    drop(server);
    fleet.database.remove().await;
}

/// The sink has the whole message and the server does not know: the worst moment to die.
async fn sec_47_a_mail_whose_fate_was_not_written_comes_again_under_the_same_id(database: Database) {
    let fleet = Fleet::new(database).await;
    let server = fleet.start().await;
    let sent = ask(server.port, &send("slow@example.com")).await.expect("an answer");
    assert_eq!(sent.status, 200);
    until("the whole message is there", || fleet.sink.waiting() == 1).await;
    server.kill();
    fleet.sink.release_slow();
    until("the sink accepts it", || fleet.sink.mail_to("slow@example.com").len() == 1).await;
    let held =
        "SELECT count(*) FROM outbox WHERE state = 1 AND attempts = 1 AND payload IS NOT NULL AND next_at > created_at + 50000";
    assert_eq!(fleet.database.number(held).await, 1, "the message waits, under a lease of a minute");

    let server = fleet.start().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fleet.sink.mail().len(), 1, "nobody takes what another still holds");
    server.kill();

    assert_eq!(fleet.database.end_leases().await, 1);
    let server = fleet.start().await;
    fleet.sink.release_slow();
    fleet.drained().await;
    let copies = fleet.sink.mail_to("slow@example.com");
    assert_eq!(copies.len(), 2);
    assert_eq!(Fleet::message_id(&copies[0]), Fleet::message_id(&copies[1]));
    assert_eq!(Fleet::link_in(&copies[0]), Fleet::link_in(&copies[1]));
    assert_eq!(fleet.database.number("SELECT count(*) FROM outbox WHERE state = 2 AND payload IS NULL").await, 1);
    drop(server);
    fleet.database.remove().await;
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never happens: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
