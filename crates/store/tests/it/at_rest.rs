//! A stolen database opens nothing.

use std::sync::Arc;

use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::Scopes;
use passlink_engine::links::Handover;
use passlink_engine::links::exchange::{Exchange, SessionWish};
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::redeem::CodeFor;
use passlink_engine::sessions::handle::SessionRef;
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::time::Lifetime;

use crate::support::ask::{Asker, Mailed, address, browser, done, name, refresh_token, texts};
use crate::support::database::{Kind, latin1};
use crate::support::doubles::retry;
use crate::support::{SECRET, World, both};

both!(sec_03_no_secret_is_at_rest, sec_04_waiting_mail_holds_no_secret, sec_45_durable_writes_ask_for_the_sync);

/// A secret as text, and the random bytes within.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let mut forms = vec![secret.as_bytes().to_vec()];
    // A compact token: four bytes of public time, then randomness.
    if secret.len() == 44 {
        forms.extend(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(secret).ok().map(|bytes| bytes[4..].to_vec()));
    }
    if let Some(body) = secret.strip_prefix("pl").and_then(|rest| rest.get(2..)) {
        forms.push(body.as_bytes().to_vec());
        forms.extend(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).ok().map(|bytes| bytes[10..].to_vec()));
    }
    forms
}

async fn search(world: &World, secrets: &[String], when: &str) {
    let dump = latin1(&world.database.dump().await);
    // What must be found, so that not finding means something.
    assert!(dump.contains("link.requested") && dump.contains(&latin1(world.app.id.as_bytes())), "the dump is not whole");
    for secret in secrets {
        for form in forms(secret) {
            assert!(!form.is_empty() && !dump.contains(&latin1(&form)), "{when}: {secret} is in the database");
        }
    }
    assert!(!dump.contains(&latin1(SECRET)));
}

fn secrets_of(mailed: &Mailed) -> Vec<String> {
    let proof = mailed.asked.requester.as_ref().map(|token| token.expose().expose().to_owned());
    [mailed.token.clone(), mailed.code.clone()].into_iter().chain(proof).collect()
}

/// Every secret of links that clients exchange: redeemed, open, mailed; their sessions, also given back by id; a JWT.
async fn exchanged(world: &World) -> Vec<String> {
    let (engine, client) = (&world.engine, world.client());
    let ida = world.person("ida@example.com").await;
    let mut secrets = Vec::new();
    for by_mail in [false, true, false] {
        let mut command = crate::exchange::embeddable(&ida);
        if by_mail {
            (command.carry, command.address) = (Carry::Mail, Some(address("ida@example.com")));
        }
        let issued = engine.issue_link(&client, command).await.unwrap();
        engine.dispatch_due(10).await.unwrap();
        let token = match issued.token {
            Some(token) => token.expose().to_owned(),
            None => {
                let mailed = world.read_mail(issued.id, "ida@example.com", browser("x"));
                secrets.push(mailed.code.clone());
                mailed.token
            }
        };
        let wish = Exchange {
            verifier: None,
            client: Default::default(),
            must_match: Default::default(),
            session: SessionWish::Begin(Lifetime::from_minutes(60)),
            claims: Default::default(),
        };
        let held = engine.exchange_link(&client, &token, wish).await.unwrap().session.unwrap();
        let id = held.signed_in.session.id;
        let again = engine.verify_session(&client, SessionRef::Id(id), None, Default::default()).await.unwrap();
        let session = held.token.unwrap().expose().to_owned();
        assert_eq!(again.token.unwrap().expose(), session);
        secrets.extend([token, session]);
        world.clock.tick();
    }
    let open = engine.issue_link(&client, crate::exchange::embeddable(&ida)).await.unwrap().token.unwrap();
    secrets.push(open.expose().to_owned());
    let claims = serde_json::json!({"sub": "ida"});
    let jwt = engine.sign_claims(world.app.id, Algorithm::Rs256, |id| id.to_string(), &claims).await.unwrap();
    secrets.push(jwt.expose().to_owned());
    assert!(secrets.iter().filter(|secret| secret.len() == 44).count() == 7, "compact tokens are not what they were");
    secrets
}

