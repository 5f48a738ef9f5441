//! A client exchanges the token that a person brought to it: only success uses the link up.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::Engine;
use passlink_engine::caller::Caller;
use passlink_engine::links::exchange::{Exchange, Exchanged, MustMatch, SessionWish};
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::open::MayDo;
use passlink_engine::links::{Handover, Purpose, pkce};
use passlink_engine::sessions::handle::SessionRef;
use passlink_engine::sessions::{Channel, ClientFacts};
use passlink_engine::time::Lifetime;
use passlink_engine::users::manage::CreateUser;
use passlink_engine::users::{Person, UserRef};
use serde_json::{Map, Value, json};

use crate::support::ask::{Asker, address, browser, name};
use crate::support::{World, at_once, both, word};

both!(
    a_refusal_leaves_the_link_live,
    sec_08_of_sixteen_exchanges_one_wins,
    sec_32_a_link_that_the_caller_delivers_verifies_nothing,
    a_pending_user_becomes_active,
    sec_32_a_mailed_link_proves_its_address_and_ends_what_was_there,
    a_link_works_until_the_instant_it_expires,
    what_is_gone_is_not_found,
    pages_and_clients_do_not_open_each_others_links,
    two_mailed_links_of_one_address_give_one_session,
);

const HOUR: Lifetime = Lifetime::from_minutes(60);

/// Who wants what.
fn wish<'a>(session: SessionWish<'a>) -> Exchange<'a> {
    Exchange { verifier: None, client: ClientFacts::default(), must_match: MustMatch::default(), session, claims: Map::new() }
}

