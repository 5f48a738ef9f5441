//! Links and sessions of groups.

use std::sync::Arc;

use passlink_engine::apps::Opening;
use passlink_engine::caller::{Authority, Caller, Scopes};
use passlink_engine::email_address::EmailAddress;
use passlink_engine::groups::manage::{ChangeGroup, NewGroup};
use passlink_engine::groups::{Cursor, Group, GroupFilter, GroupRef, GroupStatus};
use passlink_engine::ids::GroupId;
use passlink_engine::links::of_group::{GroupRedeemed, GroupRedemption, IssueGroupLink};
use passlink_engine::links::redeem::Right;
use passlink_engine::notices::NoticeKind;
use passlink_engine::time::Lifetime;

use crate::support::ask::browser;
use crate::support::{World, at_once, both, word};

both!(
    of_sixteen_browsers_one_gets_the_session,
    one_browser_gets_the_same_again_for_a_minute,
    of_sixteen_exchanges_of_a_code_one_wins,
    using_against_switching_off,
    what_a_confined_client_may_do,
    sec_03_no_secret_of_a_group_is_at_rest,
    group_sessions_are_swept_like_all,
    notices_are_tried_five_times_and_wait_twice_as_long,
    of_two_servers_one_sends_a_notice,
    nobody_is_told_who_does_not_want_it,
);

impl World {
    async fn shop(&self) -> Group {
        let new = NewGroup { name: "Shop".to_owned(), external_id: Some("shop".to_owned()), ..NewGroup::default() };
        let group = self.engine.create_group(&self.operator(), new).await.unwrap();
        self.clock.tick();
        group
    }

    /// The token of a link.
    async fn group_link(&self, group: &Group) -> String {
        let command = IssueGroupLink {
            lifetime: Lifetime::from_minutes(5),
            session_lifetime: Lifetime::from_secs(600),
            label: Some("ada@example.com".parse::<EmailAddress>().unwrap()),
            path: None,
            door: "/magic-link",
        };
        let issued = self.engine.issue_group_link(&self.operator(), group, command).await.unwrap();
        self.clock.tick();
        issued.url.expose().split_once("token=").unwrap().1.to_owned()
    }

    async fn use_link(&self, token: &str, page: &str) -> Option<GroupRedeemed> {
        match self.engine.redeem_group_link(&self.context(), token, &browser(page), Right::Pressed).await.unwrap() {
            GroupRedemption::Done(redeemed) => Some(*redeemed),
            GroupRedemption::Dead(_) => None,
        }
    }
}

async fn of_sixteen_browsers_one_gets_the_session(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let group = world.shop().await;
    for round in 0..10 {
        let token = world.group_link(&group).await;
        let tries =
            (0..16).map(|i| {
                let (engine, context, token) = (Arc::clone(&engines[i % 2]), world.context(), token.clone());
                async move {
                    engine.redeem_group_link(&context, &token, &browser(&format!("page {i}")), Right::Pressed).await.unwrap()
                }
            });
        let done = at_once(tries).await.into_iter().filter(|one| matches!(one, GroupRedemption::Done(_))).count();
        assert_eq!(done, 1, "round {round}");
        assert_eq!(world.database.rows("sessions").await, round + 1);
        assert_eq!(world.database.rows("session_tokens").await, 2 * (round + 1), "a token and a code");
    }
}

async fn one_browser_gets_the_same_again_for_a_minute(world: Arc<World>) {
    let group = world.shop().await;
    let token = world.group_link(&group).await;
    let first = world.use_link(&token, "own").await.unwrap();
    let again = world.use_link(&token, "own").await.unwrap();
    assert_eq!((again.session.id, again.token.expose()), (first.session.id, first.token.expose()));
    assert!(world.use_link(&token, "another").await.is_none());
    world.clock.advance(Lifetime::from_secs(60));
    assert!(world.use_link(&token, "own").await.is_none());
    assert_eq!(world.database.rows("sessions").await, 1);
    let held = world.engine.authenticate_group_session(first.token.expose()).await.unwrap();
    assert_eq!((held.group.id, held.label.unwrap().as_str()), (group.id, "ada@example.com"));
    for kind in ["link.requested", "link.redeemed", "session.started"] {
        let sql = format!("SELECT count(*) FROM events WHERE kind = '{kind}' AND detail LIKE '%{}%'", group.id);
        assert_eq!(world.database.number(&sql).await, 1, "{kind}");
    }
}

