//! What clients do with users: make, find, change, remove.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use passlink_engine::Engine;
use passlink_engine::caller::{Authority, Caller};
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::{Handover, Purpose};
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::users::manage::CreateUser;
use passlink_engine::users::profile::ProfileChange;
use passlink_engine::users::search::{Condition, FoundPeople, Search};
use passlink_engine::users::store::UserStore;
use passlink_engine::users::{Address, ExternalId, IdentifierKind, Person, PersonName, UserRef};
use serde_json::{Map, Value, json};

use crate::support::ask::{Asker, address, browser, done, name, session_token};
use crate::support::{World, at_once, both, word};

both!(
    a_user_is_made_with_all_that_was_given,
    a_taken_address_or_id_makes_nothing,
    of_sixteen_with_one_address_one_is_made,
    an_external_id_is_free_again_when_it_goes,
    of_sixteen_users_one_gets_an_external_id,
    sixteen_changes_at_once_all_stay,
    bounds_are_those_of_what_is_kept,
    a_removed_user_is_gone_at_once,
    an_open_mail_does_not_revive_a_removed_user,
    removing_against_redeeming_leaves_nobody_signed_in,
    every_condition_finds_whom_it_describes,
    pages_have_no_gaps_and_no_repeats,
    a_page_looks_at_a_bounded_number_of_people,
    sec_37_users_of_another_app_do_not_exist,
);

fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap()
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn trusted(value: Value) -> ProfileChange {
    ProfileChange { trusted: Some(map(value)), ..ProfileChange::default() }
}

fn by_email(email: &str) -> CreateUser {
    CreateUser { email: Some(address(email)), ..CreateUser::default() }
}

/// No user without an address, no address without a user.
async fn is_whole(world: &World) {
    let lonely = "SELECT count(*) FROM identifiers i LEFT JOIN users u ON u.id = i.user_id WHERE u.id IS NULL";
    let bare = "SELECT count(*) FROM users u LEFT JOIN identifiers i ON u.id = i.user_id WHERE i.user_id IS NULL";
    assert_eq!((world.database.number(lonely).await, world.database.number(bare).await), (0, 0));
}

async fn a_user_is_made_with_all_that_was_given(world: Arc<World>) {
    let name = PersonName { first: Some("Ada".to_owned()), middle: None, last: Some("Lovelace".to_owned()) };
    let profile = ProfileChange {
        name,
        trusted: Some(map(json!({"plan": "pro", "gone": null}))),
        untrusted: Some(map(json!({"theme": {"dark": true}}))),
        roles: Some(vec!["editor".to_owned()]),
        ..ProfileChange::default()
    };
    let command = CreateUser {
        email: Some(address("Ada@Example.com")),
        phone: Some(phone("+12025550162")),
        is_pending: true,
        external_id: Some(external("auth0|1")),
        profile,
    };
    let made = world.engine.create_user(&world.client(), command).await.unwrap();
    world.clock.tick();
    for which in [UserRef::Id(made.user.id), UserRef::External(external("auth0|1"))] {
        let found = world.engine.find_person(&world.client(), which).await.unwrap();
        assert_eq!(found.user.id, made.user.id);
        assert!(found.user.is_pending && found.user.disabled_at.is_none() && found.user.created_at < world.engine.now());
        assert_eq!(found.user.email.as_ref().unwrap().as_str(), "ada@example.com");
        let addresses: Vec<_> = found.identifiers.iter().map(|i| (i.address.as_str(), i.is_primary, i.verified_at)).collect();
        assert_eq!(addresses, [("ada@example.com", true, None), ("+12025550162", true, None)]);
        assert_eq!(Value::Object(found.profile.trusted.clone()), json!({"plan": "pro"}));
        assert_eq!(Value::Object(found.profile.untrusted.clone()), json!({"theme": {"dark": true}}));
        assert_eq!(
            (found.profile.name.full().as_str(), found.profile.roles.as_slice()),
            ("Ada Lovelace", &["editor".to_owned()][..])
        );
    }
    let error = world.engine.create_user(&world.client(), CreateUser::default()).await.unwrap_err();
    assert_eq!(word(&error), "email Missing");
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'user.created'").await, 1);
}

