//! People who come from another server keep their ids, and what was proven there.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::ids::UserId;
use passlink_engine::links::Handover;
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::users::import::{Imported, ImportedUser};
use passlink_engine::users::profile::ProfileChange;
use passlink_engine::users::{Address, ExternalId, UserRef};
use serde_json::json;

use crate::support::ask::address;
use crate::support::{World, at_once, both, word};

both!(
    an_imported_user_is_as_before,
    importing_again_changes_nothing,
    of_sixteen_imports_of_one_person_one_makes_it,
    what_belongs_to_others_is_refused,
);

/// As another server drew it: no time in it.
fn old_id(number: u8) -> UserId {
    UserId::from_bytes(&[0xd0 + number, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, number]).unwrap()
}

fn email(text: &str) -> Address {
    Address::Email(address(text))
}

fn phone(text: &str) -> Address {
    Address::Phone(passlink_engine::phone_number::PhoneNumber::parse(text).unwrap())
}

fn person(number: u8, to: &str) -> ImportedUser {
    ImportedUser { id: Some(old_id(number)), addresses: vec![(email(to), true)], ..ImportedUser::default() }
}

async fn an_imported_user_is_as_before(world: Arc<World>) {
    let then = Timestamp::from_millis(1_600_000_000_123);
    let external = ExternalId::parse("01938a6e-6c1c-7e21-8c8b-0123456789ab").unwrap();
    let addresses = vec![
        (email("z.old@example.com"), false),
        (email("ada@example.com"), true),
        (phone("+12025550162"), false),
        (email("ada@example.com"), false),
        (phone("+12025550163"), true),
    ];
    let ada = ImportedUser {
        created_at: Some(then),
        addresses,
        external_id: Some(external.clone()),
        profile: ProfileChange {
            trusted: json!({"plan": "pro"}).as_object().cloned(),
            roles: Some(vec!["editor".to_owned()]),
            ..ProfileChange::default()
        },
        ..person(1, "ada@example.com")
    };
    assert_eq!(world.engine.import_user(&world.operator(), ada).await.unwrap(), Imported::Made(old_id(1)));
    for which in [UserRef::Id(old_id(1)), UserRef::External(external)] {
        let found = world.engine.find_person(&world.client(), which).await.unwrap();
        assert_eq!((found.user.id, found.user.created_at, found.user.is_pending), (old_id(1), then, false));
        let known: Vec<_> =
            found.identifiers.iter().map(|i| (i.address.as_str(), i.is_primary, i.verified_at, i.created_at)).collect();
        assert_eq!(
            known,
            [
                ("ada@example.com", true, Some(then), then),
                ("z.old@example.com", false, None, then),
                ("+12025550163", true, Some(then), then),
                ("+12025550162", false, None, then),
            ]
        );
        assert_eq!((found.profile.trusted["plan"].as_str(), found.profile.roles.len()), (Some("pro"), 1));
    }
    // Who signs in by mail is the same person, once.
    let signed_in = world.sign_in("ada@example.com", Handover::Cookie).await;
    assert!(!signed_in.created && signed_in.signed_in.user.id == old_id(1));
    let sessions = world.engine.list_sessions(&world.client(), UserRef::Id(old_id(1))).await.unwrap();
    assert_eq!(sessions.len(), 1, "two addresses are not two sessions");
    // A time that has not come is not believed; a person without an address may come too.
    let odd = ImportedUser {
        created_at: Some(world.engine.now().plus(Lifetime::from_minutes(60))),
        addresses: Vec::new(),
        is_pending: true,
        ..person(2, "x@example.com")
    };
    world.engine.import_user(&world.operator(), odd).await.unwrap();
    let found = world.engine.find_person(&world.client(), UserRef::Id(old_id(2))).await.unwrap();
    assert!(found.user.created_at <= world.engine.now() && found.user.is_pending && found.identifiers.is_empty());
}

async fn importing_again_changes_nothing(world: Arc<World>) {
    let ada = ImportedUser { external_id: ExternalId::parse("ada").ok(), ..person(1, "ada@example.com") };
    world.engine.import_user(&world.operator(), ada.clone()).await.unwrap();
    world.clock.tick();
    let before = world.database.dump_rows().await;
    let without_id = ImportedUser { id: None, ..ada.clone() };
    for again in [ada.clone(), person(1, "other@example.com"), without_id] {
        assert_eq!(world.engine.check_import(&world.operator(), &again).await.unwrap(), Some(old_id(1)));
        assert_eq!(world.engine.import_user(&world.operator(), again).await.unwrap(), Imported::There(old_id(1)));
    }
    // To look is not to write.
    assert_eq!(world.engine.check_import(&world.operator(), &person(2, "bob@example.com")).await.unwrap(), None);
    assert_eq!(world.database.dump_rows().await, before);
}

async fn of_sixteen_imports_of_one_person_one_makes_it(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..6 {
        let tries = (0..16).map(|i| {
            let (engine, operator) = (Arc::clone(&engines[i % 2]), world.operator());
            let ada = ImportedUser {
                external_id: ExternalId::parse(&format!("ada{round}")).ok(),
                ..person(round, &format!("ada{round}@example.com"))
            };
            async move {
                match engine.import_user(&operator, ada).await {
                    Ok(Imported::Made(_)) => "made".to_owned(),
                    Ok(Imported::There(id)) if id == old_id(round) => "there".to_owned(),
                    Ok(Imported::There(_)) => "somebody else".to_owned(),
                    Err(error) => word(&error),
                }
            }
        });
        let mut counts: HashMap<String, usize> = HashMap::new();
        at_once(tries).await.into_iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
        assert_eq!(counts, HashMap::from([("made".to_owned(), 1), ("there".to_owned(), 15)]), "round {round}");
    }
    assert_eq!((world.database.rows("users").await, world.database.rows("identifiers").await), (6, 6));
}

async fn what_belongs_to_others_is_refused(world: Arc<World>) {
    world.person("ada@example.com").await;
    let elsewhere = world.engine.operator(&world.context(), &world.other.name).unwrap();
    world.engine.import_user(&elsewhere, person(9, "ada@example.com")).await.unwrap();
    let before = world.database.dump_rows().await;
    let large = ImportedUser {
        profile: ProfileChange { untrusted: json!({"k": "x".repeat(4096)}).as_object().cloned(), ..ProfileChange::default() },
        ..person(3, "cy@example.com")
    };
    for (one, expected) in [
        (person(1, "ada@example.com"), "email Taken"),
        (person(9, "bob@example.com"), "id Taken"),
        (large, "untrusted_metadata TooLarge"),
    ] {
        assert_eq!(word(&world.engine.import_user(&world.operator(), one).await.unwrap_err()), expected);
    }
    for caller in [world.client(), world.anybody()] {
        assert_eq!(word(&world.engine.import_user(&caller, person(1, "di@example.com")).await.unwrap_err()), "forbidden ");
    }
    assert_eq!(world.database.dump_rows().await, before);
}
