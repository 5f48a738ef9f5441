//! Which addresses are one person, and what an unproven account keeps.

use std::sync::Arc;

use passlink_engine::ids::UserId;
use passlink_engine::links::Handover;

use crate::support::ask::{Asker, done, refresh_token, session_token};
use crate::support::{World, both};

both!(
    sec_28_letter_case_is_the_same_user,
    sec_28_accents_tags_and_dots_are_different_users,
    sec_28_each_app_has_its_own_users,
    sec_32_the_first_proof_ends_what_the_unproven_account_had,
);

async fn user(world: &World, to: &str) -> UserId {
    world.sign_in(to, Handover::Cookie).await.signed_in.user.id
}

async fn sec_28_letter_case_is_the_same_user(world: Arc<World>) {
    for (one, same) in [
        ("ada@example.com", "Ada@Example.COM"),
        ("a.b+c@example.com", "A.B+C@EXAMPLE.com"),
        ("x@bücher.example", "X@BÜCHER.example"),
        ("y@bücher.example", "y@xn--bcher-kva.example"),
        ("z@example.org", "  z@example.org  "),
    ] {
        assert_eq!(user(&world, one).await, user(&world, same).await, "{one} {same}");
    }
    assert_eq!(world.database.rows("users").await, 5);
    assert_eq!(world.database.rows("identifiers").await, 5);
    // One recipient, and it is the stored address.
    assert!(
        world
            .sender
            .messages()
            .iter()
            .all(|m| m.to.as_str() == m.to.as_str().to_lowercase() && m.to.as_str().matches('@').count() == 1)
    );
}

async fn sec_28_accents_tags_and_dots_are_different_users(world: Arc<World>) {
    let all = [
        "ada@example.com",
        "a.da@example.com",
        "ada+tag@example.com",
        "ada@exämple.com",
        "ada@exámple.com",
        "ada@example.org",
        "ada@sub.example.com",
        "ada_@example.com",
        "ad%@example.com",
    ];
    let mut users = std::collections::HashSet::new();
    for to in all {
        assert!(users.insert(user(&world, to).await), "{to} is somebody else");
    }
    assert_eq!(world.database.rows("users").await, all.len() as i64);
}

async fn sec_28_each_app_has_its_own_users(world: Arc<World>) {
    let here = user(&world, "ada@example.com").await;
    let other = Arc::clone(&world.other);
    let there = world.sign_in_to(&other, "ada@example.com", Handover::Cookie).await;
    assert!(there.created && there.signed_in.user.id != here);
    assert_eq!(there.signed_in.user.app, world.other.id);
}

/// Somebody signed up with an address that is not theirs and left sessions behind; then its owner comes.
async fn sec_32_the_first_proof_ends_what_the_unproven_account_had(world: Arc<World>) {
    let planted =
        [world.sign_in("ada@example.com", Handover::Cookie).await, world.sign_in("ada@example.com", Handover::Cookie).await];
    let refresh = world.sign_in("ada@example.com", Handover::Fragment).await;
    let bystander = world.sign_in("bob@example.com", Handover::Cookie).await;
    // As a client of the app would have written it: not proven.
    world.database.execute("UPDATE identifiers SET verified_at = NULL, written_by = 2 WHERE value = 'ada@example.com'").await;
    world.engine.authenticate_session_token(&session_token(&planted[0])).await.unwrap();

    let mailed = world.mail_from(&world.engine, &world.app, "ada@example.com", Handover::Cookie, Asker::Bound).await;
    let owner = done(world.open(&mailed).await);
    assert!(!owner.created);
    assert!(owner.signed_in.user.email_verified_at.is_some());
    for session in &planted {
        assert!(world.engine.authenticate_session_token(&session_token(session)).await.is_err(), "a planted session survived");
    }
    assert!(world.engine.refresh_session(&world.context(), &refresh_token(&refresh)).await.is_err());
    world.engine.authenticate_session_token(&session_token(&owner)).await.unwrap();
    world.engine.authenticate_session_token(&session_token(&bystander)).await.unwrap();
    let count = async |kind: &str| world.database.number(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await;
    assert_eq!((count("address.verified").await, count("session.revoked").await), (1, 1));

    // The second proof ends nothing.
    world.sign_in("ada@example.com", Handover::Cookie).await;
    world.engine.authenticate_session_token(&session_token(&owner)).await.unwrap();
}
