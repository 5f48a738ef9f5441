//! One link, one session, however many press at once.

use std::collections::HashMap;
use std::sync::Arc;

use passlink_engine::Engine;
use passlink_engine::links::elsewhere::Approval;
use passlink_engine::links::open::BrowserProof;
use passlink_engine::links::redeem::{CodeFor, Redemption, Right};
use passlink_engine::links::{Handover, Link};

use crate::support::ask::{Asker, Mailed, browser, name};
use crate::support::{World, both};

both!(
    sec_08_of_200_redeemers_on_two_servers_one_wins,
    sec_08_link_against_code_gives_one_session,
    sec_08_two_links_of_one_address_give_one_session,
    sec_08_one_link_of_a_returning_user_gives_one_session,
    sec_08_many_people_with_two_links_each,
    sec_08_numbers_are_counted_under_load,
    sec_08_approved_requests_finish_once,
);

/// Runs tries at once and counts what became of them; an error is never right.
async fn tally(tries: Vec<impl Future<Output = passlink_engine::Result<Redemption>> + Send + 'static>) -> HashMap<String, usize> {
    let running: Vec<_> = tries.into_iter().map(tokio::spawn).collect();
    let mut counts = HashMap::new();
    for one in running {
        let word = match one.await.unwrap() {
            Ok(redemption) => name(&redemption),
            Err(error) => panic!("a server error: {}", error.log_line()),
        };
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// A button pressed in a browser of its own.
fn press(
    world: &World,
    engine: &Arc<Engine>,
    mailed: &Mailed,
    number: usize,
) -> impl Future<Output = passlink_engine::Result<Redemption>> + Send + use<> {
    let (engine, context, token) = (Arc::clone(engine), world.context(), mailed.token.clone());
    async move { engine.redeem_link(&context, &token, &browser(&format!("page {number}")), Right::Pressed).await }
}

async fn sec_08_of_200_redeemers_on_two_servers_one_wins(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..20 {
        let mailed = world.mail_unbound(&format!("ada{round}@example.com")).await;
        let tries = (0..200).map(|i| press(&world, &engines[i % 2], &mailed, i)).collect();
        let counts = tally(tries).await;
        assert_eq!(counts, HashMap::from([("done".to_owned(), 1), ("dead: used".to_owned(), 199)]), "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("session_tokens").await, round + 1);
        assert_eq!(world.database.rows("users").await, round + 1);
    }
}

async fn sec_08_link_against_code_gives_one_session(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        let mailed = world.mail(&format!("ada{round}@example.com")).await;
        let tries: Vec<std::pin::Pin<Box<dyn Future<Output = _> + Send>>> = (0..64)
            .map(|i| {
                let (engine, context, mailed) = (Arc::clone(&engines[i % 2]), world.context(), mailed.clone());
                let by_code = (i / 2) % 2 == 0;
                Box::pin(async move {
                    match by_code {
                        true => engine.redeem_code(&context, CodeFor::Request(mailed.id), &mailed.code, &mailed.asked).await,
                        false => engine.redeem_link(&context, &mailed.token, &mailed.asked, Right::Opened).await,
                    }
                }) as _
            })
            .collect();
        // All are the same browser, so the losers get the winner's session again.
        assert_eq!(tally(tries).await, HashMap::from([("done".to_owned(), 64)]), "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("session_tokens").await, round + 1);
    }
}

/// Two links of one address, each pressed by several browsers at the same time.
async fn two_links(world: &Arc<World>, engines: &[Arc<Engine>; 2], to: &str) -> HashMap<String, usize> {
    let first = world.mail_unbound(to).await;
    let second = world.mail_unbound(to).await;
    let tries = (0..16).map(|i| press(world, &engines[i % 2], if (i / 2) % 2 == 0 { &first } else { &second }, i)).collect();
    tally(tries).await
}

async fn sec_08_two_links_of_one_address_give_one_session(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        let counts = two_links(&world, &engines, &format!("ada{round}@example.com")).await;
        assert_eq!(counts.get("done"), Some(&1), "round {round}: {counts:?}");
        assert_eq!(world.database.rows("sessions").await, round + 1, "round {round}: {counts:?}");
        assert_eq!(world.database.rows("users").await, round + 1);
    }
}

async fn sec_08_one_link_of_a_returning_user_gives_one_session(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        let counts = two_links(&world, &engines, "ada@example.com").await;
        assert_eq!(counts.get("done"), Some(&1), "round {round}: {counts:?}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("users").await, 1);
    }
}

/// Groups of both servers want the same addresses, in different orders.
async fn sec_08_many_people_with_two_links_each(world: Arc<World>) {
    const PEOPLE: usize = 24;
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..3 {
        let mut links = Vec::new();
        for i in 0..PEOPLE {
            for _ in 0..2 {
                links.push(world.mail_unbound(&format!("ada{i}@example.com")).await);
            }
        }
        let there = links.iter().map(|mailed| press(&world, &engines[0], mailed, 1));
        let back = links.iter().rev().map(|mailed| press(&world, &engines[1], mailed, 2));
        let tries = there.zip(back).flat_map(|(one, other)| [one, other]).collect();
        let counts = tally(tries).await;
        assert_eq!(counts.get("done"), Some(&PEOPLE), "round {round}: {counts:?}");
        assert_eq!(world.database.rows("sessions").await, (PEOPLE * (round + 1)) as i64);
    }
}

async fn sec_08_numbers_are_counted_under_load(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mailed = world.mail("ada@example.com").await;
    let right = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap().number.unwrap();
    let wrong = format!("{:02}", if right == 99 { 10 } else { right + 1 });
    let tries: Vec<_> = (0..32)
        .map(|i| {
            let (engine, context, token, wrong) =
                (Arc::clone(&engines[i % 2]), world.context(), mailed.token.clone(), wrong.clone());
            tokio::spawn(async move { engine.approve_link(&context, &token, &wrong, &browser("elsewhere")).await.unwrap() })
        })
        .collect();
    for one in tries {
        assert!(!matches!(one.await.unwrap(), Approval::Approved(_)));
    }
    assert_eq!(world.database.number("SELECT number_attempts FROM links").await, i64::from(Link::NUMBER_TRIES));
    let late =
        world.engine.approve_link(&world.context(), &mailed.token, &right.to_string(), &browser("elsewhere")).await.unwrap();
    assert!(matches!(late, Approval::WrongNumber { left: 0 }), "{late:?}");
}

async fn sec_08_approved_requests_finish_once(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mailed = world.mail_from(&world.engine, &world.app, "ada@example.com", Handover::Fragment, Asker::Bound).await;
    let number = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap().number.unwrap();
    let approved =
        world.engine.approve_link(&world.context(), &mailed.token, &number.to_string(), &browser("phone")).await.unwrap();
    assert!(matches!(approved, Approval::Approved(_)), "{approved:?}");
    let tries: Vec<_> = (0..32)
        .map(|i| {
            let (engine, context, mailed) = (Arc::clone(&engines[i % 2]), world.context(), mailed.clone());
            async move { engine.finish_approved(&context, mailed.id, &mailed.asked).await }
        })
        .collect();
    assert_eq!(tally(tries).await, HashMap::from([("done".to_owned(), 32)]));
    assert_eq!(world.database.rows("sessions").await, 1);
    let nobody = world.engine.finish_approved(&world.context(), mailed.id, &BrowserProof::default()).await.unwrap();
    assert_eq!(name(&nobody), "dead: unknown");
}
