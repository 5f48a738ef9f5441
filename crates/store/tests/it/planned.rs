//! Links that find or make their user when they are redeemed: races for them, and the rules that decide whom they sign in and what they write down.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::apps::App;
use passlink_engine::caller::{Authority, Caller};
use passlink_engine::groups::manage::NewGroup;
use passlink_engine::groups::{Admission, Group};
use passlink_engine::ids::{GroupId, UserId};
use passlink_engine::links::Handover;
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::plan::{IdWish, PlanLink, PlannedLink};
use passlink_engine::links::redeem::{Redeemed, Redemption, Right};
use passlink_engine::redirects::ChosenBy;
use passlink_engine::time::Lifetime;
use passlink_engine::users::manage::CreateUser;
use passlink_engine::users::schema::{Schema, SchemaField};
use passlink_engine::users::write::{UserIdFormat, Whom};
use passlink_engine::users::writing::{Mode, Writer, Writing};
use passlink_engine::users::{Address, ExternalId, IdentifierKind, Person, UserRef};
use passlink_engine::{Engine, Result};
use serde_json::{Map, Value, json};

use crate::support::ask::{address, browser, done, name, target};
use crate::support::{World, at_once, both, word};

both!(
    sec_08_of_sixteen_redeemers_of_one_link_one_wins,
    sec_08_sixteen_links_for_one_new_address_make_one_user,
    sixteen_reservations_for_one_address_give_one_id,
    sec_35_of_sixteen_refreshes_of_one_signed_token_one_wins,
    of_sixteen_joining_an_empty_group_by_link_one_is_the_owner,
    links_with_crossing_addresses_leave_nobody_half_written,
    of_sixteen_users_one_gets_a_unique_value,
    of_sixteen_links_one_brings_a_unique_value,
    an_address_somebody_typed_is_its_provers,
    sec_32_the_first_proof_ends_what_an_unproven_account_had,
    a_disabled_user_does_not_use_a_link_up,
    a_value_taken_meanwhile_leaves_the_link_live,
    an_address_taken_meanwhile_leaves_the_link_live,
    people_removed_or_made_meanwhile_are_found_again,
    values_whose_field_left_the_schema_are_passed_over,
    a_kept_id_is_free_after_its_time,
    what_a_stranger_types_finds_nobody,
    an_address_that_was_given_up_signs_nobody_in_as_before,
    a_kept_id_may_be_used_before_its_link,
);

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A link with these values, as a client asks for it.
fn plan(values: Value) -> PlanLink {
    let link = IssueLink {
        redirect: Some(target("/")),
        redirect_by: ChosenBy::Client,
        handover: Handover::Signed,
        carry: Carry::Return,
        alphanumeric: true,
        ..IssueLink::nobody()
    };
    PlanLink {
        link,
        proves: None,
        values: map(values),
        values_of_newcomer: false,
        id: IdWish::New(None),
        group: None,
        invite: None,
    }
}

/// The same, of which redeeming proves an address.
fn proving(kind: IdentifierKind, values: Value) -> PlanLink {
    PlanLink { proves: Some(kind), ..plan(values) }
}

fn text(planned: &PlannedLink) -> String {
    planned.link.token.as_ref().unwrap().expose().to_owned()
}

fn schema_with_unique(field: &str) -> Schema {
    let unique: SchemaField = serde_json::from_value(json!({"type": "string", "unique": true})).unwrap();
    let mut schema = Schema::default();
    schema.0.insert(field.to_owned(), unique);
    schema
}

async fn use_link(engine: &Engine, world: &World, token: &str) -> Result<Redemption> {
    engine.redeem_link(&world.context(), token, &browser(token), Right::Sdk).await
}

/// What became of a try, in a word.
fn told(tried: &Result<Redemption>) -> String {
    tried.as_ref().map_or_else(word, name)
}

