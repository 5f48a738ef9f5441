//! Mail that clients ask for, when many ask at once; the codes that come with it; and addresses that come, change and go.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::apps::{App, AppSettings, SignUp};
use passlink_engine::ids::IdentifierId;
use passlink_engine::links::exchange::{Exchange, MustMatch, SessionWish};
use passlink_engine::links::mail::{Landing, MailLink, Mailed, MailedLink, MailedPages, Whom};
use passlink_engine::messages::sender::OutgoingMessage;
use passlink_engine::redirects::LandingUrl;
use passlink_engine::secret::Secret;
use passlink_engine::sessions::ClientFacts;
use passlink_engine::time::Lifetime;
use passlink_engine::users::manage::CreateUser;
use passlink_engine::users::{Address, IdentifierKind, Person, UserRef};
use serde_json::Map;

use crate::support::ask::address;
use crate::support::database::Kind;
use crate::support::{World, at_once, both, run, settings, word};

both!(
    sixteen_who_ask_for_one_new_address_all_get_mail,
    sixteen_invitations_of_one_address_are_of_one_user,
    sixteen_additions_of_one_address_are_one,
    an_address_that_is_taken_costs_its_mailbox_nothing,
    sec_26_of_50_wrong_codes_of_a_client_five_are_compared,
    sec_08_of_sixteen_right_codes_one_wins,
    addresses_change_and_go,
    of_two_added_addresses_the_proven_one_is_first,
    an_invitation_is_withdrawn,
    mail_of_an_app_that_another_server_made_is_sent,
);

const HOUR: Lifetime = Lifetime::from_minutes(60);

fn pages() -> Mailed {
    let landing = || Landing { url: Some(LandingUrl::parse("https://app.example.com/in").unwrap()), lifetime: HOUR };
    let door = "/l/".to_owned();
    Mailed::Link(Box::new(MailedPages { sign_in: landing(), sign_up: landing(), door, secure: false }))
}

fn mail(to: &str, whom: Whom, what: Mailed) -> MailLink {
    MailLink { email: address(to), whom, what, code_challenge: None, client: ClientFacts::default() }
}