fn claims(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A link for a user that its client delivers.
pub fn embeddable(person: &Person) -> IssueLink {
    IssueLink {
        purpose: Purpose::SignIn,
        address: None,
        user: Some(person.user.id),
        carry: Carry::Return,
        ..IssueLink::sign_in_by_mail(address("nobody@example.com"), None, Handover::Client, None)
    }
}

async fn token_of(world: &World, command: IssueLink) -> String {
    let issued = world.engine.issue_link(&world.client(), command).await.unwrap();
    world.clock.tick();
    issued.token.unwrap().expose().to_owned()
}

async fn link(world: &World, person: &Person) -> String {
    token_of(world, embeddable(person)).await
}

/// A link that Passlink mails to the user's address and a client exchanges.
async fn mailed(world: &World, person: &Person, to: &str) -> String {
    let command = IssueLink { address: Some(address(to)), carry: Carry::Mail, ..embeddable(person) };
    let issued = world.engine.issue_link(&world.client(), command).await.unwrap();
    assert!(issued.token.is_none() && issued.url.is_none());
    world.engine.dispatch_due(10).await.unwrap();
    world.clock.tick();
    world.read_mail(issued.id, to, browser("x")).token
}

async fn exchange(world: &World, token: &str, exchange: Exchange<'_>) -> Result<Exchanged, String> {
    let exchanged = world.engine.exchange_link(&world.client(), token, exchange).await.map_err(|e| word(&e));
    world.clock.tick();
    exchanged
}

async fn refused(world: &World, token: &str, asked: Exchange<'_>) -> String {
    exchange(world, token, asked).await.map(|_| ()).unwrap_err()
}

/// A session and its token.
pub async fn begin(world: &World, person: &Person) -> (passlink_engine::ids::SessionId, String) {
    let exchanged = exchange(world, &link(world, person).await, wish(SessionWish::Begin(HOUR))).await.unwrap();
    let held = exchanged.session.unwrap();
    (held.signed_in.session.id, held.token.unwrap().expose().to_owned())
}

async fn a_refusal_leaves_the_link_live(world: Arc<World>) {
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let (ada, bob) = (world.person("ada@example.com").await, world.person("bob@example.com").await);
    let (dead, dead_token) = begin(&world, &ada).await;
    assert!(world.engine.revoke_session(&world.client(), dead).await.unwrap());
    let (bobs, bobs_token) = begin(&world, &bob).await;
    let (held, held_token) = begin(&world, &ada).await;
    let device = |ip: Option<&str>, agent: Option<&str>| ClientFacts {
        ip_address: ip.map(str::to_owned),
        user_agent: agent.map(str::to_owned),
    };
    let command = IssueLink {
        code_challenge: Some(pkce::challenge_of(VERIFIER)),
        client: device(Some("192.0.2.1"), None),
        ..embeddable(&ada)
    };
    let token = token_of(&world, command).await;
    let with = |session| Exchange { verifier: Some(VERIFIER), ..wish(session) };
    let join = |which| with(SessionWish::Join(which, None));
    let large = || claims(json!({"k": "x".repeat(4096)}));
    let both = MustMatch { ip_address: true, user_agent: true };
    let far = Lifetime::from_secs(366 * 86_400 + 1);
    let before = world.database.dump_rows().await;
    for (asked, expected) in [
        (wish(SessionWish::Begin(HOUR)), "code_verifier Missing"),
        (Exchange { verifier: Some("short"), ..wish(SessionWish::None) }, "code_verifier Malformed"),
        (Exchange { verifier: Some(&VERIFIER.replace('d', "e")), ..wish(SessionWish::None) }, "code_verifier Mismatch"),
        (
            Exchange { must_match: both, client: device(Some("192.0.2.1"), Some("x")), ..with(SessionWish::None) },
            "unauthenticated device",
        ),
        (
            Exchange {
                must_match: MustMatch { ip_address: true, user_agent: false },
                client: device(Some("192.0.2.2"), None),
                ..with(SessionWish::None)
            },
            "unauthenticated device",
        ),
        (Exchange { must_match: both, ..with(SessionWish::None) }, "unauthenticated device"),
        (with(SessionWish::Begin(far)), "session_lifetime OverCeiling"),
        (with(SessionWish::Join(SessionRef::Id(held), Some(far))), "session_lifetime OverCeiling"),
        (join(SessionRef::Id(dead)), "not_found session"),
        (join(SessionRef::Token(&dead_token)), "not_found session"),
        (join(SessionRef::Token("nonsense")), "not_found session"),
        (join(SessionRef::Token(&token)), "not_found session"),
        (join(SessionRef::Id(bobs)), "session Mismatch"),
        (join(SessionRef::Token(&bobs_token)), "session Mismatch"),
        (Exchange { claims: large(), ..with(SessionWish::Begin(HOUR)) }, "claims TooLarge"),
        (Exchange { claims: large(), ..join(SessionRef::Id(held)) }, "claims TooLarge"),
    ] {
        let what = format!("{asked:?}");
        assert_eq!(refused(&world, &token, asked).await, expected, "{what}");
    }
    // Nor may others: without the right, or from another app.
    let stranger = world.client_of(&world.other);
    let error = world.engine.exchange_link(&stranger, &token, with(SessionWish::None)).await.unwrap_err();
    assert_eq!(word(&error), "not_found link");
    assert!(world.engine.exchange_link(&world.anybody(), &token, with(SessionWish::None)).await.is_err());
    assert_eq!(world.database.dump_rows().await, before, "a refusal changed something");
    // All of it right: it works, once.
    let client = device(Some("192.0.2.1"), None);
    let must_match = MustMatch { ip_address: true, user_agent: false };
    let right = Exchange { client, must_match, ..join(SessionRef::Token(&held_token)) };
    let exchanged = exchange(&world, &token, right.clone()).await.unwrap();
    let held_now = exchanged.session.unwrap();
    assert_eq!((held_now.signed_in.session.id, held_now.signed_in.session.details.factors.len()), (held, 2));
    assert_eq!(held_now.token.unwrap().expose(), held_token);
    assert_eq!(refused(&world, &token, right).await, "already_used link");
}

/// Who asks for what in a race.
#[derive(Clone, Copy, Debug)]
enum How {
    Alone,
    Begin,
    Join,
}

async fn sec_08_of_sixteen_exchanges_one_wins(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = world.person("ada@example.com").await;
    // The first proof of the address would end the session that is to be joined.
    let proof = mailed(&world, &ada, "ada@example.com").await;
    exchange(&world, &proof, wish(SessionWish::None)).await.unwrap();
    let (held, _) = begin(&world, &ada).await;
    for round in 0..6 {
        for (how, by_mail) in
            [(How::Alone, false), (How::Begin, false), (How::Join, false), (How::Begin, true), (How::Join, true)]
        {
            let before = world.database.rows("sessions").await;
            let factors = world.database.number("SELECT version FROM sessions ORDER BY id LIMIT 1").await;
            let token = if by_mail { mailed(&world, &ada, "ada@example.com").await } else { link(&world, &ada).await };
            let tries = (0..16).map(|i| {
                let (engine, client, token) = (Arc::clone(&engines[i % 2]), world.client(), token.clone());
                async move { one_try(&engine, &client, &token, how, held).await }
            });
            let mut counts: HashMap<String, usize> = HashMap::new();
            at_once(tries).await.into_iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
            let expected = HashMap::from([("done".to_owned(), 1), ("already_used link".to_owned(), 15)]);
            assert_eq!(counts, expected, "round {round} {how:?} by mail {by_mail}");
            let begun = i64::from(matches!(how, How::Begin));
            assert_eq!(world.database.rows("sessions").await, before + begun);
            assert_eq!(world.database.rows("session_tokens").await, before + begun, "a token each");
            let joined = i64::from(matches!(how, How::Join));
            let now = world.database.number("SELECT version FROM sessions ORDER BY id LIMIT 1").await;
            assert_eq!(now, factors + joined, "round {round} {how:?}");
            world.clock.tick();
        }
    }
    assert_eq!(world.database.rows("users").await, 1);
}

async fn one_try(engine: &Engine, client: &Caller, token: &str, how: How, held: passlink_engine::ids::SessionId) -> String {
    let session = match how {
        How::Alone => SessionWish::None,
        How::Begin => SessionWish::Begin(HOUR),
        How::Join => SessionWish::Join(SessionRef::Id(held), Some(HOUR)),
    };
    engine.exchange_link(client, token, wish(session)).await.map_or_else(|e| word(&e), |_| "done".to_owned())
}

async fn sec_32_a_link_that_the_caller_delivers_verifies_nothing(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let (first, _) = begin(&world, &ada).await;
    let exchanged = exchange(&world, &link(&world, &ada).await, wish(SessionWish::Begin(HOUR))).await.unwrap();
    assert!(exchanged.person.identifiers.iter().all(|i| i.verified_at.is_none()));
    assert_eq!((exchanged.factor.channel, exchanged.factor.identifier), (Channel::Caller, None));
    let verified = "SELECT count(*) FROM identifiers WHERE verified_at IS NOT NULL";
    assert_eq!(world.database.number(verified).await, 0);
    // And ends nothing.
    world.engine.verify_session(&world.client(), SessionRef::Id(first), None, Map::new()).await.unwrap();
    // A link with an address that the caller delivers itself proves nothing either.
    let command = IssueLink { address: Some(address("ada@example.com")), ..embeddable(&ada) };
    let token = token_of(&world, command).await;
    exchange(&world, &token, wish(SessionWish::Begin(HOUR))).await.unwrap();
    assert_eq!(world.database.number(verified).await, 0, "the address was proven by a link that was never mailed");
}

async fn a_pending_user_becomes_active(world: Arc<World>) {
    for (i, by_mail) in [false, true].into_iter().enumerate() {
        let to = format!("ada{i}@example.com");
        let command = CreateUser { email: Some(address(&to)), is_pending: true, ..CreateUser::default() };
        let person = world.engine.create_user(&world.client(), command).await.unwrap();
        world.clock.tick();
        assert!(person.user.is_pending);
        let token = if by_mail { mailed(&world, &person, &to).await } else { link(&world, &person).await };
        let wrong = Exchange { verifier: Some("x"), ..wish(SessionWish::None) };
        refused(&world, &token, wrong).await;
        let state =
            async || world.engine.find_person(&world.client(), UserRef::Id(person.user.id)).await.unwrap().user.is_pending;
        assert!(state().await);
        assert!(!exchange(&world, &token, wish(SessionWish::None)).await.unwrap().person.user.is_pending);
        assert!(!state().await);
    }
}

async fn sec_32_a_mailed_link_proves_its_address_and_ends_what_was_there(world: Arc<World>) {
    for joins in [false, true] {
        let to = format!("ada{joins}@example.com");
        let ada = world.person(&to).await;
        // Somebody who never showed that the address is theirs has two sessions and an open link.
        let (first, first_token) = begin(&world, &ada).await;
        let (second, second_token) = begin(&world, &ada).await;
        let open = link(&world, &ada).await;
        // Seen a moment ago, so remembered here.
        world.engine.verify_session(&world.client(), SessionRef::Token(&first_token), None, Map::new()).await.unwrap();
        let token = mailed(&world, &ada, &to).await;
        let session = if joins { SessionWish::Join(SessionRef::Id(second), None) } else { SessionWish::Begin(HOUR) };
        let exchanged = exchange(&world, &token, wish(session)).await.unwrap();
        let identifier = &exchanged.person.identifiers[0];
        assert!(identifier.verified_at.is_some());
        assert_eq!((exchanged.factor.channel, exchanged.factor.identifier), (Channel::Email, Some(identifier.id)));
        assert_eq!(exchanged.factor.address.as_deref(), Some(to.as_str()));
        let verify = async |id| {
            let verified = world.engine.verify_session(&world.client(), SessionRef::Id(id), None, Map::new()).await;
            verified.map_or_else(|e| word(&e), |_| "live".to_owned())
        };
        assert_eq!(verify(first).await, "not_found session");
        assert_eq!(verify(second).await, if joins { "live" } else { "not_found session" });
        let by_token = world.engine.verify_session(&world.client(), SessionRef::Token(&second_token), None, Map::new()).await;
        assert_eq!(by_token.is_ok(), joins);
        let own = exchanged.session.unwrap().signed_in.session.id;
        assert_eq!(verify(own).await, "live");
        assert_eq!(refused(&world, &open, wish(SessionWish::None)).await, "not_found link");
        // The second proof ends nothing.
        let again = mailed(&world, &ada, &to).await;
        exchange(&world, &again, wish(SessionWish::Begin(HOUR))).await.unwrap();
        assert_eq!(verify(own).await, "live");
    }
    for (kind, expected) in [("address.verified", 2), ("session.revoked", 2)] {
        let count = format!("SELECT count(*) FROM events WHERE kind = '{kind}'");
        assert_eq!(world.database.number(&count).await, expected, "{kind}");
    }
}

async fn a_link_works_until_the_instant_it_expires(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    for by_mail in [false, true] {
        for (left, works) in [(1, true), (0, false), (-1, false)] {
            let command = match by_mail {
                false => embeddable(&ada),
                true => IssueLink { address: Some(address("ada@example.com")), carry: Carry::Mail, ..embeddable(&ada) },
            };
            let issued = world.engine.issue_link(&world.client(), command).await.unwrap();
            let token = match by_mail {
                false => issued.token.unwrap().expose().to_owned(),
                true => {
                    world.engine.dispatch_due(10).await.unwrap();
                    world.read_mail(issued.id, "ada@example.com", browser("x")).token
                }
            };
            world.clock.set(issued.expires_at);
            world.clock.advance(Lifetime::from_millis(-left));
            let answer = exchange(&world, &token, wish(SessionWish::Begin(HOUR))).await;
            assert_eq!(answer.map(|_| ()), if works { Ok(()) } else { Err("expired link".to_owned()) }, "{left} ms left");
        }
    }
}

async fn what_is_gone_is_not_found(world: Arc<World>) {
    let (ada, bob) = (world.person("ada@example.com").await, world.person("bob@example.com").await);
    let (adas, bobs, bobs_mail) =
        (link(&world, &ada).await, link(&world, &bob).await, mailed(&world, &bob, "bob@example.com").await);
    world
        .database
        .execute("UPDATE links SET revoked_at = 1, revoked_why = 3 WHERE address IS NULL AND user_id IS NOT NULL")
        .await;
    for token in [&adas, &bobs] {
        assert_eq!(refused(&world, token, wish(SessionWish::None)).await, "not_found link", "revoked");
    }
    let token = link(&world, &ada).await;
    world.engine.delete_user(&world.client(), UserRef::Id(ada.user.id)).await.unwrap();
    world.engine.delete_user(&world.client(), UserRef::Id(bob.user.id)).await.unwrap();
    let never = "A".repeat(44);
    for token in [token.as_str(), &bobs_mail, &never, "", "nonsense", "plk_"] {
        assert_eq!(refused(&world, token, wish(SessionWish::Begin(HOUR))).await, "not_found link", "{token}");
    }
    assert_eq!((world.database.rows("sessions").await, world.database.rows("users").await), (0, 0));
}

async fn pages_and_clients_do_not_open_each_others_links(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    for token in [link(&world, &ada).await, mailed(&world, &ada, "ada@example.com").await] {
        let page = browser("a page");
        let opened = world.engine.open_link(&world.context(), &token, &page).await.unwrap();
        assert!(matches!(opened.may, MayDo::Nothing(_)), "{:?}", opened.may);
        let right = passlink_engine::links::redeem::Right::Pressed;
        let pressed = world.engine.redeem_link(&world.context(), &token, &page, right).await.unwrap();
        assert_eq!(name(&pressed), "dead: unknown");
        exchange(&world, &token, wish(SessionWish::None)).await.unwrap();
    }
    for (asker, handover) in [(Asker::Bound, Handover::Cookie), (Asker::Unbound, Handover::Fragment)] {
        let mailed = world.mail_from(&world.engine, &world.app, "ada@example.com", handover, asker).await;
        assert_eq!(refused(&world, &mailed.token, wish(SessionWish::Begin(HOUR))).await, "not_found link");
        // Nor when it names a user.
        let command = IssueLink { handover, ..embeddable(&ada) };
        let token = token_of(&world, command).await;
        assert_eq!(refused(&world, &token, wish(SessionWish::Begin(HOUR))).await, "not_found link");
    }
}

async fn two_mailed_links_of_one_address_give_one_session(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = world.person("ada@example.com").await;
    for round in 0..6 {
        let mut tokens = Vec::new();
        for _ in 0..2 {
            tokens.push(mailed(&world, &ada, "ada@example.com").await);
        }
        let tries = (0..16).map(|i| {
            let (engine, client, token) = (Arc::clone(&engines[i % 2]), world.client(), tokens[(i / 2) % 2].clone());
            async move {
                engine
                    .exchange_link(&client, &token, wish(SessionWish::Begin(HOUR)))
                    .await
                    .map_or_else(|e| word(&e), |_| "done".to_owned())
            }
        });
        let mut counts: HashMap<String, usize> = HashMap::new();
        at_once(tries).await.into_iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
        let expected = HashMap::from([("done".to_owned(), 1), ("already_used link".to_owned(), 15)]);
        assert_eq!(counts, expected, "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        world.clock.tick();
    }
}
