//! Secrets: what they look like, and that none works where another belongs.

use std::collections::HashSet;
use std::sync::Arc;

use passlink_engine::ErrorKind;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::{Authority, Caller, Scopes};
use passlink_engine::ids::SessionId;
use passlink_engine::links::Handover;
use passlink_engine::links::Purpose;
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::open::BrowserProof;
use passlink_engine::links::redeem::{CodeFor, Right};
use passlink_engine::secret::{Token, TokenKind};

use crate::support::ask::{Asker, address, browser, done, name, refresh_token, session_token};
use crate::support::{World, both};

both!(
    sec_01_ten_thousand_links,
    sec_01_without_randomness_nothing_is_made,
    sec_02_only_links_that_sign_in_sign_in,
    sec_06_no_secret_works_in_place_of_another,
    sec_06_what_was_remembered_opens_no_other_door,
    sec_06_ids_of_one_app_are_nothing_in_another,
);

async fn returned(world: &World, caller: &Caller, purpose: Purpose) -> passlink_engine::Result<String> {
    let command = IssueLink {
        purpose,
        carry: Carry::Return,
        ..IssueLink::sign_in_by_mail(address("ada@example.com"), None, Handover::Cookie, None)
    };
    let issued = world.engine.issue_link(caller, command).await?;
    Ok(issued.url.unwrap().expose().rsplit_once("/l/").unwrap().1.to_owned())
}

async fn sec_01_ten_thousand_links(world: Arc<World>) {
    use base64::Engine as _;
    let operator = world.operator();
    let (mut seen, mut randoms) = (HashSet::new(), HashSet::new());
    for _ in 0..100 {
        let batch: Vec<_> = (0..100)
            .map(|_| {
                let (world, operator) = (Arc::clone(&world), operator.clone());
                tokio::spawn(async move { returned(&world, &operator, Purpose::SignIn).await.unwrap() })
            })
            .collect();
        for token in batch {
            let token = token.await.unwrap();
            let body = token.strip_prefix("plk_").expect("the prefix that scanners know");
            assert!(body.len() == 56 && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
            let (public, random) = bytes.split_at(10);
            assert!(random.len() == 32 && public[5..] == world.app.tag);
            // Nothing in the secret part follows from what is public: here, neither time nor app nor address.
            assert!(!random.windows(4).any(|w| w == &public[1..5]));
            seen.insert(token);
            randoms.insert(random.to_vec());
        }
    }
    assert_eq!((seen.len(), randoms.len()), (10_000, 10_000));
}

async fn sec_01_without_randomness_nothing_is_made(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let session = world.sign_in("bob@example.com", Handover::Fragment).await;
    let before = world.database.dump_rows().await;
    let proof = world.proof(&world.app);
    world.entropy.break_down(true);
    let engine = &world.engine;
    let errors = [
        engine.issue_link(&world.anybody(), world.command("eve@example.com", Handover::Cookie, Asker::Bound, &proof)).await.err(),
        engine.redeem_link(&world.context(), &mailed.token, &mailed.asked, Right::Opened).await.err(),
        engine.redeem_code(&world.context(), CodeFor::Request(mailed.id), &mailed.code, &mailed.asked).await.err(),
        engine.refresh_session(&world.context(), &refresh_token(&session)).await.err(),
        engine.new_requester_proof(&world.app).err(),
        engine.new_page_secret().err(),
        engine.rotate_signing_key(&world.context(), world.app.id).await.err(),
    ];
    for (i, error) in errors.into_iter().enumerate() {
        assert_eq!(*error.unwrap_or_else(|| panic!("call {i} made a secret of nothing")).kind(), ErrorKind::Unavailable);
    }
    world.entropy.break_down(false);
    assert!(world.database.dump_rows().await == before, "something was written");
    done(world.open(&mailed).await);
}

async fn sec_02_only_links_that_sign_in_sign_in(world: Arc<World>) {
    let operator = world.operator();
    for purpose in [Purpose::Redirect, Purpose::Verify] {
        // Refused where it is made; where it were made, no door would open.
        let token = match returned(&world, &operator, purpose).await {
            Ok(token) => token,
            Err(error) => {
                assert!(
                    !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal),
                    "{purpose:?}: {}",
                    error.log_line()
                );
                continue;
            }
        };
        for right in [Right::Pressed, Right::Opened] {
            let tried = world.engine.redeem_link(&world.context(), &token, &browser("x"), right).await.unwrap();
            assert_ne!(name(&tried), "done", "{purpose:?} began a session");
        }
        let tried = world.engine.redeem_code(&world.context(), CodeFor::Token(&token), "123456", &browser("x")).await.unwrap();
        assert_ne!(name(&tried), "done");
    }
    assert_eq!(world.database.rows("sessions").await, 0);
    for purpose in [Purpose::SignIn, Purpose::Invite] {
        world.clock.tick();
        let token = returned(&world, &operator, purpose).await.unwrap();
        world.clock.tick();
        done(world.engine.redeem_link(&world.context(), &token, &browser("x"), Right::Pressed).await.unwrap());
    }
}