async fn a_taken_address_or_id_makes_nothing(world: Arc<World>) {
    let both = |email: &str, number: &str, id: Option<&str>| CreateUser {
        email: Some(address(email)),
        phone: Some(phone(number)),
        external_id: id.map(external),
        ..CreateUser::default()
    };
    let (one, two, three) = ("+12025550161", "+12025550162", "+12025550163");
    world.engine.create_user(&world.client(), both("ada@example.com", one, Some("1"))).await.unwrap();
    world.engine.create_user(&world.client(), both("bob@example.com", two, Some("2"))).await.unwrap();
    world.clock.tick();
    let before = world.database.dump_rows().await;
    let phone_only = |number: &str| CreateUser { phone: Some(phone(number)), ..CreateUser::default() };
    for (command, expected) in [
        (by_email("ADA@example.com"), "email Taken"),
        (phone_only(one), "phone Taken"),
        (both("ada@example.com", three, Some("3")), "email Taken"),
        (both("cy@example.com", two, Some("3")), "phone Taken"),
        (both("ada@example.com", one, Some("1")), "email Taken"),
        (both("ada@example.com", two, None), "email Taken"),
        (both("cy@example.com", three, Some("2")), "external_id Taken"),
        (both("bob@example.com", three, Some("1")), "email Taken"),
    ] {
        let error = world.engine.create_user(&world.client(), command.clone()).await.unwrap_err();
        assert_eq!(word(&error), expected, "{command:?}");
    }
    assert_eq!(world.database.dump_rows().await, before, "a refusal left something behind");
    // Another tenant's are another matter.
    world.engine.create_user(&world.client_of(&world.other), both("ada@example.com", one, Some("1"))).await.unwrap();
    is_whole(&world).await;
}

async fn of_sixteen_with_one_address_one_is_made(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mut users = 0;
    for round in 0..6 {
        for same in ["email", "phone", "external_id"] {
            let tries = (0..16).map(|i| {
                let own = |what: &str| if what == same { round * 100 } else { round * 100 + i + 1 };
                let command = CreateUser {
                    email: Some(address(&format!("{same}{}@example.com", own("email")))),
                    phone: Some(phone(&format!("+1202555{:04}", own("phone") + 20 + 2000 * same.len() % 7000))),
                    external_id: Some(external(&format!("{same}-{}", own("external_id")))),
                    ..CreateUser::default()
                };
                let (engine, client) = (Arc::clone(&engines[i % 2]), world.client());
                async move { engine.create_user(&client, command).await.map_or_else(|e| word(&e), |_| "made".to_owned()) }
            });
            let mut counts: HashMap<String, usize> = HashMap::new();
            at_once(tries).await.into_iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
            let expected = HashMap::from([("made".to_owned(), 1), (format!("{same} Taken"), 15)]);
            assert_eq!(counts, expected, "round {round}");
            users += 1;
            assert_eq!((world.database.rows("users").await, world.database.rows("identifiers").await), (users, users * 2));
            let events = world.database.number("SELECT count(*) FROM events WHERE kind = 'user.created'").await;
            assert_eq!(events, users, "each told once");
        }
    }
    is_whole(&world).await;
}

