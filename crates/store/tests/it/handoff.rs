//! Hand-off: a signed-in person's link makes a child session of theirs on another device, and ends with what it came from.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::apps::{App, HandoffRevocation};
use passlink_engine::caller::{Authority, Caller};
use passlink_engine::ids::{LinkId, SessionId};
use passlink_engine::limits::Limit;
use passlink_engine::links::Handover;
use passlink_engine::links::handoff::{HandoffProgress, IssueHandoff};
use passlink_engine::links::open::MayDo;
use passlink_engine::links::redeem::{Redeemed, Redemption, Right};
use passlink_engine::sessions::{Label, SignedIn};
use passlink_engine::time::Lifetime;
use passlink_engine::users::UserRef;
use passlink_engine::{Engine, Result};

use crate::support::ask::{browser, done, name, refresh_token, session_token};
use crate::support::{World, at_once, both, word};

both!(
    a_child_has_its_own_label_lifetime_and_end,
    the_page_says_who_is_about_to_be_signed_in,
    nobody_mints_for_another,
    what_is_asked_for_stays_within_bounds,
    the_link_is_shown_to_its_minter_alone_until_it_is_used,
    ending_a_parent_ends_its_descendants,
    under_independent_children_go_on,
    every_way_of_ending_a_parent_ends_its_children,
    sec_08_of_sixteen_at_once_one_becomes_a_child,
    sec_08_no_child_outlives_a_parent_that_ends_meanwhile,
    sec_32_no_child_outlives_an_unproven_account,
    a_parent_is_kept_as_long_as_a_child,
);

/// A link that was minted.
#[derive(Clone)]
pub struct Minted {
    pub id: LinkId,
    pub token: String,
    pub url: String,
}

/// The person of a session, as a caller.
pub fn person(world: &World, signed_in: &SignedIn) -> Caller {
    let app = world.engine.directory().app(signed_in.session.app).unwrap();
    Caller { app, authority: Authority::User(signed_in.user.id), context: world.context() }
}

async fn mint(world: &World, signed_in: &SignedIn, command: IssueHandoff) -> Result<Minted> {
    let issued = world.engine.issue_handoff(&person(world, signed_in), signed_in.session.id, command).await?;
    world.clock.tick();
    let (url, token) = (issued.url.unwrap().expose().to_owned(), issued.token.unwrap().expose().to_owned());
    assert_eq!(url, format!("https://auth.example.com/l/{token}"));
    Ok(Minted { id: issued.id, token, url })
}

/// A link with the app's defaults.
pub async fn hand_off(world: &World, signed_in: &SignedIn) -> Minted {
    mint(world, signed_in, IssueHandoff::new(Handover::Cookie)).await.unwrap()
}

/// Another device presses the button.
pub async fn press(world: &World, engine: &Engine, minted: &Minted) -> Result<Redemption> {
    engine.redeem_link(&world.context(), &minted.token, &browser("the other device"), Right::Pressed).await
}

async fn child_of(world: &World, signed_in: &SignedIn) -> Redeemed {
    let minted = hand_off(world, signed_in).await;
    let child = done(press(world, &world.engine, &minted).await.unwrap());
    world.clock.tick();
    child
}

async fn parent(world: &World) -> SignedIn {
    world.sign_in("ada@example.com", Handover::Cookie).await.signed_in
}

async fn lives(world: &World, engine: &Engine, id: SessionId) -> bool {
    engine.authenticate_session(world.app.id, id).await.is_ok()
}

/// Sessions with a live row whose parent was ended: there must never be any.
async fn orphans(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM sessions c JOIN sessions p ON p.id = c.parent_id WHERE c.revoked_at IS NULL AND p.revoked_at IS NOT NULL";
    world.database.number(sql).await
}

fn label(text: &str) -> Option<Label> {
    Some(Label::parse(text).unwrap())
}