async fn sec_03_no_secret_is_at_rest(world: Arc<World>) {
    let mut secrets = Vec::new();
    // Redeemed by link, by code, elsewhere; refused; closed; refreshed; reused.
    for handover in [Handover::Cookie, Handover::Fragment] {
        let by_link = world.mail_from(&world.engine, &world.app, "ada@example.com", handover, Asker::Bound).await;
        secrets.extend(texts(&done(world.open(&by_link).await)));
        let by_code = world.mail_from(&world.engine, &world.app, "bob@example.com", handover, Asker::Bound).await;
        secrets.extend(texts(&done(world.type_code(&by_code, &by_code.code).await)));
        let pressed = world.mail_from(&world.engine, &world.app, "cy@example.com", handover, Asker::Unbound).await;
        secrets.extend(texts(&done(world.press(&pressed, &browser("a page secret")).await)));
        assert_eq!(name(&world.press(&pressed, &browser("somebody else")).await), "dead: used");
        secrets.extend([by_link, by_code, pressed].iter().flat_map(secrets_of));
    }
    secrets.push("a page secret".to_owned());
    let closed = world.mail("di@example.com").await;
    let wrong = if closed.code == "604938" { "604939" } else { "604938" };
    for _ in 0..6 {
        world.type_code(&closed, wrong).await;
    }
    secrets.extend(secrets_of(&closed));
    let opened = world.mail("ed@example.com").await;
    world.engine.open_link(&world.context(), &opened.token, &browser("x")).await.unwrap();
    world.engine.disown_link(&world.context(), &opened.token).await.unwrap();
    let elsewhere =
        world.engine.redeem_code(&world.context(), CodeFor::Token(&opened.token), wrong, &browser("x")).await.unwrap();
    assert_eq!(name(&elsewhere), "wrong code, 2 left");
    secrets.extend(secrets_of(&opened));
    let mut refresh = refresh_token(&world.sign_in("fay@example.com", Handover::Fragment).await);
    for _ in 0..3 {
        secrets.push(refresh.clone());
        refresh = world.engine.refresh_session(&world.context(), &refresh).await.unwrap().refresh_token.expose().to_owned();
    }
    secrets.push(refresh);
    let client = SaveClient { client_id: None, client_secret: None, scopes: Scopes::parse("*"), label: None, expires_at: None };
    secrets.push(world.engine.save_client(&world.operator(), client).await.unwrap().client_secret.expose().to_owned());
    let command = IssueLink {
        carry: Carry::Return,
        ..IssueLink::sign_in_by_mail(address("gil@example.com"), None, Handover::Cookie, None)
    };
    let url = world.engine.issue_link(&world.operator(), command).await.unwrap().url.unwrap();
    secrets.push(url.expose().rsplit_once("/l/").unwrap().1.to_owned());
    secrets.extend(exchanged(&world).await);
    let ivy = world.sign_in("ivy@example.com", Handover::Cookie).await.signed_in;
    let (open, used) = (crate::handoff::hand_off(&world, &ivy).await, crate::handoff::hand_off(&world, &ivy).await);
    secrets.extend(texts(&done(crate::handoff::press(&world, &world.engine, &used).await.unwrap())));
    secrets.extend([open.token, used.token]);
    // The built-in inbox is at rest too.
    world.changed(|s| s.sender = Some("inbox".to_owned())).await;
    let caller = passlink_engine::caller::Caller::anonymous(world.engine.directory().app(world.app.id).unwrap(), world.context());
    let command = world.command("hal@example.com", Handover::Cookie, Asker::Unbound, &world.proof(&world.app));
    world.engine.issue_link(&caller, command).await.unwrap();
    world.engine.dispatch_due(10).await.unwrap();
    let kept = world.engine.inbox(10).await.unwrap().remove(0).message;
    secrets.extend([kept.code, kept.link.rsplit_once("/l/").unwrap().1.to_owned()]);
    assert!(secrets.len() >= 42, "{}", secrets.len());
    search(&world, &secrets, "while running").await;
    world.engine.sweep(1000).await.unwrap();
    search(&world, &secrets, "after sweeping").await;
    if world.database.kind() == Kind::Sqlite {
        world.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        search(&world, &secrets, "after a checkpoint").await;
    }
}

async fn sec_04_waiting_mail_holds_no_secret(world: Arc<World>) {
    world.sender.answer_always(Some(retry(None)));
    let mut secrets = Vec::new();
    for i in 0..5 {
        secrets.extend(secrets_of(&world.mail(&format!("ada{i}@example.com")).await));
    }
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 1 AND payload IS NOT NULL").await, 5);
    search(&world, &secrets, "with the sender stopped").await;
    world.sender.answer_always(Some(crate::support::doubles::refused()));
    world.clock.advance(passlink_engine::time::Lifetime::from_secs(10));
    world.engine.dispatch_due(10).await.unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 3").await, 5);
    search(&world, &secrets, "when it was refused").await;
    world.sender.answer_always(None);
    let sent = world.mail("bob@example.com").await;
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 2 AND payload IS NOT NULL").await, 0);
    search(&world, &secrets_of(&sent), "when it was sent").await;
}

/// Killing the process cannot show a missing sync. What can be shown is the setting under which each durable write really ran, told by the database
/// itself from inside the transaction.
async fn sec_45_durable_writes_ask_for_the_sync(world: Arc<World>) {
    world
        .database
        .execute(match world.database.kind() {
            Kind::Sqlite => {
                "CREATE TABLE seen (setting TEXT);
                 CREATE TRIGGER see AFTER INSERT ON links BEGIN INSERT INTO seen SELECT synchronous FROM pragma_synchronous; END;
                 CREATE TRIGGER see_session AFTER INSERT ON sessions BEGIN INSERT INTO seen SELECT synchronous FROM pragma_synchronous; END"
            }
            Kind::Postgres => {
                "CREATE TABLE seen (setting text);
                 CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
                 CREATE TRIGGER see AFTER INSERT ON links FOR EACH ROW EXECUTE FUNCTION see();
                 CREATE TRIGGER see_session AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION see()"
            }
        })
        .await;
    for i in 0..8 {
        world.sign_in(&format!("ada{i}@example.com"), Handover::Cookie).await;
    }
    // 2 is FULL: with a write-ahead log, each commit is synced.
    let wanted = if world.database.kind() == Kind::Sqlite { "2" } else { "on" };
    let good = world.database.number(&format!("SELECT count(*) FROM seen WHERE setting = '{wanted}'")).await;
    assert_eq!((good, world.database.rows("seen").await), (16, 16));
    if world.database.kind() == Kind::Sqlite {
        let mode: String = world.database.sqlite().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