async fn an_external_id_is_free_again_when_it_goes(world: Arc<World>) {
    let (ada, bob) = (world.person("ada@example.com").await, world.person("bob@example.com").await);
    let give = async |person: &Person, id: Option<&str>| {
        let change = Some(id.map(external));
        let user = UserRef::Id(person.user.id);
        world.engine.change_user(&world.client(), user, ProfileChange::default(), change).await
    };
    give(&ada, Some("x")).await.unwrap();
    assert_eq!(give(&ada, Some("x")).await.unwrap().external_id, Some(external("x")), "one's own is not taken");
    assert_eq!(word(&give(&bob, Some("x")).await.unwrap_err()), "external_id Taken");
    give(&ada, Some("y")).await.unwrap();
    give(&bob, Some("x")).await.unwrap();
    give(&bob, None).await.unwrap();
    let error = world.engine.find_person(&world.client(), UserRef::External(external("x"))).await.unwrap_err();
    assert_eq!(word(&error), "not_found user");
    world.engine.delete_user(&world.client(), UserRef::External(external("y"))).await.unwrap();
    for id in ["x", "y"] {
        let command = CreateUser { external_id: Some(external(id)), ..by_email(&format!("{id}@example.com")) };
        world.engine.create_user(&world.client(), command).await.unwrap();
    }
}

async fn of_sixteen_users_one_gets_an_external_id(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mut people = Vec::new();
    for i in 0..16 {
        people.push(world.person(&format!("ada{i}@example.com")).await.user.id);
    }
    for round in 0..6 {
        let tries = people.iter().enumerate().map(|(i, id)| {
            let (engine, client, user) = (Arc::clone(&engines[i % 2]), world.client(), UserRef::Id(*id));
            async move {
                let id = Some(Some(external(&format!("wanted-{round}"))));
                let changed = engine.change_user(&client, user, ProfileChange::default(), id).await;
                changed.map_or_else(|e| word(&e), |_| "got it".to_owned())
            }
        });
        let mut counts: HashMap<String, usize> = HashMap::new();
        at_once(tries).await.into_iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
        let expected = HashMap::from([("got it".to_owned(), 1), ("external_id Taken".to_owned(), 15)]);
        assert_eq!(counts, expected, "round {round}");
    }
}

async fn sixteen_changes_at_once_all_stay(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..6 {
        let id = world.person(&format!("ada{round}@example.com")).await.user.id;
        let changes = (0..16).map(|i| {
            let (engine, client) = (Arc::clone(&engines[i % 2]), world.client());
            let change =
                ProfileChange { untrusted: Some(map(json!({format!("u{i}"): i}))), ..trusted(json!({format!("t{i}"): i})) };
            async move { engine.change_user(&client, UserRef::Id(id), change, None).await.map(|_| ()).map_err(|e| word(&e)) }
        });
        for answer in at_once(changes).await {
            answer.unwrap();
        }
        let person = world.engine.find_person(&world.client(), UserRef::Id(id)).await.unwrap();
        assert_eq!((person.profile.trusted.len(), person.profile.untrusted.len(), person.version), (16, 16, 16));
    }
}

async fn bounds_are_those_of_what_is_kept(world: Arc<World>) {
    let id = world.person("ada@example.com").await.user.id;
    let change = async |change: ProfileChange| {
        let changed = world.engine.change_user(&world.client(), UserRef::Id(id), change, None).await;
        changed.map_or_else(|e| word(&e), |_| "changed".to_owned())
    };
    let keys = |range: std::ops::Range<usize>| trusted(Value::Object(range.map(|i| (format!("k{i}"), json!(i))).collect()));
    assert_eq!(change(keys(0..12)).await, "changed");
    assert_eq!(change(keys(8..20)).await, "changed");
    let before = world.database.dump_rows().await;
    assert_eq!(change(keys(20..21)).await, "trusted_metadata TooMany");
    assert_eq!(change(trusted(json!({"k0": "x".repeat(4096)}))).await, "trusted_metadata TooLarge");
    let names = PersonName { first: Some("x".repeat(257)), ..PersonName::default() };
    let wrong = ProfileChange { name: names, roles: Some(vec![String::new()]), ..ProfileChange::default() };
    assert_eq!(change(wrong).await, "name.first TooLarge, roles TooMany");
    assert_eq!(world.database.dump_rows().await, before, "a refusal changed something");
    assert_eq!(change(trusted(json!({"k0": null, "new": "x".repeat(3000)}))).await, "changed");
    let person = world.engine.find_person(&world.client(), UserRef::Id(id)).await.unwrap();
    assert_eq!(person.profile.trusted.len(), 20);
}