fn exchange(session: SessionWish<'_>) -> Exchange<'_> {
    Exchange { verifier: None, client: ClientFacts::default(), must_match: MustMatch::default(), session, claims: Map::new() }
}

/// With pages registered.
async fn prepared(world: &World) -> Arc<App> {
    let urls = vec![LandingUrl::parse("https://app.example.com/in").unwrap()];
    let change = |settings: &mut AppSettings| {
        settings.sign_in_urls = urls.clone();
        settings.sign_up_urls = urls.clone();
        settings.invite_urls = urls;
    };
    world.changed(change).await
}

/// Sixteen ask at once, over two servers.
async fn ask_at_once(world: &Arc<World>, command: impl Fn() -> MailLink) -> Vec<Result<MailedLink, String>> {
    let app = prepared(world).await;
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let asked = (0..16).map(|i| {
        let (engine, caller, command) = (Arc::clone(&engines[i % 2]), world.client_of(&app), command());
        async move { engine.mail_link(&caller, command).await.map_err(|error| word(&error)) }
    });
    at_once(asked).await
}

async fn sent(world: &World) -> Vec<OutgoingMessage> {
    world.clock.tick();
    while world.engine.dispatch_due(100).await.unwrap().claimed > 0 {}
    world.clock.tick();
    world.sender.messages()
}

async fn sixteen_who_ask_for_one_new_address_all_get_mail(world: Arc<World>) {
    for round in 0..4 {
        let to = format!("new{round}@example.com");
        let what = if round % 2 == 0 { pages() } else { Mailed::Code(HOUR) };
        let answers = ask_at_once(&world, || mail(&to, Whom::KnownOrNew { pending: false }, what.clone())).await;
        let answers: Vec<MailedLink> = answers.into_iter().map(|answer| answer.unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1, "round {round}");
        assert!(answers.iter().all(|answer| (answer.user, answer.identifier) == (answers[0].user, answers[0].identifier)));
        let mails = sent(&world).await.iter().filter(|mail| mail.to.as_str() == to).count();
        assert_eq!(mails, 16, "round {round}");
    }
    assert_eq!((world.database.rows("users").await, world.database.rows("identifiers").await), (4, 4));
}

async fn sixteen_invitations_of_one_address_are_of_one_user(world: Arc<World>) {
    let invite = || mail("ada@example.com", Whom::Invited(Box::default()), pages());
    for answer in ask_at_once(&world, invite).await {
        answer.unwrap();
    }
    assert_eq!(world.database.rows("users").await, 1);
}

async fn sixteen_additions_of_one_address_are_one(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let add = || mail("second@example.com", Whom::Of(UserRef::Id(ada.user.id)), Mailed::Code(HOUR));
    for answer in ask_at_once(&world, add).await {
        assert_eq!(answer.unwrap().user, ada.user.id);
    }
    assert_eq!(world.database.rows("identifiers").await, 2);
}

/// Sixteen of whom one wins: the others ask again, and nobody's mail counts twice.
async fn an_address_that_is_taken_costs_its_mailbox_nothing(world: Arc<World>) {
    let change = |settings: &mut AppSettings| {
        settings.limit_per_mailbox = passlink_engine::limits::Limit::new(16, HOUR);
    };
    world.changed(change).await;
    world.engine.refresh_directory().await.unwrap();
    let app = world.engine.directory().app(world.app.id).unwrap();
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ask = |i: usize| {
        let (engine, caller) = (Arc::clone(&engines[i % 2]), world.client_of(&app));
        let command = mail("new@example.com", Whom::KnownOrNew { pending: false }, Mailed::Code(HOUR));
        async move { engine.mail_link(&caller, command).await.map_err(|error| word(&error)) }
    };
    for answer in at_once((0..16).map(ask)).await {
        answer.unwrap();
    }
    assert_eq!(ask(0).await.unwrap_err(), "rate_limited ");
}

/// A code in somebody's mailbox, and the address it went to.
async fn code(world: &World, to: &str) -> (IdentifierId, String) {
    let command = mail(to, Whom::KnownOrNew { pending: false }, Mailed::Code(HOUR));
    let asked = world.engine.mail_link(&world.client(), command).await.unwrap();
    let mails = sent(world).await;
    let mail = mails.iter().rev().find(|mail| mail.to.as_str() == to).unwrap();
    (asked.identifier, mail.code.as_ref().map(Secret::expose).unwrap().to_owned())
}

fn wrong(code: &str, shift: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1 + shift) % 1_000_000)
}