/// The same random part under another kind or app.
fn variants(text: &str, other_app: &[u8; 5]) -> Vec<String> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let Some(bytes) = text.get(4..).and_then(|body| base64.decode(body).ok()).filter(|b| b.len() == 42) else { return vec![] };
    let mut all = Vec::new();
    let kinds = [(1, "plk_"), (2, "plk_"), (3, "plk_"), (4, "plk_"), (16, "pls_"), (17, "plr_"), (32, "plb_")];
    for (kind, prefix) in kinds {
        for foreign in [false, true] {
            let mut changed = bytes.clone();
            changed[0] = kind;
            if foreign {
                changed[5..10].copy_from_slice(other_app);
            }
            if changed != bytes {
                all.push(format!("{prefix}{}", base64.encode(changed)));
            }
        }
    }
    assert_eq!(all.len(), 13);
    all
}

async fn sec_06_no_secret_works_in_place_of_another(world: Arc<World>) {
    let (app, other) = (Arc::clone(&world.app), Arc::clone(&world.other));
    let mut secrets: Vec<(&str, String)> = Vec::new();
    let mut live = Vec::new();
    for (own, foreign) in [(&app, &other), (&other, &app)] {
        let mailed = world.mail_from(&world.engine, own, "ada@example.com", Handover::Cookie, Asker::Unbound).await;
        let bound = world.mail_from(&world.engine, own, "bob@example.com", Handover::Cookie, Asker::Bound).await;
        let cookie = world.sign_in_to(own, "cy@example.com", Handover::Cookie).await;
        let fragment = world.sign_in_to(own, "di@example.com", Handover::Fragment).await;
        let operator = world.engine.operator(&world.context(), &own.name).unwrap();
        let client =
            SaveClient { client_id: None, client_secret: None, scopes: Scopes::parse("*"), label: None, expires_at: None };
        let client = world.engine.save_client(&operator, client).await.unwrap();
        let access = world.engine.sign_access_token(&cookie.signed_in, audience("one"), world.engine.now()).unwrap();
        let made = [
            ("link", mailed.token.clone()),
            ("session", session_token(&cookie)),
            ("refresh", refresh_token(&fragment)),
            ("proof", bound.asked.requester.as_ref().unwrap().expose().expose().to_owned()),
            ("client secret", client.client_secret.expose().to_owned()),
            ("code", mailed.code.clone()),
            ("link id", mailed.id.to_string()),
            ("session id", cookie.signed_in.session.id.to_string()),
            ("user id", cookie.signed_in.user.id.to_string()),
            ("client id", client.client_id.clone()),
            ("access", access.token.expose().to_owned()),
        ];
        for (kind, text) in made {
            secrets.extend(variants(&text, &foreign.tag).into_iter().map(|text| ("variant", text)));
            secrets.push((kind, text));
        }
        live.push((mailed, bound, cookie, fragment, client, access));
    }
    assert!(secrets.len() > 100);
    for (kind, text) in &secrets {
        let (engine, context) = (&world.engine, world.context());
        if *kind != "link" {
            for right in [Right::Pressed, Right::Opened] {
                let tried = engine.redeem_link(&context, text, &browser("x"), right).await.unwrap();
                assert_eq!(name(&tried), "dead: unknown", "{kind} as a link");
            }
            for (mailed, ..) in &live {
                let tried = engine.redeem_code(&context, CodeFor::Token(text), &mailed.code, &browser("x")).await.unwrap();
                assert_eq!(name(&tried), "dead: unknown", "{kind} as a link with a code");
            }
            let approved = engine.approve_link(&context, text, "42", &browser("x")).await.unwrap();
            assert!(matches!(approved, passlink_engine::links::elsewhere::Approval::Dead(_)), "{kind} as a link to approve");
        }
        if *kind != "session" {
            assert!(engine.authenticate_session_token(text).await.is_err(), "{kind} as a session token");
        }
        if *kind != "access" {
            assert!(engine.authenticate_access_token(text, "one").await.is_err(), "{kind} as an access token");
        }
        if *kind != "refresh" {
            assert!(engine.refresh_session(&context, text).await.is_err(), "{kind} as a refresh token");
            for (_, _, cookie, fragment, ..) in &live {
                for redeemed in [cookie, fragment] {
                    let paired = engine.refresh_token_belongs_to(text, redeemed.signed_in.session.id).await;
                    assert!(paired.is_err(), "{kind} as a refresh token of a session");
                }
            }
        }
        for (_, bound, _, _, client, _) in &live {
            let own_secret = text == client.client_secret.expose();
            let known = engine.authenticate_client(&context, &client.client_id, text).await;
            assert_eq!(known.is_ok(), own_secret, "{kind} as a client secret");
            // Any token at all as the proof of a browser, except the proof itself.
            let proof = Token::parse(text)
                .filter(|_| Some(text) != bound.asked.requester.as_ref().map(|t| t.expose().expose().to_owned()).as_ref());
            let thief = BrowserProof { requester: proof, page: Some(text.clone()) };
            assert!(engine.waiting(bound.id, &thief).await.unwrap().is_none(), "{kind} as a proof");
            let tried = engine.redeem_code(&context, CodeFor::Request(bound.id), &bound.code, &thief).await.unwrap();
            assert_eq!(name(&tried), "dead: unknown", "{kind} as a proof");
            let tried = engine.redeem_link(&context, &bound.token, &thief, Right::Pressed).await.unwrap();
            assert_eq!(name(&tried), "elsewhere", "{kind} as a proof");
        }
    }
    // Nothing of all this used anything up.
    for (mailed, bound, cookie, fragment, client, access) in live {
        world.engine.authenticate_session_token(&session_token(&cookie)).await.unwrap();
        world.engine.authenticate_access_token(access.token.expose(), "one").await.unwrap();
        world.engine.authenticate_client(&world.context(), &client.client_id, client.client_secret.expose()).await.unwrap();
        world.engine.refresh_session(&world.context(), &refresh_token(&fragment)).await.unwrap();
        done(world.press(&mailed, &browser("person")).await);
        done(world.open(&bound).await);
    }
    assert_eq!(world.database.number("SELECT COALESCE(max(code_attempts), 0) FROM links").await, 0);
}