/// A link for a user that its client delivers.
fn link_for(person: &Person) -> IssueLink {
    IssueLink {
        purpose: Purpose::SignIn,
        address: None,
        user: Some(person.user.id),
        carry: Carry::Return,
        ..IssueLink::sign_in_by_mail(address("nobody@example.com"), None, Handover::Client, None)
    }
}

async fn a_removed_user_is_gone_at_once(world: Arc<World>) {
    let signed_in = world.sign_in("ada@example.com", Handover::Cookie).await;
    let token = session_token(&signed_in);
    let (engine, client) = (&world.engine, world.client());
    engine.authenticate_session_token(&token).await.unwrap();
    let id = signed_in.signed_in.user.id;
    let person = engine.find_person(&client, UserRef::Id(id)).await.unwrap();
    let link = engine.issue_link(&client, link_for(&person)).await.unwrap().token.unwrap();
    assert_eq!(engine.delete_user(&client, UserRef::Id(id)).await.unwrap(), id);
    assert!(engine.authenticate_session_token(&token).await.is_err(), "at once on this server");
    let exchange = passlink_engine::links::exchange::Exchange {
        verifier: None,
        client: Default::default(),
        must_match: Default::default(),
        session: passlink_engine::links::exchange::SessionWish::None,
        claims: Map::new(),
    };
    assert_eq!(word(&engine.exchange_link(&client, link.expose(), exchange).await.unwrap_err()), "not_found link");
    for error in [
        engine.find_person(&client, UserRef::Id(id)).await.map(|_| ()).unwrap_err(),
        engine.delete_user(&client, UserRef::Id(id)).await.map(|_| ()).unwrap_err(),
        engine.list_sessions(&client, UserRef::Id(id)).await.map(|_| ()).unwrap_err(),
        engine.change_user(&client, UserRef::Id(id), ProfileChange::default(), None).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(word(&error), "not_found user");
    }
    assert_eq!((world.database.rows("users").await, world.database.rows("identifiers").await), (0, 0));
    let live = "SELECT count(*) FROM links WHERE redeemed_at IS NULL AND revoked_at IS NULL";
    assert_eq!(world.database.number(live).await, 0);
    // Whoever has the address now is somebody new.
    let again = world.person("ada@example.com").await;
    assert!(again.user.id != id && again.identifiers[0].verified_at.is_none());
}

async fn an_open_mail_does_not_revive_a_removed_user(world: Arc<World>) {
    for asker in [Asker::Bound, Asker::Unbound] {
        world.sign_in("ada@example.com", Handover::Cookie).await;
        let mailed = world.mail_from(&world.engine, &world.app, "ada@example.com", Handover::Cookie, asker).await;
        let page = browser("a page");
        world.engine.open_link(&world.context(), &mailed.token, &page).await.unwrap();
        let person = world.store.find_person_by_address(world.app.id, &Address::Email(address("ada@example.com"))).await.unwrap();
        world.engine.delete_user(&world.client(), UserRef::Id(person.unwrap().user.id)).await.unwrap();
        world.clock.tick();
        let right = if asker == Asker::Bound { world.open(&mailed).await } else { world.press(&mailed, &page).await };
        assert_eq!(name(&right), "dead: withdrawn");
        if asker == Asker::Bound {
            assert_eq!(name(&world.type_code(&mailed, &mailed.code).await), "dead: withdrawn");
        }
        assert_eq!(world.database.rows("users").await, 0);
    }
    // Asking again is signing up.
    assert!(world.sign_in("ada@example.com", Handover::Cookie).await.created);
}