async fn a_child_has_its_own_label_lifetime_and_end(world: Arc<World>) {
    let ada = parent(&world).await;
    let hour = Lifetime::from_minutes(60);
    let command =
        IssueHandoff { label: label("Ada’s phone"), session_lifetime: Some(hour), ..IssueHandoff::new(Handover::Fragment) };
    let command = IssueHandoff { redirect: Some(crate::support::ask::target("/welcome")), ..command };
    let minted = mint(&world, &ada, command).await.unwrap();
    let redeemed = done(press(&world, &world.engine, &minted).await.unwrap());
    let child = redeemed.signed_in.session.clone();
    assert_eq!((child.parent, child.user, child.link), (Some(ada.session.id), ada.user.id, Some(minted.id)));
    assert_eq!(child.label.as_ref().map(Label::as_str), Some("Ada’s phone"));
    assert_eq!(child.expires_at.millis_since(child.created_at), hour.as_millis());
    assert!(redeemed.redirect.as_ref().is_some_and(|target| target.as_url().path() == "/welcome") && !redeemed.created);
    // It is prolonged by its own lifetime, and listed with what it is.
    world.clock.advance(Lifetime::from_minutes(30));
    let refreshed = world.engine.refresh_session(&world.context(), &refresh_token(&redeemed)).await.unwrap().signed_in.session;
    assert_eq!(refreshed.expires_at.millis_since(refreshed.refreshed_at), hour.as_millis());
    assert_eq!((refreshed.parent, &refreshed.label), (child.parent, &child.label));
    let listed = world.engine.list_own_sessions(&person(&world, &ada)).await.unwrap();
    let seen: Vec<_> = listed.iter().map(|held| (held.session.id, held.session.parent, held.session.label.clone())).collect();
    assert_eq!(seen, [(ada.session.id, None, None), (child.id, Some(ada.session.id), child.label.clone())]);
    // It proved nothing, and ending it leaves its parent alone.
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'address.verified'").await, 0);
    let ended = world.engine.end_own_session(&person(&world, &ada), child.id).await.unwrap();
    assert_eq!(ended, [child.id]);
    assert!(lives(&world, &world.engine, ada.session.id).await && !lives(&world, &world.engine, child.id).await);
}

async fn the_page_says_who_is_about_to_be_signed_in(world: Arc<World>) {
    let ada = parent(&world).await;
    let minted = hand_off(&world, &ada).await;
    let opened = world.engine.open_link(&world.context(), &minted.token, &browser("x")).await.unwrap();
    assert_eq!((opened.may, &opened.masked_address), (MayDo::Confirm, &None), "a person's press, and nowhere to mail to");
    assert_eq!(opened.handoff.unwrap().masked_address, Some(ada.user.email.clone().unwrap().masked()));
    // No browser but one that presses: a GET changes nothing.
    let opens = world.engine.redeem_link(&world.context(), &minted.token, &browser("x"), Right::Opened).await.unwrap();
    assert_eq!(name(&opens), "elsewhere");
    let mailed = world.mail_unbound("bob@example.com").await;
    assert!(world.engine.open_link(&world.context(), &mailed.token, &browser("x")).await.unwrap().handoff.is_none());
}