fn counted(words: Vec<String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> HashMap<String, usize> {
    expected.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

impl World {
    async fn planned(&self, command: PlanLink) -> PlannedLink {
        self.planned_in(&self.app, command).await
    }

    async fn planned_in(&self, app: &Arc<App>, command: PlanLink) -> PlannedLink {
        let planned = self.engine.issue_planned(&self.client_of(app), command).await.unwrap();
        self.clock.tick();
        planned
    }

    async fn arrives(&self, planned: &PlannedLink) -> Redeemed {
        let redeemed = done(use_link(&self.engine, self, &text(planned)).await.unwrap());
        self.clock.tick();
        redeemed
    }

    async fn two_engines(&self) -> [Arc<Engine>; 2] {
        [Arc::clone(&self.engine), self.another_engine().await]
    }

    /// Redeems all of them at once on two servers.
    async fn race(self: &Arc<Self>, engines: &[Arc<Engine>; 2], tokens: Vec<String>) -> Vec<Result<Redemption>> {
        let tries = tokens.into_iter().enumerate().map(|(i, token)| {
            let (world, engine) = (Arc::clone(self), Arc::clone(&engines[i % 2]));
            async move { engine.redeem_link(&world.context(), &token, &browser(&format!("page {i}")), Right::Sdk).await }
        });
        at_once(tries).await
    }

    async fn who(&self, user: UserId) -> Person {
        self.engine.find_own_person(self.app.id, user).await.unwrap()
    }

    /// What an app or a person writes about a user.
    async fn writes(&self, app: &Arc<App>, user: UserId, by: Writer, values: Value) -> Result<Person> {
        let authority = match by {
            Writer::App => self.client().authority,
            Writer::Person => Authority::User(user),
        };
        let caller = Caller { app: Arc::clone(app), authority, context: self.context() };
        let writing = Writing { values: map(values), mode: Mode::Merge, by };
        let written = self.engine.write_user(&caller, Whom::Known(UserRef::Id(user)), writing).await;
        self.clock.tick();
        written.map(|written| written.person)
    }

    async fn open_group(&self) -> Group {
        let new = NewGroup { name: "Everybody".to_owned(), admission: Admission::Open, ..NewGroup::default() };
        let group = self.engine.create_group(&self.client(), new).await.unwrap();
        self.clock.tick();
        group
    }

    /// No address, value or membership without its user.
    async fn nothing_is_lonely(&self) {
        for table in
            ["identifiers t", "unique_values t", "members t", "(SELECT user_id FROM sessions WHERE revoked_at IS NULL) t"]
        {
            let sql = format!("SELECT count(*) FROM {table} LEFT JOIN users u ON u.id = t.user_id WHERE u.id IS NULL");
            assert_eq!(self.database.number(&sql).await, 0, "{table}");
        }
    }
}

async fn sec_08_of_sixteen_redeemers_of_one_link_one_wins(world: Arc<World>) {
    let engines = world.two_engines().await;
    for round in 0..10 {
        let planned = world.planned(plan(json!({"email": format!("ada{round}@example.com"), "first_name": "Ada"}))).await;
        let tried = world.race(&engines, vec![text(&planned); 16]).await;
        let words = counted(tried.iter().map(told).collect());
        assert_eq!(words, counts([("done", 1), ("dead: used", 15)]), "round {round}");
        for table in ["users", "identifiers", "sessions", "session_tokens"] {
            assert_eq!(world.database.rows(table).await, round + 1, "round {round}: {table}");
        }
    }
    world.nothing_is_lonely().await;
}

async fn sec_08_sixteen_links_for_one_new_address_make_one_user(world: Arc<World>) {
    let engines = world.two_engines().await;
    for round in 0..10 {
        let values = json!({"email": format!("ada{round}@example.com"), "phone_number": format!("+1202555{:04}", 100 + round)});
        let mut links = Vec::new();
        for i in 0..16 {
            let kind = if i % 2 == 0 { IdentifierKind::Email } else { IdentifierKind::Phone };
            links.push(
                world.planned(PlanLink { id: IdWish::New(Some(UserIdFormat::Uuid)), ..proving(kind, values.clone()) }).await,
            );
        }
        // By whichever of the two addresses the id was kept, it is one person who comes to be.
        let kept: Vec<_> = links.iter().map(|planned| planned.identity.external_id.clone().unwrap()).collect();
        let tried = world.race(&engines, links.iter().map(text).collect()).await;
        assert_eq!(counted(tried.iter().map(told).collect()), counts([("done", 16)]), "round {round}");
        let users: Vec<_> = tried.into_iter().map(|tried| done(tried.unwrap())).collect();
        assert_eq!(users.iter().filter(|redeemed| redeemed.created).count(), 1, "round {round}");
        let first = users[0].signed_in.user.id;
        assert!(users.iter().all(|redeemed| redeemed.signed_in.user.id == first), "round {round}");
        assert_eq!(world.database.rows("users").await, round + 1);
        assert_eq!(world.database.rows("sessions").await, 16 * (round + 1));
        let person = world.who(first).await;
        assert!(kept.contains(person.external_id.as_ref().unwrap()), "round {round}");
        assert_eq!(person.identifiers.len(), 2);
        assert!(person.identifiers.iter().all(|identifier| identifier.verified_at.is_some()), "round {round}");
    }
    // Nothing is kept for them any more.
    assert_eq!(world.database.rows("reserved_users").await, 0);
    world.nothing_is_lonely().await;
}

async fn sixteen_reservations_for_one_address_give_one_id(world: Arc<World>) {
    let engines = world.two_engines().await;
    for round in 0..10 {
        let tries = (0..16).map(|i| {
            let (world, engine) = (Arc::clone(&world), Arc::clone(&engines[i % 2]));
            let values = json!({"email": format!("ada{round}@example.com")});
            async move { engine.issue_planned(&world.client(), plan(values)).await.unwrap() }
        });
        let made = at_once(tries).await;
        assert!(made.iter().all(|planned| planned.identity.id == made[0].identity.id && !planned.is_known), "round {round}");
        assert_eq!(world.database.rows("reserved_users").await, round + 1);
        assert_eq!(world.database.rows("links").await, 16 * (round + 1));
    }
    // Another form of id is another one, and another app keeps its own.
    let before = world.planned(plan(json!({"email": "ada0@example.com"}))).await;
    let uuid = PlanLink { id: IdWish::New(Some(UserIdFormat::Uuid)), ..plan(json!({"email": "ada0@example.com"})) };
    assert_ne!(world.planned(uuid).await.identity.id, before.identity.id);
    let elsewhere = world.planned_in(&world.other, plan(json!({"email": "ada0@example.com"}))).await;
    assert_ne!(elsewhere.identity.id, before.identity.id);
    assert_eq!(world.arrives(&before).await.signed_in.user.id, before.identity.id, "as it was told");
}

async fn sec_35_of_sixteen_refreshes_of_one_signed_token_one_wins(world: Arc<World>) {
    let engines = world.two_engines().await;
    for round in 0..10 {
        let planned = world.planned(plan(json!({"email": format!("ada{round}@example.com")}))).await;
        let redeemed = world.arrives(&planned).await;
        let token = redeemed.tokens.refresh.clone().unwrap();
        let tries = (0..16).map(|i| {
            let (world, engine, token) = (Arc::clone(&world), Arc::clone(&engines[i % 2]), token.clone());
            async move { engine.refresh_signed_session(&world.context(), Arc::clone(&world.app), &token).await }
        });
        let tried = at_once(tries).await;
        let words = counted(tried.iter().map(|tried| tried.as_ref().map_or_else(word, |_| "done".to_owned())).collect());
        assert_eq!(words, counts([("done", 1), ("already_used ", 15)]), "round {round}");
        // Somebody has a copy: what was won is worth nothing either.
        let won = tried.into_iter().find_map(Result::ok).unwrap().token;
        let after = world.engine.refresh_signed_session(&world.context(), Arc::clone(&world.app), &won).await;
        assert_eq!(word(&after.unwrap_err()), "unauthenticated ", "round {round}");
        let live = format!(
            "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.revoked_at IS NULL AND u.id = {}",
            world.database.bytes(redeemed.signed_in.user.id.as_bytes())
        );
        assert_eq!(world.database.number(&live).await, 0, "round {round}");
        let told = world.database.number("SELECT count(*) FROM events WHERE kind = 'session.reuse_detected'").await;
        assert_eq!(told, round + 1, "round {round}");
    }
}

async fn of_sixteen_joining_an_empty_group_by_link_one_is_the_owner(world: Arc<World>) {
    let engines = world.two_engines().await;
    for round in 0..8 {
        let group = world.open_group().await;
        let mut links = Vec::new();
        for i in 0..16 {
            let values = json!({"email": format!("ada{round}-{i}@example.com")});
            links.push(world.planned(PlanLink { group: Some(group.id), ..plan(values) }).await);
        }
        let tried = world.race(&engines, links.iter().map(text).collect()).await;
        assert_eq!(counted(tried.iter().map(told).collect()), counts([("done", 16)]), "round {round}");
        let members = |rest: &str| {
            let group = world.database.bytes(GroupId::as_bytes(&group.id));
            format!("SELECT count(*) FROM members WHERE group_id = {group} AND state = 1{rest}")
        };
        assert_eq!(world.database.number(&members("")).await, 16, "round {round}");
        assert_eq!(world.database.number(&members(" AND roles LIKE '%\"owner\"%'")).await, 1, "round {round}");
        assert_eq!(world.database.number(&members(" AND roles LIKE '%\"member\"%'")).await, 16, "round {round}");
    }
    world.nothing_is_lonely().await;
}

async fn links_with_crossing_addresses_leave_nobody_half_written(world: Arc<World>) {
    const PAIRS: usize = 6;
    let engines = world.two_engines().await;
    for round in 0..6 {
        let they_are_there = round % 2 == 1;
        let email = |who: &str, i: usize| format!("{who}{round}-{i}@example.com");
        let phone = |who: usize, i: usize| format!("+1202555{round}{who}{i:02}");
        let mut links = Vec::new();
        for i in 0..PAIRS {
            // Asked for before anybody had any of them: each mail address with each telephone number.
            for (kind, who, number) in [
                (IdentifierKind::Email, "a", 2),
                (IdentifierKind::Phone, "b", 1),
                (IdentifierKind::Phone, "a", 1),
                (IdentifierKind::Email, "b", 2),
            ] {
                let values = json!({"email": email(who, i), "phone_number": phone(number, i), "first_name": "crossed"});
                links.push(world.planned(proving(kind, values)).await);
            }
            // And one new person, by two links that begin at different addresses.
            for kind in [IdentifierKind::Email, IdentifierKind::Phone] {
                let values = json!({"email": email("new", i), "phone_number": phone(3, i), "last_name": "new"});
                links.push(world.planned(proving(kind, values)).await);
            }
        }
        for i in (0..PAIRS).filter(|_| they_are_there) {
            for (who, number) in [("a", 1), ("b", 2)] {
                let person = world.person(&email(who, i)).await.user.id;
                world.writes(&world.app, person, Writer::App, json!({"phone_number": phone(number, i)})).await.unwrap();
            }
        }
        let tokens: Vec<String> = links.iter().map(text).collect();
        let both_ways = tokens.iter().zip(tokens.iter().rev()).flat_map(|(one, other)| [one.clone(), other.clone()]).collect();
        let words = counted(world.race(&engines, both_ways).await.iter().map(told).collect());
        let known = |word: &String| ["done", "dead: used", "conflict user"].contains(&word.as_str());
        assert!(words.keys().all(known), "round {round}: {words:?}");
        if they_are_there {
            // Two of each four name one person, two name both: refused, and live on. Each link was tried twice.
            let expected = [("done", 4 * PAIRS), ("dead: used", 4 * PAIRS), ("conflict user", 4 * PAIRS)];
            assert_eq!(words, counts(expected), "round {round}");
        }
        // Whoever came to be has one address of each kind, and no address is anybody's half.
        let people = format!(
            "SELECT count(DISTINCT user_id) FROM identifiers WHERE value LIKE '%{round}-%' OR value LIKE '+1202555{round}%'"
        );
        let addresses = people.replace("DISTINCT user_id", "*");
        let (people, addresses) = (world.database.number(&people).await, world.database.number(&addresses).await);
        assert_eq!(addresses, 2 * people, "round {round}");
        for i in 0..PAIRS {
            let new = Address::Email(address(&email("new", i)));
            let new = world.engine.find_person_by_address_in(world.app.id, &new).await.unwrap().unwrap();
            assert_eq!(new.identifiers.len(), 2);
            assert!(new.identifiers.iter().all(|identifier| identifier.verified_at.is_some()), "round {round}");
            assert_eq!(new.value("phone_number"), Some(json!(phone(3, i))));
        }
        world.nothing_is_lonely().await;
        let bare = "SELECT count(*) FROM users u LEFT JOIN identifiers i ON u.id = i.user_id WHERE i.user_id IS NULL";
        assert_eq!(world.database.number(bare).await, 0);
    }
}

async fn of_sixteen_users_one_gets_a_unique_value(world: Arc<World>) {
    let app = world.changed(|s| s.schema = Some(schema_with_unique("badge"))).await;
    let engines = world.two_engines().await;
    let mut people = Vec::new();
    for i in 0..16 {
        people.push(world.person(&format!("ada{i}@example.com")).await.user.id);
    }
    for round in 0..8 {
        let tries = people.iter().enumerate().map(|(i, user)| {
            let (world, engine, app, user) = (Arc::clone(&world), Arc::clone(&engines[i % 2]), Arc::clone(&app), *user);
            // Letters in another case are the same value.
            let badge = if i % 4 < 2 { format!("Gold {round}") } else { format!("GOLD {round}") };
            async move {
                let writing = Writing { values: map(json!({"badge": badge})), mode: Mode::Merge, by: Writer::App };
                engine.write_user(&world.client_of(&app), Whom::Known(UserRef::Id(user)), writing).await
            }
        });
        let tried = at_once(tries).await;
        let words = counted(tried.iter().map(|tried| tried.as_ref().map_or_else(word, |_| "done".to_owned())).collect());
        assert_eq!(words, counts([("done", 1), ("conflict user", 15)]), "round {round}");
        let held = format!("SELECT count(*) FROM unique_values WHERE value = '\"gold {round}\"'");
        assert_eq!(world.database.number(&held).await, 1, "round {round}");
        let mut with_it = 0;
        for user in &people {
            let badge = world.who(*user).await.value("badge").unwrap_or_default();
            with_it += usize::from(badge.as_str().is_some_and(|badge| badge.to_lowercase() == format!("gold {round}")));
        }
        assert_eq!(with_it, 1, "round {round}");
    }
}

async fn of_sixteen_links_one_brings_a_unique_value(world: Arc<World>) {
    let app = world.changed(|s| s.schema = Some(schema_with_unique("badge"))).await;
    let engines = world.two_engines().await;
    for round in 0..8 {
        let mut links = Vec::new();
        for i in 0..16 {
            let values = json!({"email": format!("ada{round}-{i}@example.com"), "badge": format!("gold {round}")});
            links.push(world.planned_in(&app, plan(values)).await);
        }
        let tried = world.race(&engines, links.iter().map(text).collect()).await;
        let words = counted(tried.iter().map(told).collect());
        assert_eq!(words, counts([("done", 1), ("conflict user", 15)]), "round {round}");
        assert_eq!(world.database.rows("users").await, round + 1);
        // The others live on, and work once the value is free.
        let holder = tried.into_iter().find_map(Result::ok).map(done).unwrap().signed_in.user.id;
        world.engine.delete_user(&world.client_of(&app), UserRef::Id(holder)).await.unwrap();
        let loser = links.iter().find(|planned| planned.identity.id != holder).unwrap();
        world.arrives(loser).await;
        world.nothing_is_lonely().await;
    }
}

async fn an_address_somebody_typed_is_its_provers(world: Arc<World>) {
    let bob = world.arrives(&world.planned(plan(json!({"email": "bob@example.com"}))).await).await;
    let bob = bob.signed_in.user.id;
    // Bob types Ada's address and number. That makes neither his.
    let typed = json!({"email": "ada@example.com", "phone_number": "+12025550162"});
    let person = world.writes(&world.app, bob, Writer::Person, typed).await.unwrap();
    assert!(person.identifiers.is_empty());
    assert_eq!(person.value("email"), Some(json!("ada@example.com")));
    // Ada's links find nobody and make her.
    let ada = world.arrives(&world.planned(proving(IdentifierKind::Email, json!({"email": "ada@example.com"}))).await).await;
    assert!(ada.created && ada.signed_in.user.id != bob);
    let owner = world.engine.find_person_by_address_in(world.app.id, &Address::Email(address("ada@example.com"))).await.unwrap();
    assert_eq!(owner.unwrap().user.id, ada.signed_in.user.id);
    // What Bob typed stays what he typed: nothing of his is proven by her, and a link to prove it for him is refused.
    let bobs = world.who(bob).await;
    assert!(bobs.identifiers.is_empty() && !bobs.is_verified());
    let his = PlanLink { id: IdWish::User(bob), ..proving(IdentifierKind::Email, json!({})) };
    let refused = world.engine.issue_planned(&world.client(), his).await.unwrap_err();
    assert_eq!(word(&refused), "conflict user");
    // The number nobody has: a link that names Bob proves it for him.
    let his = PlanLink { id: IdWish::User(bob), ..proving(IdentifierKind::Phone, json!({})) };
    let redeemed = world.arrives(&world.planned(his).await).await;
    assert_eq!((redeemed.signed_in.user.id, redeemed.created), (bob, false));
    let bobs = world.who(bob).await;
    assert!(bobs.address(IdentifierKind::Phone).unwrap().verified_at.is_some());
}

async fn sec_32_the_first_proof_ends_what_an_unproven_account_had(world: Arc<World>) {
    // Somebody has the app make an account with Ada's address, and signs in to it without proving anything.
    let values = json!({"email": "ada@example.com", "phone_number": "+12025550162"});
    let squatter = world.arrives(&world.planned(plan(values.clone())).await).await;
    let again = world.arrives(&world.planned(plan(values)).await).await;
    let pending = world.planned(PlanLink { id: IdWish::User(squatter.signed_in.user.id), ..plan(json!({})) }).await;
    assert_eq!(squatter.signed_in.user.id, again.signed_in.user.id);
    let refresh = squatter.tokens.refresh.clone().unwrap();
    // Ada proves it: the account is hers, what others had of it is over.
    let hers = world.planned(proving(IdentifierKind::Email, json!({"email": "ada@example.com"}))).await;
    let ada = world.arrives(&hers).await;
    assert_eq!((ada.signed_in.user.id, ada.created), (squatter.signed_in.user.id, false));
    let refreshed = world.engine.refresh_signed_session(&world.context(), Arc::clone(&world.app), &refresh).await;
    assert_eq!(word(&refreshed.unwrap_err()), "unauthenticated ");
    let live = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    assert_eq!(world.database.number(live).await, 1, "hers");
    assert_eq!(name(&use_link(&world.engine, &world, &text(&pending)).await.unwrap()), "dead: withdrawn");
    for session in [squatter.signed_in.session.id, again.signed_in.session.id] {
        assert!(world.engine.authenticate_session(world.app.id, session).await.is_err(), "remembered");
    }
    // The next proof ends nothing: the account is proven.
    let number = world.planned(proving(IdentifierKind::Phone, json!({"phone_number": "+12025550162"}))).await;
    assert_eq!(world.arrives(&number).await.signed_in.user.id, ada.signed_in.user.id);
    assert_eq!(world.database.number(live).await, 2);
    let proven = "SELECT count(*) FROM events WHERE kind = 'address.verified'";
    assert_eq!(world.database.number(proven).await, 2);
}

async fn a_disabled_user_does_not_use_a_link_up(world: Arc<World>) {
    let ada = world.person("ada@example.com").await.user.id;
    let group = world.open_group().await;
    let values = json!({"email": "ada@example.com", "first_name": "Ada"});
    let command = PlanLink { group: Some(group.id), ..proving(IdentifierKind::Email, values) };
    let planned = world.planned(command).await;
    world.engine.set_user_disabled(&world.client(), UserRef::Id(ada), true).await.unwrap();
    let before = world.who(ada).await;
    for _ in 0..3 {
        assert_eq!(name(&use_link(&world.engine, &world, &text(&planned)).await.unwrap()), "dead: withdrawn");
    }
    let after = world.who(ada).await;
    assert_eq!((after.version, after.value("first_name"), after.is_verified()), (before.version, None, false));
    assert_eq!((world.database.rows("sessions").await, world.database.rows("members").await), (0, 0));
    world.engine.set_user_disabled(&world.client(), UserRef::Id(ada), false).await.unwrap();
    assert_eq!(world.arrives(&planned).await.signed_in.user.id, ada);
    // A used one is used, whatever became of its user.
    world.engine.set_user_disabled(&world.client(), UserRef::Id(ada), true).await.unwrap();
    assert_eq!(name(&use_link(&world.engine, &world, "nothing").await.unwrap()), "dead: unknown");
    let other = world.engine.redeem_link(&world.context(), &text(&planned), &browser("another"), Right::Sdk).await.unwrap();
    assert_eq!(name(&other), "dead: used");
}

async fn a_value_taken_meanwhile_leaves_the_link_live(world: Arc<World>) {
    let app = world.changed(|s| s.schema = Some(schema_with_unique("badge"))).await;
    let planned = world.planned_in(&app, plan(json!({"email": "ada@example.com", "badge": "gold"}))).await;
    let bob = world.person("bob@example.com").await.user.id;
    world.writes(&app, bob, Writer::App, json!({"badge": "GOLD"})).await.unwrap();
    for _ in 0..2 {
        let refused = use_link(&world.engine, &world, &text(&planned)).await.unwrap_err();
        assert_eq!(word(&refused), "conflict user");
        assert!(refused.message().contains("badge"), "{}", refused.message());
    }
    assert_eq!((world.database.rows("users").await, world.database.rows("sessions").await), (1, 0));
    world.writes(&app, bob, Writer::App, json!({"badge": "silver"})).await.unwrap();
    let ada = world.arrives(&planned).await;
    assert_eq!(world.who(ada.signed_in.user.id).await.value("badge"), Some(json!("gold")));
    // And now it is hers.
    let refused = world.writes(&app, bob, Writer::App, json!({"badge": "gold"})).await.unwrap_err();
    assert_eq!(word(&refused), "conflict user");
}

async fn an_address_taken_meanwhile_leaves_the_link_live(world: Arc<World>) {
    // Both are nobody's when the link is made, and two people's when it is redeemed.
    let values = json!({"email": "ada@example.com", "phone_number": "+12025550162"});
    let planned = world.planned(proving(IdentifierKind::Email, values)).await;
    let ada = world.person("ada@example.com").await.user.id;
    let bob = world.person("bob@example.com").await.user.id;
    world.writes(&world.app, bob, Writer::App, json!({"phone_number": "+12025550162"})).await.unwrap();
    assert_eq!(told(&use_link(&world.engine, &world, &text(&planned)).await), "conflict user");
    assert_eq!(world.database.rows("sessions").await, 0);
    assert!(!world.who(ada).await.is_verified() && !world.who(bob).await.is_verified());
    world.writes(&world.app, bob, Writer::App, json!({"phone_number": null})).await.unwrap();
    assert_eq!(world.arrives(&planned).await.signed_in.user.id, ada);
    assert_eq!(world.who(ada).await.identifiers.len(), 2);
}

async fn people_removed_or_made_meanwhile_are_found_again(world: Arc<World>) {
    // Removed and made anew: whoever has the address now.
    let ada = world.person("ada@example.com").await.user.id;
    let planned = world.planned(plan(json!({"email": "ada@example.com", "first_name": "Ada"}))).await;
    assert!(planned.is_known);
    let other = PlanLink { id: IdWish::User(ada), ..plan(json!({"first_name": "Nobody"})) };
    let by_id = world.planned(other).await;
    world.engine.delete_user(&world.client(), UserRef::Id(ada)).await.unwrap();
    let anew = world.person("ada@example.com").await.user.id;
    assert_eq!(told(&use_link(&world.engine, &world, &text(&planned)).await), "dead: withdrawn", "links end with their user");
    assert_eq!(told(&use_link(&world.engine, &world, &text(&by_id)).await), "dead: withdrawn");
    // Made meanwhile by another way: found, not made twice.
    let planned = world.planned(plan(json!({"email": "eve@example.com"}))).await;
    let eve = world.person("eve@example.com").await.user.id;
    let redeemed = world.arrives(&planned).await;
    assert_eq!((redeemed.signed_in.user.id, redeemed.created), (eve, false));
    // Likewise by an id that the app chose.
    let named = || IdWish::Named(ExternalId::parse("theirs|7").unwrap());
    let planned = world.planned(PlanLink { id: named(), ..plan(json!({})) }).await;
    let second = world.planned(PlanLink { id: named(), ..plan(json!({})) }).await;
    let (first, second) = (world.arrives(&planned).await, world.arrives(&second).await);
    assert_eq!((first.created, second.created), (true, false));
    assert_eq!(first.signed_in.user.id, second.signed_in.user.id);
    assert_ne!(anew, eve);
}

async fn values_whose_field_left_the_schema_are_passed_over(world: Arc<World>) {
    let app = world.changed(|s| s.schema = Some(schema_with_unique("badge"))).await;
    let values = json!({"email": "ada@example.com", "badge": "gold", "first_name": "Ada"});
    let planned = world.planned_in(&app, plan(values)).await;
    world.changed(|s| s.schema = None).await;
    let ada = world.who(world.arrives(&planned).await.signed_in.user.id).await;
    assert_eq!((ada.value("badge"), ada.value("first_name")), (None, Some(json!("Ada"))));
}

async fn a_kept_id_is_free_after_its_time(world: Arc<World>) {
    let asked = || {
        let mut command = plan(json!({"email": "ada@example.com"}));
        command.link.lifetime = Some(Lifetime::from_minutes(5));
        command
    };
    let first = world.planned(asked()).await;
    world.clock.advance(Lifetime::from_minutes(4));
    let second = world.planned(asked()).await;
    assert_eq!(first.identity.id, second.identity.id, "and kept for as long as the second link lives");
    world.clock.advance(Lifetime::from_minutes(4));
    assert_eq!(world.planned(asked()).await.identity.id, first.identity.id);
    world.clock.advance(Lifetime::from_minutes(6));
    assert_ne!(world.planned(asked()).await.identity.id, first.identity.id);
}

/// Nobody is found by what a stranger typed beside the address that the mail goes to.
async fn what_a_stranger_types_finds_nobody(world: Arc<World>) {
    let victim =
        CreateUser { email: Some(address("victim@example.com")), phone: Some(number("+12025550163")), ..CreateUser::default() };
    let victim = world.engine.create_user(&world.client(), victim).await.unwrap();
    world.clock.tick();
    for (round, typed) in ["+12025550163", "+12025550164"].into_iter().enumerate() {
        let to = format!("eve{round}@example.com");
        let command = PlanLink { values_of_newcomer: true, ..plan(json!({"phone_number": typed, "first_name": "Eve"})) };
        let command = PlanLink { link: IssueLink { carry: Carry::Mail, ..command.link }, ..command };
        let caller = world.anybody();
        world.engine.mail_planned(&caller, address(&to), false, command).await.unwrap();
        world.clock.tick();
        world.engine.dispatch_due(10).await.unwrap();
        world.clock.tick();
        let message = world.sender.last_to(&to).unwrap();
        let token = message.link.unwrap().expose().rsplit_once('/').unwrap().1.to_owned();
        let eve = done(use_link(&world.engine, &world, &token).await.unwrap());
        assert_ne!(eve.signed_in.user.id, victim.user.id);
        let person = world.engine.find_own_person(world.app.id, eve.signed_in.user.id).await.unwrap();
        let held: Vec<_> = person.identifiers.iter().map(|identifier| identifier.address.as_str()).collect();
        assert_eq!(held, [to.as_str()]);
        assert_eq!(person.value("first_name"), Some(json!("Eve")));
    }
    let untouched = world.engine.find_own_person(world.app.id, victim.user.id).await.unwrap();
    assert_eq!((untouched.identifiers.len(), untouched.version), (2, victim.version));
}

fn number(text: &str) -> passlink_engine::phone_number::PhoneNumber {
    passlink_engine::phone_number::PhoneNumber::parse(text).unwrap()
}

async fn an_address_that_was_given_up_signs_nobody_in_as_before(world: Arc<World>) {
    let ada = world.person("old@example.com").await.user.id;
    let values = || json!({"email": "old@example.com"});
    let by_address = world.planned(proving(IdentifierKind::Email, values())).await;
    let by_both = world.planned(PlanLink { id: IdWish::User(ada), ..plan(values()) }).await;
    let by_id = world.planned(PlanLink { id: IdWish::User(ada), ..plan(json!({})) }).await;
    assert!(by_address.identity.id == ada && by_both.identity.id == ada && by_id.identity.id == ada);
    let new = passlink_engine::users::Address::Email(address("new@example.com"));
    world.engine.exchange_address(&world.client(), UserRef::Id(ada), new).await.unwrap();
    world.clock.tick();
    // Whom the app named and knew by that address is not signed in by it.
    let by_both = use_link(&world.engine, &world, &text(&by_both)).await;
    assert_eq!(told(&by_both), "dead: withdrawn");
    // Whoever reads the old mailbox is somebody new.
    let other = done(use_link(&world.engine, &world, &text(&by_address)).await.unwrap());
    assert!(other.created && other.signed_in.user.id != ada);
    // A link that names nothing but the user is that user's still.
    assert_eq!(done(use_link(&world.engine, &world, &text(&by_id)).await.unwrap()).signed_in.user.id, ada);
    let person = world.engine.find_own_person(world.app.id, ada).await.unwrap();
    assert_eq!(person.user.email, Some(address("new@example.com")));
}

async fn a_kept_id_may_be_used_before_its_link(world: Arc<World>) {
    let planned = world.planned(proving(IdentifierKind::Email, json!({"email": "ada@example.com"}))).await;
    let id = planned.identity.id;
    assert!(world.engine.is_reserved(world.app.id, id).await.unwrap());
    assert!(!world.engine.is_reserved(world.other.id, id).await.unwrap(), "another app was not told");
    let second = world.planned(PlanLink { id: IdWish::Reserved(id), ..plan(json!({})) }).await;
    assert_eq!(second.identity.id, id);
    let first = done(use_link(&world.engine, &world, &text(&second)).await.unwrap());
    assert!(first.created && first.signed_in.user.id == id);
    let then = done(use_link(&world.engine, &world, &text(&planned)).await.unwrap());
    assert!(!then.created && then.signed_in.user.id == id);
    assert_eq!(then.signed_in.user.email, Some(address("ada@example.com")));
}
