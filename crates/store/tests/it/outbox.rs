//! Mail leaves at least once, and once when nothing breaks.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::events::{Event, EventKind};
use passlink_engine::ids::EventId;
use passlink_engine::links::Handover;
use passlink_engine::messages::sender::SendOutcome;
use passlink_engine::messages::store::{Finish, MessageState, OutboxStore};
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::{Engine, ErrorKind};

use crate::support::ask::{Asker, done};
use crate::support::database::Kind;
use crate::support::doubles::{refused, retry};
use crate::support::{World, both};

both!(
    sec_47_pauses_grow_and_end_before_the_link_does,
    sec_47_pauses_are_spread,
    sec_47_a_provider_may_ask_for_more_time,
    sec_47_a_permanent_error_is_dead_at_once_and_can_be_put_back,
    sec_47_dead_mail_is_not_put_back_when_its_link_is_over,
    sec_47_a_passed_lease_reports_nothing,
    sec_47_a_crash_between_sending_and_reporting_sends_the_same_message_again,
    sec_47_two_workers_send_200_messages_once_each,
    sec_47_expired_mail_is_dropped,
    a_second_sender_takes_over,
);

/// Queues a mail and sends nothing.
async fn queue(world: &World, to: &str) {
    world.clock.tick();
    let command = world.command(to, Handover::Cookie, Asker::Unbound, &world.proof(&world.app));
    world.engine.issue_link(&world.anybody(), command).await.unwrap();
}

async fn next_at(world: &World) -> i64 {
    world.database.number("SELECT min(next_at) FROM outbox WHERE state = 1").await
}

async fn state(world: &World, state: MessageState) -> i64 {
    world.database.number(&format!("SELECT count(*) FROM outbox WHERE state = {}", state as i64)).await
}

/// Tries until the message is dead; answers the pauses in milliseconds.
async fn pauses(world: &World) -> Vec<i64> {
    let mut pauses = Vec::new();
    while state(world, MessageState::Queued).await == 1 {
        let before = world.sender.messages().len();
        world.engine.dispatch_due(10).await.unwrap();
        assert_eq!(world.sender.messages().len(), before + 1);
        if state(world, MessageState::Queued).await == 1 {
            let next = next_at(world).await;
            pauses.push(next - world.engine.now().as_millis());
            world.clock.set(Timestamp::from_millis(next - 1));
            assert_eq!(world.engine.dispatch_due(10).await.unwrap().claimed, 0, "tried before its time");
            world.clock.tick();
        }
    }
    pauses
}

async fn sec_47_pauses_grow_and_end_before_the_link_does(world: Arc<World>) {
    world.sender.answer_always(Some(retry(None)));
    queue(&world, "ada@example.com").await;
    let end = world.engine.now().plus(Lifetime::from_minutes(10));
    let pauses = pauses(&world).await;
    for (i, pause) in pauses.iter().enumerate() {
        let doubled = (2000_i64 << i).min(120_000);
        assert!((doubled..=doubled * 5 / 4).contains(pause), "pause {i} of {pauses:?}");
    }
    assert!(pauses.len() >= 6 && world.engine.now() < end, "{pauses:?}");
    assert_eq!(state(&world, MessageState::Dead).await, 1);
    // The same message each time: the provider can tell.
    let ids: std::collections::HashSet<_> = world.sender.messages().iter().map(|m| m.id).collect();
    assert_eq!(ids.len(), 1);
}

async fn sec_47_pauses_are_spread(world: Arc<World>) {
    world.sender.answer_always(Some(retry(None)));
    for i in 0..20 {
        queue(&world, &format!("ada{i}@example.com")).await;
    }
    world.engine.dispatch_due(100).await.unwrap();
    assert!(world.database.number("SELECT count(DISTINCT next_at) FROM outbox").await > 10);
}

async fn sec_47_a_provider_may_ask_for_more_time(world: Arc<World>) {
    world.sender.answer_next([retry(Some(Lifetime::from_secs(90)))]);
    queue(&world, "ada@example.com").await;
    world.engine.dispatch_due(10).await.unwrap();
    assert_eq!(next_at(&world).await - world.engine.now().as_millis(), 90_000);
}