async fn nobody_mints_for_another(world: Arc<World>) {
    let ada = parent(&world).await;
    let bob = world.sign_in("bob@example.com", Handover::Cookie).await.signed_in;
    let elsewhere = world.sign_in_to(&world.other, "ada@example.com", Handover::Cookie).await.signed_in;
    let try_as = async |caller: Caller, session: SessionId| {
        word(&world.engine.issue_handoff(&caller, session, IssueHandoff::new(Handover::Cookie)).await.unwrap_err())
    };
    assert_eq!(try_as(world.anybody(), ada.session.id).await, "unauthenticated ");
    assert_eq!(try_as(world.client(), ada.session.id).await, "forbidden ");
    assert_eq!(try_as(world.operator(), ada.session.id).await, "forbidden ");
    // Another person's session, and the same person's in another app, whichever of the two the caller is.
    assert_eq!(try_as(person(&world, &bob), ada.session.id).await, "unauthenticated ");
    assert_eq!(try_as(person(&world, &ada), elsewhere.session.id).await, "unauthenticated ");
    let astray = |app: &Arc<App>, who: &SignedIn| Caller { app: Arc::clone(app), ..person(&world, who) };
    assert_eq!(try_as(astray(&world.other, &ada), ada.session.id).await, "unauthenticated ");
    assert_eq!(try_as(astray(&world.other, &ada), elsewhere.session.id).await, "unauthenticated ");
    world.engine.revoke_session(&world.operator(), ada.session.id).await.unwrap();
    assert_eq!(try_as(person(&world, &ada), ada.session.id).await, "unauthenticated ");
    assert_eq!(world.database.number("SELECT count(*) FROM links WHERE parent_id IS NOT NULL").await, 0);
    // Nor is anybody else's session theirs to end or to list.
    let strange = world.engine.end_own_session(&person(&world, &ada), bob.session.id).await.unwrap_err();
    assert_eq!(word(&strange), "not_found session");
    assert!(lives(&world, &world.engine, bob.session.id).await);
    assert!(world.engine.list_own_sessions(&person(&world, &ada)).await.unwrap().is_empty());
    assert!(world.engine.list_own_sessions(&world.client()).await.is_err());
}

async fn what_is_asked_for_stays_within_bounds(world: Arc<World>) {
    world.changed(|s| s.handoff_lifetime = Lifetime::from_minutes(5)).await;
    let ada = parent(&world).await;
    let minutes = Lifetime::from_minutes;
    let asked = |lifetime, session_lifetime| IssueHandoff { lifetime, session_lifetime, ..IssueHandoff::new(Handover::Cookie) };
    let lasting = async |command| {
        let minted = mint(&world, &ada, command).await.map_err(|error| word(&error))?;
        let found = world.engine.find_handoff(&person(&world, &ada), ada.session.id, minted.id).await.unwrap();
        Ok::<i64, String>((found.expires_at.millis_since(world.engine.now()) + 30_000) / 60_000)
    };
    assert_eq!(lasting(asked(None, None)).await, Ok(5));
    assert_eq!(lasting(asked(Some(minutes(60)), Some(minutes(366 * 1440)))).await, Ok(60));
    assert_eq!(lasting(asked(Some(minutes(61)), None)).await, Err("lifetime OverCeiling".to_owned()));
    assert_eq!(lasting(asked(None, Some(minutes(366 * 1440 + 1)))).await, Err("session_lifetime OverCeiling".to_owned()));
    // It expires at its instant.
    let minted = hand_off(&world, &ada).await;
    world.clock.advance(Lifetime::from_millis(minutes(5).as_millis() - 2));
    let found = world.engine.open_link(&world.context(), &minted.token, &browser("x")).await.unwrap();
    assert_eq!(found.may, MayDo::Confirm);
    world.clock.tick();
    assert_eq!(name(&press(&world, &world.engine, &minted).await.unwrap()), "dead: expired");
    // And nobody fills the database.
    world.changed(|s| s.limit_handoffs_per_user = Limit::new(3, minutes(15))).await;
    let mut refused = 0;
    for _ in 0..5 {
        refused += i32::from(mint(&world, &ada, IssueHandoff::new(Handover::Cookie)).await.is_err());
    }
    assert_eq!(refused, 2);
}