fn counted(words: Vec<String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

/// Many tries at once, over two servers.
async fn try_at_once(world: &Arc<World>, app: &Arc<App>, to: IdentifierId, codes: Vec<String>) -> HashMap<String, usize> {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let tries = codes.into_iter().enumerate().map(|(i, code)| {
        let (engine, caller) = (Arc::clone(&engines[i % 2]), world.client_of(app));
        async move {
            let exchanged = engine.exchange_code(&caller, to, &code, exchange(SessionWish::Begin(HOUR))).await;
            exchanged.map_or_else(|error| word(&error), |_| "done".to_owned())
        }
    });
    counted(at_once(tries).await)
}

async fn without_limits(world: &World) -> Arc<App> {
    let wide = passlink_engine::limits::Limit::new(1_000_000, Lifetime::from_minutes(1));
    world.changed(|settings| settings.limit_codes_per_mailbox = wide).await
}

async fn sec_26_of_50_wrong_codes_of_a_client_five_are_compared(world: Arc<World>) {
    let app = without_limits(&world).await;
    let (to, right) = code(&world, "ada@example.com").await;
    let codes = (0..50).map(|shift| wrong(&right, shift)).collect();
    let counts = try_at_once(&world, &app, to, codes).await;
    assert_eq!(counts, HashMap::from([("not_found code".to_owned(), 5), ("already_used code".to_owned(), 45)]));
    assert_eq!(world.database.number("SELECT max(code_attempts) FROM links").await, 5);
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'link.closed'").await, 1);
    let late = world.engine.exchange_code(&world.client_of(&app), to, &right, exchange(SessionWish::None)).await;
    assert_eq!(word(&late.unwrap_err()), "already_used code");
    // Nobody is locked out: a new request works.
    let (to, right) = code(&world, "ada@example.com").await;
    world.engine.exchange_code(&world.client_of(&app), to, &right, exchange(SessionWish::None)).await.unwrap();
}

async fn sec_08_of_sixteen_right_codes_one_wins(world: Arc<World>) {
    let app = without_limits(&world).await;
    for round in 0..4 {
        let (to, right) = code(&world, &format!("ada{round}@example.com")).await;
        let counts = try_at_once(&world, &app, to, vec![right.clone(); 16]).await;
        assert_eq!(counts.get("done"), Some(&1), "round {round}: {counts:?}");
        let late = ["already_used code", "not_found code"].map(|word| counts.get(word).copied().unwrap_or_default());
        assert_eq!(late.iter().sum::<usize>(), 15, "round {round}: {counts:?}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
    }
}

fn email(text: &str) -> Address {
    Address::Email(address(text))
}

fn phone(text: &str) -> Address {
    Address::Phone(passlink_engine::phone_number::PhoneNumber::parse(text).unwrap())
}

fn addresses(person: &Person) -> Vec<&str> {
    person.identifiers.iter().map(|identifier| identifier.address.as_str()).collect()
}

async fn addresses_change_and_go(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let bob = world.person("bob@example.com").await;
    let (client, whom) = (world.client(), || UserRef::Id(ada.user.id));
    // Exchanged for another of its kind, for one of the other kind, and back; never for somebody else's.
    let mut seen = vec![ada.identifiers[0].id];
    for new in [email("new@example.com"), phone("+12025550162"), email("ada@example.com")] {
        let person = world.engine.exchange_address(&client, whom(), new.clone()).await.unwrap();
        assert_eq!(addresses(&person), [new.as_str()]);
        assert!(person.identifiers[0].verified_at.is_none() && person.identifiers[0].is_primary);
        assert!(!seen.contains(&person.identifiers[0].id), "an id stands for one address");
        seen.push(person.identifiers[0].id);
        world.clock.tick();
    }
    let theirs = world.engine.exchange_address(&client, whom(), email("bob@example.com")).await;
    assert_eq!(word(&theirs.unwrap_err()), "email Taken");
    // A second one, proven by its code, stays; the first can go then, the last cannot.
    let command = mail("second@example.com", Whom::Of(whom()), Mailed::Code(HOUR));
    let added = world.engine.mail_link(&client, command).await.unwrap().identifier;
    let first = seen[3];
    assert_eq!(
        word(&world.engine.remove_address(&client, IdentifierKind::Email, first).await.unwrap_err()),
        "identifier OutOfRange"
    );
    let mails = sent(&world).await;
    let code = mails.last().unwrap().code.as_ref().unwrap().expose().to_owned();
    world.engine.exchange_code(&client, added, &code, exchange(SessionWish::None)).await.unwrap();
    let two = world.engine.exchange_address(&client, whom(), email("third@example.com")).await;
    assert_eq!(word(&two.unwrap_err()), "identifier Mismatch");
    let left = world.engine.remove_address(&client, IdentifierKind::Email, first).await.unwrap();
    assert_eq!((addresses(&left), left.identifiers[0].is_primary), (vec!["second@example.com"], true));
    assert!(world.engine.remove_address(&client, IdentifierKind::Email, added).await.is_err());
    assert_eq!(word(&world.engine.remove_address(&client, IdentifierKind::Email, first).await.unwrap_err()), "not_found user");
    assert_eq!(addresses(&bob), ["bob@example.com"]);
}

async fn of_two_added_addresses_the_proven_one_is_first(world: Arc<World>) {
    let command = CreateUser { phone: Some(phone_number()), ..CreateUser::default() };
    let ada = world.engine.create_user(&world.client(), command).await.unwrap();
    let mut added = Vec::new();
    for to in ["typo@example.com", "ada@example.com"] {
        world.clock.tick();
        let command = mail(to, Whom::Of(UserRef::Id(ada.user.id)), Mailed::Code(HOUR));
        added.push(world.engine.mail_link(&world.client(), command).await.unwrap().identifier);
    }
    let code = sent(&world).await.last().unwrap().code.as_ref().unwrap().expose().to_owned();
    let begun = world.engine.exchange_code(&world.client(), added[1], &code, exchange(SessionWish::Begin(HOUR))).await.unwrap();
    let email = |person: &Person| person.user.email.as_ref().map(ToString::to_string);
    assert_eq!(email(&begun.person).as_deref(), Some("ada@example.com"));
    world.clock.advance(HOUR);
    while world.engine.sweep(100).await.unwrap() > 0 {}
    let person = world.engine.find_person_in(world.app.id, UserRef::Id(ada.user.id)).await.unwrap().unwrap();
    assert_eq!(email(&person).as_deref(), Some("ada@example.com"));
    let primary = "SELECT count(*) FROM identifiers WHERE kind = 1 AND is_primary = 1";
    assert_eq!(world.database.number(primary).await, 1);
}

fn phone_number() -> passlink_engine::phone_number::PhoneNumber {
    passlink_engine::phone_number::PhoneNumber::parse("+12025550162").unwrap()
}

async fn an_invitation_is_withdrawn(world: Arc<World>) {
    let app = prepared(&world).await;
    let client = world.client_of(&app);
    let command = mail("ada@example.com", Whom::Invited(Box::default()), pages());
    world.engine.mail_link(&client, command).await.unwrap();
    let mails = sent(&world).await;
    let link = mails[0].link.as_ref().unwrap().expose().to_owned();
    let token = link.rsplit_once("/l/").unwrap().1;
    let to = address("ada@example.com");
    world.engine.revoke_invite(&client, &to).await.unwrap();
    assert_eq!(word(&world.engine.revoke_invite(&client, &to).await.unwrap_err()), "not_found email");
    let used = world.engine.exchange_link(&client, token, exchange(SessionWish::None)).await;
    assert_eq!(word(&used.unwrap_err()), "not_found link");
}

async fn mail_of_an_app_that_another_server_made_is_sent(world: Arc<World>) {
    let other = world.another_engine().await;
    let (app, _) = world.engine.save_app(&world.context(), "third", settings()).await.unwrap();
    let command = mail("ada@example.com", Whom::KnownOrNew { pending: false }, Mailed::Code(HOUR));
    world.engine.mail_link(&world.client_of(&app), command).await.unwrap();
    assert!(other.directory().app(app.id).is_none(), "it has not looked since");
    assert_eq!(other.dispatch_due(10).await.unwrap().sent, 1);
}

/// A storage that is slow for a moment, which SQLite's readers never are.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_mail_that_could_not_be_prepared_is_tried_again() {
    run(Kind::Postgres, |world| async move {
        // Who is admitted is looked up by the worker, and storage does not answer in time.
        let app = world.changed(|settings| settings.sign_up = SignUp::Closed).await;
        world.person("ada@example.com").await;
        let command = mail("ada@example.com", Whom::Known, Mailed::Code(HOUR));
        world.engine.mail_link(&world.client_of(&app), command).await.unwrap();
        world.clock.tick();
        let blocker = world.database.postgres();
        blocker.batch_execute("BEGIN; LOCK TABLE identifiers IN ACCESS EXCLUSIVE MODE").await.unwrap();
        assert_eq!(world.engine.dispatch_due(10).await.unwrap().sent, 0);
        blocker.batch_execute("ROLLBACK").await.unwrap();
        let told = async |kind: &str| world.database.number(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await;
        assert_eq!((told("message.delayed").await, told("message.dead").await), (1, 0), "what was accepted is not given up");
        world.clock.advance(Lifetime::from_minutes(5));
        assert_eq!(world.engine.dispatch_due(10).await.unwrap().sent, 1);
    })
    .await;
}