async fn sec_47_a_permanent_error_is_dead_at_once_and_can_be_put_back(world: Arc<World>) {
    world.sender.answer_next([refused()]);
    queue(&world, "ada@example.com").await;
    world.engine.dispatch_due(10).await.unwrap();
    let operator = world.operator();
    let dead = world.engine.dead_messages(&operator, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].state, dead[0].attempts, dead[0].last_error.as_deref()),
        (MessageState::Dead, 1, Some("no such mailbox"))
    );
    world.clock.advance(Lifetime::from_minutes(2));
    assert_eq!(world.engine.dispatch_due(10).await.unwrap().claimed, 0, "a dead message stays dead");
    world.engine.requeue_message(&operator, dead[0].id).await.unwrap();
    assert_eq!(*world.engine.requeue_message(&operator, dead[0].id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.engine.dispatch_due(10).await.unwrap().sent, 1);
    let sent = world.sender.messages();
    assert_eq!(sent[0].id, sent[1].id);
    let asked = passlink_engine::links::open::BrowserProof::default();
    done(world.press(&world.read_mail(dead[0].link, "ada@example.com", asked.clone()), &asked).await);
}

async fn sec_47_dead_mail_is_not_put_back_when_its_link_is_over(world: Arc<World>) {
    let operator = world.operator();
    for (left, works) in [(1, true), (0, false)] {
        world.sender.answer_next([refused()]);
        queue(&world, "ada@example.com").await;
        let end = world.engine.now().plus(Lifetime::from_minutes(10));
        world.engine.dispatch_due(10).await.unwrap();
        let dead = world.engine.dead_messages(&operator, 1).await.unwrap();
        world.clock.set(end.minus(Lifetime::from_millis(left)));
        let put_back = world.engine.requeue_message(&operator, dead[0].id).await;
        assert_eq!(put_back.map_err(|e| e.kind().clone()), if works { Ok(()) } else { Err(ErrorKind::NotFound) });
        world.engine.dispatch_due(10).await.unwrap();
    }
    // What can never go again keeps no payload.
    world.clock.advance(Lifetime::from_secs(1));
    world.engine.sweep(100).await.unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE payload IS NOT NULL").await, 0);
}

fn report(at: Timestamp) -> Event {
    let detail = serde_json::Map::new();
    let (request_id, actor) = ("job:outbox".to_owned(), "job:outbox".to_owned());
    let id = EventId::new(at, [9; 10]);
    Event {
        id,
        at,
        app: None,
        kind: EventKind::MessageSent,
        request_id,
        actor,
        link: None,
        user: None,
        session: None,
        message: None,
        detail,
    }
}

fn sent() -> Finish {
    Finish::Sent { provider_id: None, inbox: None }
}

async fn sec_47_a_passed_lease_reports_nothing(world: Arc<World>) {
    queue(&world, "ada@example.com").await;
    let now = world.engine.now();
    let slow = world.store.claim_due(now, now.plus(Engine::LEASE), 10).await.unwrap().remove(0);
    assert!(world.store.claim_due(now, now.plus(Engine::LEASE), 10).await.unwrap().is_empty(), "two workers hold one lease");
    world.clock.advance(Lifetime::from_millis(Engine::LEASE.as_millis() - 1));
    assert_eq!(world.engine.dispatch_due(10).await.unwrap().claimed, 0);
    world.clock.tick();
    let now = world.engine.now();
    let next = world.store.claim_due(now, now.plus(Engine::LEASE), 10).await.unwrap().remove(0);
    assert_eq!((next.message.id, next.attempt), (slow.message.id, slow.attempt + 1));
    let finishes = [
        sent(),
        Finish::Later { next_at: now, why: String::new() },
        Finish::Dead { why: String::new() },
        Finish::Dropped { why: String::new() },
    ];
    let events = world.database.rows("events").await;
    for finish in finishes {
        assert!(!world.store.finish_message(slow.message.id, slow.attempt, finish, report(now)).await.unwrap());
    }
    assert_eq!(world.database.rows("events").await, events);
    assert!(world.store.finish_message(next.message.id, next.attempt, sent(), report(now)).await.unwrap());
    assert!(!world.store.finish_message(next.message.id, next.attempt, sent(), report(now)).await.unwrap(), "reported twice");
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 2 AND payload IS NULL").await, 1);
}