async fn the_link_is_shown_to_its_minter_alone_until_it_is_used(world: Arc<World>) {
    let ada = parent(&world).await;
    let other_tab = parent(&world).await;
    let bob = world.sign_in("bob@example.com", Handover::Cookie).await.signed_in;
    let minted = hand_off(&world, &ada).await;
    let seen = async |who: &SignedIn, session: SessionId| match world
        .engine
        .find_handoff(&person(&world, who), session, minted.id)
        .await
    {
        Ok(handoff) => match handoff.progress {
            HandoffProgress::Pending { url } => url.expose().to_owned(),
            HandoffProgress::Redeemed(child) => format!("redeemed by {}", child.device.unwrap()),
            HandoffProgress::Dead(reason) => reason.code().to_owned(),
        },
        Err(error) => word(&error),
    };
    assert_eq!(seen(&ada, ada.session.id).await, minted.url);
    for (who, session) in [(&other_tab, other_tab.session.id), (&bob, bob.session.id), (&bob, ada.session.id)] {
        assert_eq!(seen(who, session).await, "not_found link");
    }
    let sealed = async || world.database.number("SELECT count(*) FROM links WHERE sealed IS NOT NULL").await;
    assert_eq!(sealed().await, 1);
    let child = done(press(&world, &world.engine, &minted).await.unwrap()).signed_in;
    assert_eq!(seen(&ada, ada.session.id).await, "redeemed by Firefox on Linux");
    assert_eq!(seen(&child, child.session.id).await, "not_found link");
    assert_eq!(sealed().await, 0);
    // An expired one is emptied by the sweep, one of a deleted user at once.
    hand_off(&world, &ada).await;
    world.clock.advance(Lifetime::from_minutes(15));
    world.engine.sweep(10).await.unwrap();
    assert_eq!(sealed().await, 0);
    hand_off(&world, &bob).await;
    world.engine.delete_user(&world.client(), UserRef::Id(bob.user.id)).await.unwrap();
    assert_eq!(sealed().await, 0);
}

async fn ending_a_parent_ends_its_descendants(world: Arc<World>) {
    let other = world.another_engine().await;
    let ada = parent(&world).await;
    let sibling = parent(&world).await;
    let child = child_of(&world, &ada).await;
    let grandchild = child_of(&world, &child.signed_in).await;
    let gone = child_of(&world, &child.signed_in).await;
    let great = child_of(&world, &gone.signed_in).await;
    let pending = hand_off(&world, &child.signed_in).await;
    for token in [&child, &grandchild, &great].map(session_token) {
        world.engine.authenticate_session_token(&token).await.unwrap();
        other.authenticate_session_token(&token).await.unwrap();
    }
    assert!(world.engine.revoke_session(&world.operator(), ada.session.id).await.unwrap());
    assert!(!world.engine.revoke_session(&world.operator(), ada.session.id).await.unwrap());
    for token in [&child, &grandchild, &gone, &great].map(session_token) {
        assert!(world.engine.authenticate_session_token(&token).await.is_err(), "at once on this server");
    }
    world.clock.advance(Lifetime::from_secs(2));
    assert!(other.authenticate_session_token(&session_token(&grandchild)).await.is_err(), "soon on another");
    assert!(lives(&world, &world.engine, sibling.session.id).await);
    assert_eq!(name(&press(&world, &world.engine, &pending).await.unwrap()), "dead: minter_ended");
    // One event tells of them all.
    let events = world.engine.list_events(Default::default(), 100).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.kind.code() == "session.revoked").collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].session, told[0].detail["sessions"].as_array().unwrap().len()), (Some(ada.session.id), 4));
}

async fn under_independent_children_go_on(world: Arc<World>) {
    world.changed(|s| s.handoff_revocation = HandoffRevocation::Independent).await;
    let ada = parent(&world).await;
    let child = child_of(&world, &ada).await;
    let grandchild = child_of(&world, &child.signed_in).await;
    let pending = hand_off(&world, &ada).await;
    let ended = world.engine.end_own_session(&person(&world, &ada), ada.session.id).await.unwrap();
    assert_eq!(ended, [ada.session.id]);
    assert!(lives(&world, &world.engine, child.signed_in.session.id).await);
    // Whoever was signed out hands nothing off any more.
    assert_eq!(name(&press(&world, &world.engine, &pending).await.unwrap()), "dead: minter_ended");
    world.engine.end_own_session(&person(&world, &ada), child.signed_in.session.id).await.unwrap();
    assert!(lives(&world, &world.engine, grandchild.signed_in.session.id).await);
    // Back under the default, what is above is ended with all below, also past sessions that ended by themselves.
    let bob = world.sign_in("bob@example.com", Handover::Cookie).await.signed_in;
    let between = child_of(&world, &bob).await.signed_in;
    let last = child_of(&world, &between).await.signed_in;
    world.engine.end_own_session(&person(&world, &bob), between.session.id).await.unwrap();
    world.changed(|s| s.handoff_revocation = HandoffRevocation::Cascade).await;
    let ended = world.engine.end_own_session(&person(&world, &bob), bob.session.id).await.unwrap();
    assert_eq!(ended, [bob.session.id, last.session.id]);
}

