//! Races that are made to happen: the writers are held up until everything waits for the same group.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use passlink_engine::events::{Event, EventKind};
use passlink_engine::ids::{EventId, IdentifierId, SessionId, UserId};
use passlink_engine::keys::ServerKeys;
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::redeem::Right;
use passlink_engine::links::store::{LinkKey, LinkStore, RedeemEvents, RedeemLink, RedeemOutcome};
use passlink_engine::links::{Handover, Purpose};
use passlink_engine::ports::{Entropy, Store};
use passlink_engine::secret::{Token, TokenKind};
use passlink_engine::sessions::{Method, NewToken};
use passlink_engine::time::Lifetime;

use crate::support::ask::{address, browser, name};
use crate::support::database::Kind;
use crate::support::{SECRET, World, both};

both!(
    sec_08_two_links_in_one_group_give_one_session,
    sec_08_one_link_twice_in_one_group_gives_one_session,
    sec_08_a_link_without_address_gives_one_session,
);

/// What the engine prepares for a redemption, with randomness of its own.
fn prepared(world: &World, token: &str, to: &str) -> RedeemLink {
    fn random<const N: usize>(world: &World) -> [u8; N] {
        let mut bytes = [0; N];
        world.entropy.fill(&mut bytes).unwrap();
        bytes
    }
    let keys = ServerKeys::derive(SECRET).unwrap();
    let now = world.engine.now();
    let event = |kind| Event {
        id: EventId::new(now, random(world)),
        at: now,
        app: Some(world.app.id),
        kind,
        request_id: "request".to_owned(),
        actor: "anonymous".to_owned(),
        link: None,
        user: None,
        session: None,
        message: None,
        detail: serde_json::Map::new(),
    };
    let session = Token::new(TokenKind::Session, world.app.tag, now, random(world));
    RedeemLink {
        key: LinkKey::Hash(keys.token_hash(&Token::parse(token).unwrap())),
        app: world.app.id,
        now,
        address: Some(address(to)),
        user: None,
        plan: None,
        pending_links: 3,
        must_be_approved: false,
        redeemer: None,
        replay: None,
        session: SessionId::new(now, random(world)),
        session_expires_at: now.plus(Lifetime::from_minutes(60)),
        method: Method::Link,
        device: None,
        child_of: None,
        tokens: vec![NewToken { hash: keys.token_hash(&session), kind: TokenKind::Session, sealed: None }],
        new_user: UserId::new(now, random(world)),
        new_identifier: IdentifierId::from_bytes(&random::<16>(world)).unwrap(),
        session_lifetime: None,
        sign_up_open: true,
        events: RedeemEvents {
            opened: None,
            redeemed: event(EventKind::LinkRedeemed),
            session_started: event(EventKind::SessionStarted),
            user_created: event(EventKind::UserCreated),
            address_verified: event(EventKind::AddressVerified),
            sessions_revoked: event(EventKind::SessionRevoked),
        },
    }
}

/// Waits until so many writers wait for the blocked table.
async fn all_wait(world: &Arc<World>, writers: i64, pings: &[&tokio::task::JoinHandle<()>]) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'apps'::regclass";
    while world.database.number(waiting).await < writers {
        assert!(pings.iter().all(|ping| !ping.is_finished()), "a writer gave up before the others had come to wait");
        tokio::task::yield_now().await;
    }
}

/// Redeems both in one group of writes; answers how many became sessions.
async fn in_one_group(world: &Arc<World>, redemptions: [RedeemLink; 2]) -> usize {
    let ping = || {
        let store = Arc::clone(&world.store);
        tokio::spawn(async move { store.ping().await.unwrap() })
    };
    let sqlite = (world.database.kind() == Kind::Sqlite).then(|| world.database.sqlite());
    let mut postgres = None;
    let pings = [ping(), ping()];
    match &sqlite {
        Some(blocker) => blocker.execute_batch("BEGIN IMMEDIATE").unwrap(),
        None => {
            for one in pings {
                one.await.unwrap();
            }
            let blocker = world.database.another_postgres().await;
            blocker.batch_execute("BEGIN; LOCK TABLE apps IN EXCLUSIVE MODE").await.unwrap();
            // One after the other: both at once might go to one writer in one group.
            let first = ping();
            all_wait(world, 1, &[&first]).await;
            let second = ping();
            all_wait(world, 2, &[&first, &second]).await;
            postgres = Some((blocker, [first, second]));
        }
    }
    // The first poll hands a write to the writer, and everything after it waits for the answer.
    let [first, second] = redemptions.map(|redeem| world.store.redeem_link(redeem));
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        assert!(first.as_mut().poll(context).is_pending() && second.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    match (sqlite, postgres) {
        (Some(blocker), _) => blocker.execute_batch("ROLLBACK").unwrap(),
        (None, Some((blocker, pings))) => {
            blocker.batch_execute("ROLLBACK").await.unwrap();
            for one in pings {
                one.await.unwrap();
            }
        }
        (None, None) => unreachable!(),
    }
    let outcomes = [first.await.unwrap(), second.await.unwrap()];
    outcomes.iter().filter(|outcome| matches!(outcome, RedeemOutcome::Redeemed { .. })).count()
}

async fn sec_08_two_links_in_one_group_give_one_session(world: Arc<World>) {
    for round in 0..5 {
        // The first round makes a user, the others find one.
        let tokens = [world.mail_unbound("ada@example.com").await.token, world.mail_unbound("ada@example.com").await.token];
        let both = tokens.map(|token| prepared(&world, &token, "ada@example.com"));
        assert_eq!(in_one_group(&world, both).await, 1, "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("users").await, 1);
    }
}

async fn sec_08_one_link_twice_in_one_group_gives_one_session(world: Arc<World>) {
    for round in 0..5 {
        let to = format!("ada{round}@example.com");
        let token = world.mail_unbound(&to).await.token;
        let both = [prepared(&world, &token, &to), prepared(&world, &token, &to)];
        assert_eq!(in_one_group(&world, both).await, 1, "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("users").await, round + 1);
    }
}

async fn sec_08_a_link_without_address_gives_one_session(world: Arc<World>) {
    let user = world.sign_in("ada@example.com", Handover::Cookie).await.signed_in.user.id;
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        world.clock.tick();
        let mut command = IssueLink::sign_in_by_mail(address("ada@example.com"), None, Handover::Cookie, None);
        (command.address, command.user, command.carry, command.purpose) = (None, Some(user), Carry::Return, Purpose::SignIn);
        let url = world.engine.issue_link(&world.operator(), command).await.unwrap().url.unwrap();
        let token = url.expose().rsplit_once("/l/").unwrap().1.to_owned();
        let running: Vec<_> = (0..64)
            .map(|i| {
                let (engine, context, token) = (Arc::clone(&engines[i % 2]), world.context(), token.clone());
                tokio::spawn(async move {
                    name(&engine.redeem_link(&context, &token, &browser(&format!("page {i}")), Right::Pressed).await.unwrap())
                })
            })
            .collect();
        let mut done = 0;
        for one in running {
            let word = one.await.unwrap();
            assert!(word == "done" || word == "dead: used", "{word}");
            done += usize::from(word == "done");
        }
        assert_eq!(done, 1);
        assert_eq!(world.database.rows("sessions").await, round + 2);
    }
}