async fn of_sixteen_exchanges_of_a_code_one_wins(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let group = world.shop().await;
    for round in 0..6 {
        let token = world.group_link(&group).await;
        let redeemed = world.use_link(&token, "own").await.unwrap();
        let tries = (0..16).map(|i| {
            let (engine, caller, code) = (Arc::clone(&engines[i % 2]), world.client(), redeemed.code.expose().to_owned());
            async move { engine.exchange_session_code(&caller, &code).await.map(|(session, _)| session.id) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = at_once(tries).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [redeemed.session.id], "round {round}");
        assert!(lost.into_iter().all(|error| word(&error.unwrap_err()) == "not_found code"));
        world.clock.tick();
    }
}

/// Whichever comes first: never a session that holds for a group that is not in use.
async fn using_against_switching_off(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let group = world.shop().await;
    let status = |status| ChangeGroup { status: Some(status), ..ChangeGroup::default() };
    for round in 0..8 {
        let token = world.group_link(&group).await;
        let redeem = {
            let (engine, context) = (Arc::clone(&engines[round % 2]), world.context());
            tokio::spawn(
                async move { engine.redeem_group_link(&context, &token, &browser("own"), Right::Pressed).await.unwrap() },
            )
        };
        world.engine.change_group(&world.client(), GroupRef::Id(group.id), status(GroupStatus::Inactive)).await.unwrap();
        if let GroupRedemption::Done(redeemed) = redeem.await.unwrap() {
            let held = world.engine.authenticate_group_session(redeemed.token.expose()).await;
            assert_eq!(word(&held.unwrap_err()), "unauthenticated ");
            let code = world.engine.exchange_session_code(&world.client(), redeemed.code.expose()).await;
            assert_eq!(word(&code.map(|_| ()).unwrap_err()), "not_found code");
        }
        world.engine.change_group(&world.client(), GroupRef::Id(group.id), status(GroupStatus::Active)).await.unwrap();
        world.clock.tick();
    }
}

async fn what_a_confined_client_may_do(world: Arc<World>) {
    let (engine, own) = (&world.engine, world.shop().await);
    let other = engine.create_group(&world.client(), NewGroup { name: "Other".to_owned(), ..NewGroup::default() }).await.unwrap();
    let confined = |scopes: &str| {
        let authority = Authority::Confined { client_id: "narrow".to_owned(), scopes: Scopes::parse(scopes), group: own.id };
        Caller { authority, ..world.anybody() }
    };
    let caller = confined("*");
    let id = |group: &Group| GroupRef::Id(group.id);
    engine.find_group(&caller, id(&own)).await.unwrap();
    engine.change_group(&caller, id(&own), ChangeGroup::default()).await.unwrap();
    engine.group_to_link(&caller, &[id(&own)]).await.unwrap();
    let listed = engine.list_groups(&caller, GroupFilter::default(), Cursor::Start, 9).await.unwrap();
    assert_eq!(listed.items.iter().map(|group| group.id).collect::<Vec<GroupId>>(), [own.id]);
    let filter = GroupFilter { ids: vec![other.id], names: Vec::new() };
    for result in [
        engine.find_group(&caller, id(&other)).await.map(|_| ()),
        engine.change_group(&caller, id(&other), ChangeGroup::default()).await.map(|_| ()),
        engine.delete_group(&caller, id(&other)).await.map(|_| ()),
        engine.group_to_link(&caller, &[id(&other)]).await.map(|_| ()),
        engine.list_groups(&caller, filter, Cursor::Start, 9).await.map(|_| ()),
        engine.list_members(&caller, id(&other), None, Cursor::Start, 9).await.map(|_| ()),
        engine.create_group(&caller, NewGroup { name: "x".to_owned(), ..NewGroup::default() }).await.map(|_| ()),
    ] {
        assert_eq!(word(&result.unwrap_err()), "forbidden group");
    }
    // Scopes count all the same, and what does not know of groups refuses such a caller.
    assert!(engine.find_group(&confined("group:update link:create"), id(&own)).await.is_err());
    assert!(
        engine
            .search_users(
                &caller,
                passlink_engine::users::search::Search {
                    conditions: Vec::new(),
                    any: false,
                    after: None,
                    limit: 1,
                    newest_first: false
                }
            )
            .await
            .is_err()
    );
    assert!(engine.list_clients(&caller).await.is_err());
}

async fn sec_03_no_secret_of_a_group_is_at_rest(world: Arc<World>) {
    world.changed(|settings| settings.opening = Opening::Immediate).await;
    let group = world.shop().await;
    let token = world.group_link(&group).await;
    let redeemed = world.use_link(&token, "own").await.unwrap();
    let (_, exchanged) = world.engine.exchange_session_code(&world.client(), redeemed.code.expose()).await.unwrap();
    let dump = crate::support::database::latin1(&world.database.dump().await);
    for secret in [token.as_str(), redeemed.token.expose(), redeemed.code.expose(), exchanged.expose()] {
        assert!(!dump.contains(secret) && !dump.contains(&secret[4..]), "a secret is at rest");
    }
}

async fn group_sessions_are_swept_like_all(world: Arc<World>) {
    let group = world.shop().await;
    let token = world.group_link(&group).await;
    world.use_link(&token, "own").await.unwrap();
    world.clock.advance(Lifetime::from_secs(600 + 7 * 86_400 + 1));
    while world.engine.sweep(100).await.unwrap() > 0 {}
    for table in ["sessions", "session_tokens", "links"] {
        assert_eq!(world.database.rows(table).await, 0, "{table}");
    }
}

async fn with_notices(world: &World) -> Group {
    world.changed(|settings| settings.notice_url = Some("https://api.example.com/hooks".to_owned())).await;
    let group = world.shop().await;
    let token = world.group_link(&group).await;
    world.use_link(&token, "own").await.unwrap();
    group
}

async fn notices_are_tried_five_times_and_wait_twice_as_long(world: Arc<World>) {
    with_notices(&world).await;
    let mut ids = Vec::new();
    for (attempt, wait) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 0)] {
        let [due] = world.engine.claim_notices(9).await.unwrap().try_into().unwrap();
        assert_eq!((due.attempt, due.notice.kind), (attempt, NoticeKind::LinkUsed));
        assert_eq!(due.notice.label.as_ref().unwrap().as_str(), "ada@example.com");
        ids.push(due.notice.id);
        world.engine.finish_notice(&due, Err("api.example.com answered 500".to_owned())).await.unwrap();
        world.clock.advance(Lifetime::from_millis((wait * 1000 - 1).max(0)));
        assert!(world.engine.claim_notices(9).await.unwrap().is_empty(), "before {wait} seconds");
        world.clock.advance(Lifetime::from_millis(1));
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "the same id at every try");
    world.clock.advance(Lifetime::from_secs(3600));
    assert!(world.engine.claim_notices(9).await.unwrap().is_empty());
    assert_eq!(world.database.number("SELECT count(*) FROM notices WHERE state = 3 AND attempts = 5").await, 1);
    world.clock.advance(Lifetime::from_secs(3 * 86_400));
    while world.engine.sweep(100).await.unwrap() > 0 {}
    assert_eq!(world.database.rows("notices").await, 0);
}