async fn every_way_of_ending_a_parent_ends_its_children(world: Arc<World>) {
    // A refresh token that comes back.
    let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
    let child = child_of(&world, &redeemed.signed_in).await.signed_in;
    assert!(lives(&world, &world.engine, child.session.id).await);
    let token = refresh_token(&redeemed);
    world.engine.refresh_session(&world.context(), &token).await.unwrap();
    world.clock.advance(Lifetime::from_secs(11));
    assert!(world.engine.refresh_session(&world.context(), &token).await.is_err());
    assert!(!lives(&world, &world.engine, child.session.id).await, "reuse");
    // The user is deleted.
    let bob = world.sign_in("bob@example.com", Handover::Cookie).await.signed_in;
    let child = child_of(&world, &bob).await.signed_in;
    let pending = hand_off(&world, &bob).await;
    assert!(lives(&world, &world.engine, child.session.id).await);
    world.engine.delete_user(&world.client(), UserRef::Id(bob.user.id)).await.unwrap();
    assert!(!lives(&world, &world.engine, child.session.id).await, "deleted");
    assert_eq!(name(&press(&world, &world.engine, &pending).await.unwrap()), "dead: withdrawn");
    // Somebody proves the address that the account never proved.
    let cy = world.person("cy@example.com").await;
    let (squatter, _) = crate::exchange::begin(&world, &cy).await;
    let squatter = (*world.engine.authenticate_session(world.app.id, squatter).await.unwrap().signed_in).clone();
    let child = child_of(&world, &squatter).await.signed_in;
    let pending = hand_off(&world, &squatter).await;
    assert!(lives(&world, &world.engine, child.session.id).await);
    world.sign_in("cy@example.com", Handover::Cookie).await;
    assert!(!lives(&world, &world.engine, child.session.id).await, "proven by its owner");
    assert_eq!(name(&press(&world, &world.engine, &pending).await.unwrap()), "dead: withdrawn");
    assert_eq!(orphans(&world).await, 0);
}