async fn removing_against_redeeming_leaves_nobody_signed_in(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..20 {
        let to = format!("ada{round}@example.com");
        let id = done(world.open(&world.mail(&to).await).await).signed_in.user.id;
        let mailed = world.mail_unbound(&to).await;
        let (engine, context, token) = (Arc::clone(&engines[round % 2]), world.context(), mailed.token.clone());
        let redeeming = tokio::spawn(async move {
            let right = passlink_engine::links::redeem::Right::Pressed;
            name(&engine.redeem_link(&context, &token, &browser("x"), right).await.unwrap())
        });
        let (engine, client) = (Arc::clone(&engines[0]), world.client());
        engine.delete_user(&client, UserRef::Id(id)).await.unwrap();
        let word = redeeming.await.unwrap();
        assert!(["done", "dead: withdrawn"].contains(&word.as_str()), "{word}");
        let live = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.revoked_at IS NULL";
        assert_eq!((world.database.number(live).await, world.database.rows("users").await), (0, 0), "round {round}: {word}");
    }
    is_whole(&world).await;
}

fn search(conditions: Vec<Condition>, any: bool) -> Search {
    Search { conditions, any, after: None, newest_first: false, limit: 100 }
}

/// The first letters of those found.
async fn found(world: &World, conditions: Vec<Condition>, any: bool) -> String {
    let found = world.engine.search_users(&world.client(), search(conditions, any)).await.unwrap();
    assert_eq!(found.total, Some(found.people.len() as u64));
    assert!(found.next.is_none());
    found.people.iter().map(|person| person.profile.name.first.as_deref().unwrap_or("?")[..1].to_owned()).collect()
}

async fn every_condition_finds_whom_it_describes(world: Arc<World>) {
    let mut people = Vec::new();
    let start = world.engine.now();
    for (i, first) in ["Ada", "Bob", "Cy", "Di"].into_iter().enumerate() {
        let name = PersonName { first: Some(first.to_owned()), middle: None, last: Some("Von Neumann".to_owned()) };
        let command = CreateUser {
            email: (first != "Di").then(|| address(&format!("{first}.x@example.com"))),
            phone: (first == "Di" || first == "Cy").then(|| phone(&format!("+1202555016{i}"))),
            is_pending: first == "Bob",
            external_id: Some(external(first)),
            profile: ProfileChange { name, ..ProfileChange::default() },
        };
        people.push(world.engine.create_user(&world.client(), command).await.unwrap());
        world.clock.advance(Lifetime::from_secs(10));
    }
    // Ada proves her address; who signs in without being made has no name here.
    done(world.open(&world.mail("ada.x@example.com").await).await);
    let at = |secs: i64| start.plus(Lifetime::from_secs(secs));
    let id = |i: usize| UserRef::Id(people[i].user.id);
    let cases: Vec<(Vec<Condition>, bool, &str)> = vec![
        (vec![], false, "ABCD"),
        (vec![], true, "ABCD"),
        (vec![Condition::CreatedAfter(at(10))], false, "CD"),
        (vec![Condition::CreatedBefore(at(10))], false, "A"),
        (vec![Condition::CreatedBetween(at(5), at(25))], false, "BC"),
        (vec![Condition::IsPending(true)], false, "B"),
        (vec![Condition::IsPending(false)], false, "ACD"),
        (vec![Condition::Ids(vec![id(3), UserRef::External(external("Ada")), id(0)])], false, "AD"),
        (vec![Condition::Ids(vec![])], false, ""),
        (vec![Condition::Emails(vec![address("CY.X@example.com"), address("none@example.com")])], false, "C"),
        (vec![Condition::Identifiers(IdentifierKind::Email, vec![people[1].identifiers[0].id])], false, "B"),
        (vec![Condition::Identifiers(IdentifierKind::Phone, vec![people[1].identifiers[0].id])], false, ""),
        (vec![Condition::Phones(vec![phone("+12025550163"), phone("+12025550162")])], false, "CD"),
        (vec![Condition::Verified(IdentifierKind::Email, true)], false, "A"),
        (vec![Condition::Verified(IdentifierKind::Email, false)], false, "BCD"),
        (vec![Condition::Verified(IdentifierKind::Phone, true)], false, ""),
        (vec![Condition::EmailContains("B.X@EX".to_owned())], false, "B"),
        (vec![Condition::EmailContains("%".to_owned())], false, ""),
        (vec![Condition::PhoneContains("50163".to_owned())], false, "D"),
        (vec![Condition::NameContains("bob von".to_owned())], false, "B"),
        (vec![Condition::NameContains("neumann".to_owned())], false, "ABCD"),
        (vec![Condition::Constant(true)], false, "ABCD"),
        (vec![Condition::Constant(false)], false, ""),
        (vec![Condition::Emails(vec![address("cy.x@example.com")]), Condition::IsPending(true)], false, ""),
        (vec![Condition::Emails(vec![address("cy.x@example.com")]), Condition::IsPending(true)], true, "BC"),
        (vec![Condition::Emails(vec![address("cy.x@example.com")]), Condition::Ids(vec![id(2), id(0)])], true, "AC"),
        (vec![Condition::Emails(vec![address("cy.x@example.com")]), Condition::Ids(vec![id(2), id(0)])], false, "C"),
        (vec![Condition::Constant(false), Condition::IsPending(false)], true, "ACD"),
        (vec![Condition::CreatedAfter(at(5)), Condition::CreatedBefore(at(15))], false, "B"),
    ];
    for (conditions, any, expected) in cases {
        let what = format!("{conditions:?} any {any}");
        assert_eq!(found(&world, conditions, any).await, expected, "{what}");
    }
    let none = Search { limit: 0, ..search(vec![Condition::Ids(vec![id(0)])], false) };
    assert!(world.engine.search_users(&world.client(), none).await.unwrap().people.len() <= 1, "no panic");
    let most = Search { limit: u32::MAX, ..search(vec![], false) };
    assert_eq!(world.engine.search_users(&world.client(), most).await.unwrap().people.len(), 4);
}