fn audience(name: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::from_iter([("aud".to_owned(), name.into())])
}

/// Verified tokens are remembered for a moment: as what they are, and for whom.
async fn sec_06_what_was_remembered_opens_no_other_door(world: Arc<World>) {
    let engine = &world.engine;
    let redeemed = world.sign_in("ada@example.com", Handover::Cookie).await;
    let session = session_token(&redeemed);
    let access = engine.sign_access_token(&redeemed.signed_in, audience("one"), engine.now()).unwrap().token;
    engine.authenticate_session_token(&session).await.unwrap();
    engine.authenticate_access_token(access.expose(), "one").await.unwrap();
    assert!(engine.authenticate_access_token(access.expose(), "two").await.is_err(), "a token for one audience served another");
    assert!(engine.authenticate_access_token(&session, "one").await.is_err(), "a session token served as an access token");
    assert!(engine.authenticate_session_token(access.expose()).await.is_err(), "an access token served as a session token");
    let id = redeemed.signed_in.session.id;
    engine.authenticate_session(world.app.id, id).await.unwrap();
    assert!(engine.authenticate_session(world.other.id, id).await.is_err(), "a session of one app served another");
    // What is right still works, remembered and not.
    engine.authenticate_access_token(access.expose(), "one").await.unwrap();
    world.another_engine().await.authenticate_access_token(access.expose(), "one").await.unwrap();
}

async fn sec_06_ids_of_one_app_are_nothing_in_another(world: Arc<World>) {
    let engine = &world.engine;
    let redeemed = world.sign_in("ada@example.com", Handover::Cookie).await;
    let id: SessionId = redeemed.signed_in.session.id;
    let operator = engine.operator(&world.context(), &world.app.name).unwrap();
    let client = SaveClient {
        client_id: Some("mine".into()),
        client_secret: None,
        scopes: Scopes::parse("*"),
        label: None,
        expires_at: None,
    };
    engine.save_client(&operator, client).await.unwrap();
    let authority = Authority::Client { client_id: "theirs".into(), scopes: Scopes::parse("*") };
    let foreign = Caller { app: Arc::clone(&world.other), authority, context: world.context() };
    assert!(!engine.revoke_session(&foreign, id).await.unwrap());
    assert_eq!(*engine.revoke_client(&foreign, "mine").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(engine.list_clients(&foreign).await.unwrap().is_empty());
    world.sender.answer_next([crate::support::doubles::refused()]);
    let issued = engine
        .issue_link(
            &world.anybody(),
            world.command("bob@example.com", Handover::Cookie, Asker::Unbound, &world.proof(&world.app)),
        )
        .await
        .unwrap();
    engine.dispatch_due(10).await.unwrap();
    let dead = engine.dead_messages(&operator, 10).await.unwrap();
    assert!(dead.len() == 1 && dead[0].link == issued.id);
    assert!(engine.dead_messages(&foreign, 10).await.unwrap().is_empty());
    let put_back = engine.requeue_message(&foreign, dead[0].id).await;
    assert!(put_back.is_err_and(|e| *e.kind() == ErrorKind::NotFound), "a client of one app sent another app's mail");
    engine.authenticate_session_token(&session_token(&redeemed)).await.unwrap();
    engine.requeue_message(&operator, dead[0].id).await.unwrap();
    // A tampered kind is no token at all, and says so without asking the database.
    assert!(Token::parse(&session_token(&redeemed)).is_some_and(|t| t.kind() == TokenKind::Session));
}
