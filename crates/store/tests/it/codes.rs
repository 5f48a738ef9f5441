//! Six digits are few: tries are counted before they are compared.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::ErrorKind;
use passlink_engine::links::redeem::CodeFor;

use crate::support::ask::{Mailed, browser, done, name};
use crate::support::{World, both};

both!(
    sec_26_of_50_wrong_codes_five_are_compared,
    sec_26_the_right_code_works_until_the_fifth_wrong_one,
    sec_26_holders_elsewhere_get_three_tries,
    sec_26_a_code_works_for_its_own_request_only,
    codes_are_read_as_people_type_them,
);

/// A code that is not this mail's.
fn wrong(mailed: &Mailed, shift: u32) -> String {
    format!("{:06}", (mailed.code.parse::<u32>().unwrap() + 1 + shift) % 1_000_000)
}

async fn sec_26_of_50_wrong_codes_five_are_compared(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mailed = world.mail("ada@example.com").await;
    let tries: Vec<_> = (0..50)
        .map(|i| {
            let (engine, context, mailed) = (Arc::clone(&engines[i % 2]), world.context(), mailed.clone());
            let code = wrong(&mailed, i as u32);
            tokio::spawn(async move {
                name(&engine.redeem_code(&context, CodeFor::Request(mailed.id), &code, &mailed.asked).await.unwrap())
            })
        })
        .collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for one in tries {
        *counts.entry(one.await.unwrap()).or_default() += 1;
    }
    let mut expected: HashMap<String, usize> = (0..5).map(|left| (format!("wrong code, {left} left"), 1)).collect();
    expected.insert("dead: closed".to_owned(), 45);
    assert_eq!(counts, expected);
    assert_eq!(world.database.number("SELECT code_attempts FROM links").await, 5);
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'link.closed'").await, 1);
    assert_eq!(name(&world.type_code(&mailed, &mailed.code).await), "dead: closed");
    assert_eq!(name(&world.open(&mailed).await), "dead: closed");
    // Nobody is locked out: a new request works.
    let again = world.mail("ada@example.com").await;
    done(world.type_code(&again, &again.code).await);
}

async fn sec_26_the_right_code_works_until_the_fifth_wrong_one(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    for i in 0..4 {
        assert_eq!(name(&world.type_code(&mailed, &wrong(&mailed, i)).await), format!("wrong code, {} left", 4 - i));
    }
    done(world.type_code(&mailed, &mailed.code).await);
}

async fn sec_26_holders_elsewhere_get_three_tries(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let elsewhere = async |code: &str| {
        let request = CodeFor::Token(&mailed.token);
        name(&world.engine.redeem_code(&world.context(), request, code, &browser("phone")).await.unwrap())
    };
    for i in 0..3 {
        assert_eq!(elsewhere(&wrong(&mailed, i)).await, format!("wrong code, {} left", 2 - i));
    }
    for code in [wrong(&mailed, 9), mailed.code.clone()] {
        assert_eq!(elsewhere(&code).await, "dead: closed");
    }
    // A machine that fills in forms has not closed the request: the browser that asked still has two.
    assert_eq!(name(&world.type_code(&mailed, &wrong(&mailed, 0)).await), "wrong code, 1 left");
    done(world.type_code(&mailed, &mailed.code).await);
}

async fn sec_26_a_code_works_for_its_own_request_only(world: Arc<World>) {
    let mine = world.mail("ada@example.com").await;
    let yours = world.mail("bob@example.com").await;
    assert_ne!(mine.code, yours.code);
    assert_eq!(name(&world.type_code(&mine, &yours.code).await), "wrong code, 4 left");
    // Knowing id and code is not enough without the browser's proof.
    let stolen = world.engine.redeem_code(&world.context(), CodeFor::Request(mine.id), &mine.code, &yours.asked).await.unwrap();
    assert_eq!(name(&stolen), "dead: unknown");
    done(world.type_code(&mine, &mine.code).await);
    done(world.type_code(&yours, &yours.code).await);
}

async fn codes_are_read_as_people_type_them(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "-1234", "+12345"] {
        let request = CodeFor::Request(mailed.id);
        let error = world.engine.redeem_code(&world.context(), request, bad, &mailed.asked).await.expect_err(bad);
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{bad}");
    }
    assert_eq!(world.database.number("SELECT code_attempts FROM links").await, 0, "what is no code costs no try");
    let (left, right) = mailed.code.split_at(3);
    done(world.type_code(&mailed, &format!(" {left}-{right} ")).await);
}