/// Every page until the last; how many pages there were.
async fn all_pages(engine: &Engine, world: &World, mut search: Search) -> (Vec<Person>, usize) {
    let (mut people, mut pages) = (Vec::new(), 0);
    loop {
        let FoundPeople { people: page, next, .. } = engine.search_users(&world.client(), search.clone()).await.unwrap();
        assert!(page.len() <= search.limit as usize);
        people.extend(page);
        pages += 1;
        match next {
            Some(next) => search.after = Some(next),
            None => return (people, pages),
        }
    }
}

async fn pages_have_no_gaps_and_no_repeats(world: Arc<World>) {
    const PEOPLE: usize = 1200;
    let made: Vec<_> = (0..PEOPLE)
        .map(|i| {
            let (world, client) = (Arc::clone(&world), world.client());
            async move {
                let command = CreateUser { is_pending: i % 7 == 0, ..by_email(&format!("user{i}@example.com")) };
                world.engine.create_user(&client, command).await.unwrap().user.id
            }
        })
        .collect();
    let there: BTreeSet<_> = at_once(made).await.into_iter().collect();
    assert_eq!(there.len(), PEOPLE);
    world.clock.tick();
    // Others come while pages are read.
    let coming = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for i in 0..200 {
                world.person(&format!("late{i}@example.com")).await;
            }
        })
    };
    let pending = there.len().div_ceil(7);
    for (limit, conditions, expected) in [
        (100, vec![], PEOPLE),
        (999, vec![], PEOPLE),
        (1, vec![Condition::Ids(there.iter().take(5).map(|id| UserRef::Id(*id)).collect())], 5),
        (37, vec![Condition::IsPending(true)], pending),
    ] {
        let (people, _) = all_pages(&world.engine, &world, Search { limit, ..search(conditions, false) }).await;
        let ids: Vec<_> = people.iter().map(|person| person.user.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "in order, each once");
        assert_eq!(ids.iter().filter(|id| there.contains(id)).count(), expected, "limit {limit}");
    }
    coming.await.unwrap();
    let (people, pages) = all_pages(&world.engine, &world, Search { limit: 700, ..search(vec![], false) }).await;
    assert_eq!((people.len(), pages), (PEOPLE + 200, 2), "a last page that is just full has no next one");
}