async fn sec_47_a_crash_between_sending_and_reporting_sends_the_same_message_again(world: Arc<World>) {
    queue(&world, "ada@example.com").await;
    // This worker claims, and is never heard of again.
    let now = world.engine.now();
    let lost = world.store.claim_due(now, now.plus(Engine::LEASE), 10).await.unwrap().remove(0);
    world.clock.advance(Engine::LEASE);
    let engine = world.another_engine().await;
    assert_eq!(engine.dispatch_due(10).await.unwrap().sent, 1);
    assert_eq!(world.sender.messages()[0].id, lost.message.id);
}

async fn sec_47_two_workers_send_200_messages_once_each(world: Arc<World>) {
    for i in 0..200 {
        queue(&world, &format!("ada{i}@example.com")).await;
    }
    let workers: Vec<_> = [Arc::clone(&world.engine), world.another_engine().await]
        .into_iter()
        .map(|engine| {
            tokio::spawn(async move {
                let mut sent = 0;
                loop {
                    let done = engine.dispatch_due(7).await.unwrap();
                    sent += done.sent;
                    if done.claimed == 0 {
                        return sent;
                    }
                }
            })
        })
        .collect();
    let mut sent = 0;
    for worker in workers {
        sent += worker.await.unwrap();
    }
    // A worker that found only what the other was just taking may have stopped early.
    sent += world.engine.dispatch_due(200).await.unwrap().sent;
    assert_eq!(sent, 200);
    let mut times: HashMap<_, u32> = HashMap::new();
    for message in world.sender.messages() {
        *times.entry(message.to.as_str().to_owned()).or_default() += 1;
    }
    assert!(times.len() == 200 && times.values().all(|n| *n == 1), "{times:?}");
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 2 AND payload IS NULL").await, 200);
    assert_eq!(world.engine.outbox_depth().await.unwrap(), (0, None));
}

async fn sec_47_expired_mail_is_dropped(world: Arc<World>) {
    queue(&world, "ada@example.com").await;
    world.clock.advance(Lifetime::from_minutes(10));
    assert_eq!(world.engine.dispatch_due(10).await.unwrap().sent, 0);
    assert!(world.sender.messages().is_empty());
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 4 AND payload IS NULL").await, 1);
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'message.expired'").await, 1);
}

async fn a_second_sender_takes_over(world: Arc<World>) {
    world.changed(|s| s.fallback_sender = Some("spare".to_owned())).await;
    let broken = SendOutcome::Misconfigured { why: "the password is wrong".to_owned() };
    world.sender.answer_next([broken, retry(None), refused()]);
    queue(&world, "ada@example.com").await;
    pauses(&world).await;
    assert_eq!(world.sender.routes(), ["test", "spare", "test"]);
    assert_eq!(state(&world, MessageState::Dead).await, 1);
    // A refusal by the first sender alone is not the end.
    world.sender.answer_next([refused()]);
    queue(&world, "bob@example.com").await;
    world.engine.dispatch_due(10).await.unwrap();
    world.clock.advance(Lifetime::from_secs(3));
    assert_eq!(world.engine.dispatch_due(10).await.unwrap().sent, 1);
    assert_eq!(world.sender.routes()[3..], ["test", "spare"]);
}

/// What another server holds is passed over at once. To wait for it is how servers that take the same rows in different orders come to wait for each
/// other, until PostgreSQL finds the deadlock a second later. (SQLite has one writer: there is nobody to wait for.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_47_postgres_messages_held_by_another_server_are_passed_over() {
    crate::support::run(Kind::Postgres, |world| async move {
        for name in ["ada", "bob", "cy"] {
            queue(&world, &format!("{name}@example.com")).await;
        }
        let mut other = world.database.another_postgres().await;
        let held = other.transaction().await.unwrap();
        held.query_one("SELECT id FROM outbox ORDER BY next_at LIMIT 1 FOR UPDATE", &[]).await.unwrap();
        let now = world.engine.now();
        assert_eq!(world.store.claim_due(now, now.plus(Engine::LEASE), 2).await.unwrap().len(), 2);
        world.clock.advance(Lifetime::from_secs(200 * 86_400));
        world.engine.sweep(100).await.unwrap();
        assert_eq!(world.database.rows("outbox").await, 1, "the sweep takes what nobody holds");
        held.rollback().await.unwrap();
        world.engine.sweep(100).await.unwrap();
        assert_eq!(world.database.rows("outbox").await, 0);
    })
    .await;
}
