//! A link opened in another browser than the one that asked, and the same browser asking twice.

use std::sync::Arc;

use passlink_engine::links::elsewhere::Approval;
use passlink_engine::links::open::{BrowserProof, MayDo};
use passlink_engine::links::redeem::Right;
use passlink_engine::links::wait::Progress;
use passlink_engine::links::{Handover, Link};
use passlink_engine::time::Lifetime;

use crate::support::ask::{Asker, Mailed, browser, done, name, texts};
use crate::support::{World, both};

both!(
    sec_13_a_bound_link_is_not_redeemed_elsewhere,
    sec_13_the_number_approves_and_the_asking_browser_finishes,
    sec_13_wrong_numbers_end_approval_and_not_the_link,
    sec_13_disowning_burns_nothing,
    sec_13_opening_and_scanning_change_nothing,
    sec_14_the_same_browser_gets_the_same_answer_for_a_minute,
    sec_14_a_page_cookie_is_enough_and_another_is_not,
    sec_14_nothing_is_repeated_once_the_session_ended,
);

fn number_of(number: u8, shift: u8) -> String {
    (10 + (number - 10 + shift) % 90).to_string()
}

async fn number(world: &World, mailed: &Mailed) -> u8 {
    world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap().number.unwrap()
}

async fn approve(world: &World, mailed: &Mailed, number: &str) -> Approval {
    world.engine.approve_link(&world.context(), &mailed.token, number, &browser("phone")).await.unwrap()
}

async fn sec_13_a_bound_link_is_not_redeemed_elsewhere(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let strangers = [
        BrowserProof::default(),
        browser("scanner"),
        BrowserProof { requester: Some(world.proof(&world.app)), page: None },
        BrowserProof { requester: Some(world.proof(&world.other)), page: Some("x".to_owned()) },
    ];
    for stranger in &strangers {
        for right in [Right::Pressed, Right::Opened] {
            let tried = world.engine.redeem_link(&world.context(), &mailed.token, stranger, right).await.unwrap();
            assert_eq!(name(&tried), "elsewhere");
        }
        // Without approval nobody finishes, and without the proof nobody even learns of the request.
        let finished = world.engine.finish_approved(&world.context(), mailed.id, stranger).await.unwrap();
        assert_eq!(name(&finished), "dead: unknown");
        assert!(world.engine.waiting(mailed.id, stranger).await.unwrap().is_none());
    }
    assert_eq!(world.database.rows("sessions").await, 0);
    let early = world.engine.finish_approved(&world.context(), mailed.id, &mailed.asked).await.unwrap();
    assert_eq!(name(&early), "not approved");
    done(world.open(&mailed).await);
}

async fn sec_13_the_number_approves_and_the_asking_browser_finishes(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let right = number(&world, &mailed).await;
    let approved = approve(&world, &mailed, &right.to_string()).await;
    assert!(matches!(approved, Approval::Approved(_)), "{approved:?}");
    let waiting = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap();
    assert_eq!(waiting.progress, Progress::Approved);
    // Approving is not redeeming: the approving browser has nothing.
    assert_eq!(name(&world.press(&mailed, &browser("phone")).await), "elsewhere");
    assert_eq!(world.database.rows("sessions").await, 0);
    let stolen = world.engine.finish_approved(&world.context(), mailed.id, &browser("phone")).await.unwrap();
    assert_eq!(name(&stolen), "dead: unknown");
    done(world.engine.finish_approved(&world.context(), mailed.id, &mailed.asked).await.unwrap());
    let waiting = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap();
    assert_eq!(waiting.progress, Progress::Redeemed { here: true });
}

async fn sec_13_wrong_numbers_end_approval_and_not_the_link(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let right = number(&world, &mailed).await;
    for left in (0..Link::NUMBER_TRIES).rev() {
        let wrong = approve(&world, &mailed, &number_of(right, 1)).await;
        assert!(matches!(wrong, Approval::WrongNumber { left: l } if l == left), "{wrong:?}");
    }
    let late = approve(&world, &mailed, &right.to_string()).await;
    assert!(matches!(late, Approval::WrongNumber { left: 0 }), "{late:?}");
    assert_eq!(name(&world.engine.finish_approved(&world.context(), mailed.id, &mailed.asked).await.unwrap()), "not approved");
    done(world.open(&mailed).await);
}