async fn of_two_servers_one_sends_a_notice(world: Arc<World>) {
    let group = with_notices(&world).await;
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for _ in 0..9 {
        let token = world.group_link(&group).await;
        let redeemed = world.use_link(&token, "own").await.unwrap();
        world.engine.end_group_session(&world.context(), redeemed.token.expose()).await.unwrap();
    }
    let tries = (0..16).map(|i| {
        let engine = Arc::clone(&engines[i % 2]);
        async move { engine.claim_notices(9).await.unwrap() }
    });
    let due: Vec<_> = at_once(tries).await.into_iter().flatten().collect();
    let ids: std::collections::HashSet<_> = due.iter().map(|due| due.notice.id).collect();
    assert_eq!((due.len(), ids.len()), (19, 19), "each once");
    // One is taken; the server that has the others dies, and they come again when their leases end.
    world.engine.finish_notice(&due[0], Ok(())).await.unwrap();
    world.clock.advance(Lifetime::from_secs(60));
    let again = engines[1].claim_notices(99).await.unwrap();
    assert_eq!(again.len(), 18);
    // Whoever comes back late has no more to say.
    world.engine.finish_notice(&due[1], Ok(())).await.unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM notices WHERE state = 2").await, 1);
}

async fn nobody_is_told_who_does_not_want_it(world: Arc<World>) {
    let group = world.shop().await;
    let token = world.group_link(&group).await;
    world.use_link(&token, "own").await.unwrap();
    assert_eq!(world.database.rows("notices").await, 0);
    with_second_thoughts(&world, &group).await;
}

/// What waits when the app stops wanting notices is dropped.
async fn with_second_thoughts(world: &World, group: &Group) {
    world.changed(|settings| settings.notice_url = Some("https://api.example.com/hooks".to_owned())).await;
    let token = world.group_link(group).await;
    world.use_link(&token, "own").await.unwrap();
    world.changed(|settings| settings.notice_url = None).await;
    assert!(world.engine.claim_notices(9).await.unwrap().is_empty());
    assert_eq!(world.database.number("SELECT count(*) FROM notices WHERE state = 3").await, 1);
}