async fn sec_08_of_sixteen_at_once_one_becomes_a_child(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = parent(&world).await;
    for round in 0..10 {
        let minted = hand_off(&world, &ada).await;
        let tries = (0..16).map(|i| {
            let (world, engine, minted) = (Arc::clone(&world), Arc::clone(&engines[i % 2]), minted.clone());
            async move {
                let device = browser(&format!("device {i}"));
                name(&engine.redeem_link(&world.context(), &minted.token, &device, Right::Pressed).await.unwrap())
            }
        });
        let mut counts = HashMap::new();
        for word in at_once(tries).await {
            *counts.entry(word).or_insert(0) += 1;
        }
        assert_eq!(counts, HashMap::from([("done".to_owned(), 1), ("dead: used".to_owned(), 15)]), "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 2);
        assert_eq!(world.database.number("SELECT count(*) FROM sessions WHERE parent_id IS NOT NULL").await, round + 1);
    }
}

async fn sec_08_no_child_outlives_a_parent_that_ends_meanwhile(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mut children = 0;
    for round in 0..24 {
        let ada = parent(&world).await;
        let child = child_of(&world, &ada).await.signed_in;
        let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = String> + Send>>> = Vec::new();
        for i in 0..8 {
            let minted = hand_off(&world, if i % 2 == 0 { &ada } else { &child }).await;
            let (world, engine) = (Arc::clone(&world), Arc::clone(&engines[(i / 2) % 2]));
            tries.push(Box::pin(async move { name(&press(&world, &engine, &minted).await.unwrap()) }));
        }
        let (end, engine, all) = (Arc::clone(&world), Arc::clone(&engines[round % 2]), round % 3 == 2);
        tries.insert(
            round % tries.len(),
            Box::pin(async move {
                match all {
                    true => _ = engine.delete_user(&end.client(), UserRef::Id(ada.user.id)).await.unwrap(),
                    false => assert!(engine.revoke_session(&end.operator(), ada.session.id).await.unwrap()),
                }
                "ended".to_owned()
            }),
        );
        for word in at_once(tries).await {
            assert!(["done", "ended", "dead: minter_ended", "dead: withdrawn"].contains(&word.as_str()), "round {round}: {word}");
            children += i32::from(word == "done");
        }
        assert_eq!(orphans(&world).await, 0, "round {round}");
    }
    assert!(children > 0, "none of them was ever quick enough to be ended");
}

async fn sec_32_no_child_outlives_an_unproven_account(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..24 {
        let email = format!("ada{round}@example.com");
        let squatted = world.person(&email).await;
        let (squatter, _) = crate::exchange::begin(&world, &squatted).await;
        let squatter = (*world.engine.authenticate_session(world.app.id, squatter).await.unwrap().signed_in).clone();
        let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = String> + Send>>> = Vec::new();
        for i in 0..6 {
            let minted = hand_off(&world, &squatter).await;
            let (world, engine) = (Arc::clone(&world), Arc::clone(&engines[i % 2]));
            tries.push(Box::pin(async move { name(&press(&world, &engine, &minted).await.unwrap()) }));
        }
        let mailed = world.mail_unbound(&email).await;
        let (owner, engine) = (Arc::clone(&world), Arc::clone(&engines[round % 2]));
        tries.insert(
            round % tries.len(),
            Box::pin(async move {
                name(&engine.redeem_link(&owner.context(), &mailed.token, &browser("owner"), Right::Pressed).await.unwrap())
            }),
        );
        at_once(tries).await;
        let live = format!(
            "SELECT count(*) FROM sessions WHERE user_id = {} AND revoked_at IS NULL",
            world.database.bytes(squatted.user.id.as_bytes())
        );
        assert_eq!(world.database.number(&live).await, 1, "round {round}: its owner's alone");
    }
}

async fn a_parent_is_kept_as_long_as_a_child(world: Arc<World>) {
    let year = Lifetime::from_minutes(366 * 1440);
    let short = Lifetime::from_minutes(60);
    let ada = parent(&world).await;
    let lasting = |lifetime| IssueHandoff { session_lifetime: Some(lifetime), ..IssueHandoff::new(Handover::Cookie) };
    let minted = mint(&world, &ada, lasting(short)).await.unwrap();
    let between = done(press(&world, &world.engine, &minted).await.unwrap()).signed_in;
    let minted = mint(&world, &between, lasting(year)).await.unwrap();
    let last = done(press(&world, &world.engine, &minted).await.unwrap()).signed_in;
    world.clock.advance(Lifetime::from_secs(20 * 86_400));
    world.engine.sweep(100).await.unwrap();
    // The one between expired long ago, and still what is above it ends what is below.
    assert_eq!(world.database.rows("sessions").await, 3);
    assert!(world.engine.revoke_session(&world.operator(), ada.session.id).await.unwrap());
    assert!(!lives(&world, &world.engine, last.session.id).await);
    world.clock.advance(Lifetime::from_secs(400 * 86_400));
    for _ in 0..3 {
        world.engine.sweep(100).await.unwrap();
    }
    assert_eq!((world.database.rows("sessions").await, world.database.rows("session_tokens").await), (0, 0));
}