async fn sec_13_disowning_burns_nothing(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    for _ in 0..10 {
        world.engine.disown_link(&world.context(), &mailed.token).await.unwrap();
    }
    let told = world.database.number("SELECT count(*) FROM events WHERE kind = 'link.disowned'").await;
    assert_eq!(told, 5, "it is recorded, and no more often than is useful");
    done(world.open(&mailed).await);
}

async fn sec_13_opening_and_scanning_change_nothing(world: Arc<World>) {
    for asker in [Asker::Bound, Asker::Unbound] {
        let mailed = world.mail_from(&world.engine, &world.app, "ada@example.com", Handover::Cookie, asker).await;
        for i in 0..60 {
            let opened =
                world.engine.open_link(&world.context(), &mailed.token, &browser(&format!("scanner {i}"))).await.unwrap();
            assert!(matches!(opened.may, MayDo::Confirm | MayDo::ProveElsewhere { number: true }), "{:?}", opened.may);
            // A GET is no right to redeem.
            let by_get = world
                .engine
                .redeem_link(&world.context(), &mailed.token, &browser(&format!("scanner {i}")), Right::Opened)
                .await
                .unwrap();
            assert_eq!(name(&by_get), "elsewhere");
        }
        let told = world.database.number("SELECT count(*) FROM events WHERE kind = 'link.opened'").await;
        assert!(told <= 40, "scanners filled the table of events: {told}");
        match asker {
            Asker::Bound => done(world.open(&mailed).await),
            Asker::Unbound => done(world.press(&mailed, &browser("person")).await),
        };
    }
}

async fn sec_14_the_same_browser_gets_the_same_answer_for_a_minute(world: Arc<World>) {
    for handover in [Handover::Cookie, Handover::Fragment] {
        let to = format!("{handover:?}@example.com");
        let mailed = world.mail_from(&world.engine, &world.app, &to, handover, Asker::Bound).await;
        let first = done(world.open(&mailed).await);
        assert!(first.created);
        world.clock.advance(Lifetime::from_millis(59_999));
        let again = done(world.open(&mailed).await);
        assert_eq!(texts(&again), texts(&first));
        assert_eq!(again.signed_in.session.id, first.signed_in.session.id);
        assert!(again.created, "the repeated answer says the same about the user");
        let by_code = done(world.type_code(&mailed, &mailed.code).await);
        assert_eq!(texts(&by_code), texts(&first));
        for stranger in
            [BrowserProof::default(), browser("x"), BrowserProof { requester: Some(world.proof(&world.app)), page: None }]
        {
            assert_eq!(name(&world.press(&mailed, &stranger).await), "dead: used");
        }
        world.clock.tick();
        assert_eq!(name(&world.open(&mailed).await), "before");
        assert_eq!(name(&world.type_code(&mailed, &mailed.code).await), "before");
    }
    assert_eq!(world.database.rows("sessions").await, 2);
    // A returning user is told the same way.
    let mailed = world.mail("cookie@example.com").await;
    assert!(!done(world.open(&mailed).await).created && !done(world.open(&mailed).await).created);
}

async fn sec_14_a_page_cookie_is_enough_and_another_is_not(world: Arc<World>) {
    let mailed = world.mail_unbound("ada@example.com").await;
    let first = done(world.press(&mailed, &browser("mine")).await);
    assert_eq!(texts(&done(world.press(&mailed, &browser("mine")).await)), texts(&first));
    assert_eq!(name(&world.press(&mailed, &browser("yours")).await), "dead: used");
    // A browser that shows nothing gets nothing again, for it cannot be told from others.
    let bare = world.mail_unbound("bob@example.com").await;
    done(world.press(&bare, &BrowserProof::default()).await);
    assert_eq!(name(&world.press(&bare, &BrowserProof::default()).await), "dead: used");
}

async fn sec_14_nothing_is_repeated_once_the_session_ended(world: Arc<World>) {
    let mailed = world.mail("ada@example.com").await;
    let redeemed = done(world.open(&mailed).await);
    assert!(world.engine.revoke_session(&world.anybody(), redeemed.signed_in.session.id).await.unwrap());
    assert_eq!(name(&world.open(&mailed).await), "before");
}