/// People are written past the engine: 45,000 of them one by one would take minutes.
async fn a_page_looks_at_a_bounded_number_of_people(world: Arc<World>) {
    let app = world.database.bytes(world.app.id.as_bytes());
    let insert = match world.database.kind() {
        crate::support::database::Kind::Sqlite => format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 45000)
            INSERT INTO users (id, app_id, created_at) SELECT CAST(printf('%016d', i) AS BLOB), {app}, i FROM n"
        ),
        crate::support::database::Kind::Postgres => format!(
            "INSERT INTO users (id, app_id, created_at) SELECT convert_to(lpad(i::text, 16, '0'), 'UTF8'), {app}, i FROM generate_series(1, 45000) i"
        ),
    };
    world.database.execute(&insert).await;
    let nobody = vec![Condition::CreatedAfter(Timestamp::from_millis(44_999))];
    let first = world.engine.search_users(&world.client(), Search { limit: 10, ..search(nobody.clone(), false) }).await.unwrap();
    assert!(first.people.is_empty() && first.next.is_some() && first.total.is_none(), "a short page with a next one");
    let (people, pages) = all_pages(&world.engine, &world, Search { limit: 10, ..search(nobody, false) }).await;
    assert_eq!((people.len(), pages), (1, 3));
}

async fn sec_37_users_of_another_app_do_not_exist(world: Arc<World>) {
    let ada =
        CreateUser { external_id: Some(external("ada")), phone: Some(phone("+12025550162")), ..by_email("ada@example.com") };
    let ada = world.engine.create_user(&world.client(), ada).await.unwrap();
    world.clock.tick();
    let (engine, stranger) = (&world.engine, world.client_of(&world.other));
    let before = world.database.dump_rows().await;
    for user in [UserRef::Id(ada.user.id), UserRef::External(external("ada"))] {
        for error in [
            engine.find_person(&stranger, user.clone()).await.map(|_| ()).unwrap_err(),
            engine.change_user(&stranger, user.clone(), trusted(json!({"a": 1})), Some(None)).await.map(|_| ()).unwrap_err(),
            engine.delete_user(&stranger, user.clone()).await.map(|_| ()).unwrap_err(),
            engine.list_sessions(&stranger, user.clone()).await.map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(word(&error), "not_found user");
        }
    }
    assert_eq!(word(&engine.issue_link(&stranger, link_for(&ada)).await.unwrap_err()), "not_found user");
    let conditions = [
        Condition::Ids(vec![UserRef::Id(ada.user.id), UserRef::External(external("ada"))]),
        Condition::Emails(vec![address("ada@example.com")]),
        Condition::Phones(vec![phone("+12025550162")]),
        Condition::Identifiers(IdentifierKind::Email, vec![ada.identifiers[0].id]),
        Condition::EmailContains("ada".to_owned()),
        Condition::Constant(true),
    ];
    for condition in conditions {
        let found = engine.search_users(&stranger, search(vec![condition.clone()], false)).await.unwrap();
        assert_eq!((found.people.len(), found.total), (0, Some(0)), "{condition:?}");
    }
    let everybody = engine.search_users(&stranger, search(vec![], false)).await.unwrap();
    assert_eq!((everybody.people.len(), everybody.total), (0, Some(0)));
    assert_eq!(world.database.dump_rows().await, before, "a stranger changed something");
    // Nor for callers without the right to it.
    for caller in [world.anybody(), Caller { authority: Authority::User(ada.user.id), ..world.anybody() }] {
        assert!(engine.find_person(&caller, UserRef::Id(ada.user.id)).await.is_err());
        assert!(engine.create_user(&caller, by_email("eve@example.com")).await.is_err());
        assert!(engine.change_user(&caller, UserRef::Id(ada.user.id), ProfileChange::default(), None).await.is_err());
        assert!(engine.delete_user(&caller, UserRef::Id(ada.user.id)).await.is_err());
        assert!(engine.search_users(&caller, search(vec![], false)).await.is_err());
    }
}
