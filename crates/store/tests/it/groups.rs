//! Groups: making, finding, changing, joining, leaving.

use std::collections::BTreeSet;
use std::sync::Arc;

use passlink_engine::caller::{Authority, Caller, Scopes};
use passlink_engine::groups::manage::{ChangeAttributes, ChangeGroup, NewGroup};
use passlink_engine::groups::members::NewMember;
use passlink_engine::groups::{
    Admission, Cursor, Group, GroupFilter, GroupRef, GroupStatus, Member, MemberRef, MemberState, Page,
};
use passlink_engine::ids::{GroupId, UserId};
use passlink_engine::time::Timestamp;
use passlink_engine::users::UserRef;
use serde_json::{Map, Value, json};

use crate::support::{World, at_once, both, word};

both!(
    a_group_is_kept_as_it_was_made,
    only_what_is_given_changes,
    bounds_of_groups_and_members,
    of_sixteen_groups_one_gets_an_external_id,
    sixteen_changes_of_a_group_at_once_all_stay,
    the_first_member_is_an_owner,
    of_sixteen_joining_at_once_one_is_the_owner,
    one_user_joining_sixteen_times_is_one_member,
    what_users_may_do,
    what_scopes_allow,
    removing_a_user_or_a_group_leaves_no_membership,
    adding_against_removing_leaves_no_membership,
    pages_go_both_ways,
    filters_find_what_they_name,
    sec_37_groups_of_another_app_do_not_exist,
);

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn named(name: &str) -> NewGroup {
    NewGroup { name: name.to_owned(), ..NewGroup::default() }
}

fn open(name: &str) -> NewGroup {
    NewGroup { admission: Admission::Open, ..named(name) }
}

fn member(user: UserId, roles: &[&str]) -> NewMember {
    NewMember { user, roles: roles.iter().map(|role| (*role).to_owned()).collect(), state: MemberState::Active }
}

impl World {
    async fn group(&self, new: NewGroup) -> Group {
        let group = self.engine.create_group(&self.client(), new).await.unwrap();
        self.clock.tick();
        group
    }

    async fn user(&self, name: &str) -> UserId {
        self.person(&format!("{name}@example.com")).await.user.id
    }

    /// The user with a live session.
    fn session_of(&self, user: UserId) -> Caller {
        Caller { authority: Authority::User(user), ..self.anybody() }
    }

    async fn events(&self, kind: &str) -> i64 {
        self.database.number(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await
    }

    /// No membership without its user and its group.
    async fn memberships_are_whole(&self) {
        let sql = "SELECT count(*) FROM members m LEFT JOIN users u ON u.id = m.user_id LEFT JOIN groups g ON g.id = m.group_id
            WHERE u.id IS NULL OR g.id IS NULL";
        assert_eq!(self.database.number(sql).await, 0);
    }
}

fn id(group: &Group) -> GroupRef {
    GroupRef::Id(group.id)
}

async fn a_group_is_kept_as_it_was_made(world: Arc<World>) {
    let new = NewGroup {
        name: "Ädder & Söhne".to_owned(),
        admission: Admission::Open,
        status: GroupStatus::Inactive,
        external_id: Some("their id 7".to_owned()),
        attributes: Some(map(json!({"plan": "pro", "deep": {"a": [1, null, "\u{0}"]}}))),
    };
    let made = world.group(new).await;
    for which in [id(&made), GroupRef::External("their id 7".to_owned())] {
        let found = world.engine.find_group(&world.client(), which).await.unwrap();
        assert_eq!(found, made);
    }
    assert_eq!((made.created_by.as_str(), made.updated_by.as_str()), ("client:backend", "client:backend"));
    assert!(made.created_at < world.engine.now() && made.updated_at == made.created_at);
    let plain = world.group(named("Plain")).await;
    assert_eq!((plain.admission, plain.status, plain.external_id), (Admission::InviteOnly, GroupStatus::Active, None));
    assert_eq!(world.events("group.created").await, 2);
    let gone = world.engine.delete_group(&world.client(), id(&made)).await.unwrap();
    assert_eq!(gone, made);
    assert_eq!(word(&world.engine.find_group(&world.client(), id(&made)).await.unwrap_err()), "not_found group");
    assert_eq!(word(&world.engine.delete_group(&world.client(), id(&made)).await.unwrap_err()), "not_found group");
    assert_eq!(world.events("group.deleted").await, 1);
    // Its external id is free again.
    world.group(NewGroup { external_id: Some("their id 7".to_owned()), ..named("Next") }).await;
}

async fn only_what_is_given_changes(world: Arc<World>) {
    let new =
        NewGroup { external_id: Some("x".to_owned()), attributes: Some(map(json!({"a": 1, "b": {"c": 2}}))), ..named("One") };
    let made = world.group(new).await;
    let change = async |change| world.engine.change_group(&world.operator(), id(&made), change).await;
    let attributes = |change| ChangeGroup { attributes: Some(change), ..ChangeGroup::default() };
    let renamed = change(ChangeGroup { name: Some("Two".to_owned()), ..ChangeGroup::default() }).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.external_id.as_deref(), renamed.version), ("Two", Some("x"), 1));
    assert_eq!((renamed.created_by.as_str(), renamed.updated_by.as_str()), ("client:backend", "operator"));
    assert!(renamed.updated_at > made.updated_at);
    let merged = change(attributes(ChangeAttributes::Merge(map(json!({"a": null, "d": true}))))).await.unwrap();
    assert_eq!(merged.attributes, Some(map(json!({"b": {"c": 2}, "d": true}))));
    let replaced = change(attributes(ChangeAttributes::Replace(Some(map(json!({"e": 1})))))).await.unwrap();
    assert_eq!(replaced.attributes, Some(map(json!({"e": 1}))));
    assert_eq!(change(attributes(ChangeAttributes::Replace(None))).await.unwrap().attributes, None);
    let all = ChangeGroup {
        admission: Some(Admission::Open),
        status: Some(GroupStatus::Inactive),
        external_id: Some(None),
        ..ChangeGroup::default()
    };
    let last = change(all).await.unwrap();
    assert_eq!((last.admission, last.status, last.external_id.clone()), (Admission::Open, GroupStatus::Inactive, None));
    assert_eq!(world.engine.find_group(&world.client(), id(&made)).await.unwrap(), last);
    assert_eq!(world.events("group.changed").await, 5);
}

async fn bounds_of_groups_and_members(world: Arc<World>) {
    let made = world.group(NewGroup { external_id: Some("taken".to_owned()), ..named(&"ä".repeat(255)) }).await;
    let other = world.group(named("Other")).await;
    let external = |id: &str| NewGroup { external_id: Some(id.to_owned()), ..named("x") };
    let attributes = NewGroup { attributes: Some(map(json!({"x": "y".repeat(16 * 1024)}))), ..named("x") };
    let ada = world.user("ada").await;
    let before = world.database.dump_rows().await;
    for (new, expected) in [
        (named(""), "name Malformed"),
        (named("a\nb"), "name Malformed"),
        (named(&"x".repeat(256)), "name TooLarge"),
        (external(""), "external_id Malformed"),
        (external("\u{0}"), "external_id Malformed"),
        (external(&"x".repeat(256)), "external_id TooLarge"),
        (external("taken"), "external_id Taken"),
        (attributes, "attributes TooLarge"),
    ] {
        assert_eq!(word(&world.engine.create_group(&world.client(), new.clone()).await.unwrap_err()), expected, "{new:?}");
    }
    let taken = ChangeGroup { external_id: Some(Some("taken".to_owned())), ..ChangeGroup::default() };
    let error = world.engine.change_group(&world.client(), id(&other), taken.clone()).await.unwrap_err();
    assert_eq!(word(&error), "external_id Taken");
    let client = world.client();
    let many: Vec<String> = (0..21).map(|i| format!("role{i}")).collect();
    for (roles, expected) in
        [(many.clone(), "roles TooMany"), (vec![String::new()], "roles Malformed"), (vec!["x".repeat(65)], "roles Malformed")]
    {
        let new = NewMember { user: ada, roles, state: MemberState::Active };
        assert_eq!(word(&world.engine.add_member(&client, id(&made), new).await.unwrap_err()), expected);
    }
    let unknown = member(UserId::new(Timestamp::from_millis(1), [7; 10]), &[]);
    assert_eq!(word(&world.engine.add_member(&client, id(&made), unknown).await.unwrap_err()), "not_found user");
    let nowhere = GroupRef::External("nowhere".to_owned());
    assert_eq!(word(&world.engine.add_member(&client, nowhere, member(ada, &[])).await.unwrap_err()), "not_found group");
    assert_eq!(world.database.dump_rows().await, before, "a refusal left something behind");
    // Its own external id is no obstacle to a group, and the twentieth role fits.
    world.engine.change_group(&client, id(&made), taken).await.unwrap();
    let new = NewMember { user: ada, roles: many[..20].to_vec(), state: MemberState::Pending };
    let ada = world.engine.add_member(&client, id(&made), new).await.unwrap();
    assert_eq!(ada.state, MemberState::Pending);
}

async fn of_sixteen_groups_one_gets_an_external_id(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..6 {
        let existing = world.group(named("existing")).await;
        let tries = (0..16).map(|i| {
            let (engine, client, group) = (Arc::clone(&engines[i % 2]), world.client(), id(&existing));
            let external_id = format!("wanted {round}");
            async move {
                match i {
                    0 => {
                        let change = ChangeGroup { external_id: Some(Some(external_id)), ..ChangeGroup::default() };
                        engine.change_group(&client, group, change).await
                    }
                    _ => engine.create_group(&client, NewGroup { external_id: Some(external_id), ..named("new") }).await,
                }
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) = at_once(tries).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.into_iter().all(|error| word(&error.unwrap_err()) == "external_id Taken"), "round {round}");
        world.clock.tick();
    }
}

async fn sixteen_changes_of_a_group_at_once_all_stay(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let made = world.group(named("busy")).await;
    let tries =
        (0..16).map(|i| {
            let (engine, client, group) = (Arc::clone(&engines[i % 2]), world.client(), id(&made));
            let change = ChangeAttributes::Merge(map(json!({ format!("k{i}"): i })));
            async move {
                engine.change_group(&client, group, ChangeGroup { attributes: Some(change), ..ChangeGroup::default() }).await
            }
        });
    assert!(at_once(tries).await.iter().all(Result::is_ok));
    let found = world.engine.find_group(&world.client(), id(&made)).await.unwrap();
    assert_eq!((found.attributes.unwrap().len(), found.version), (16, 16));
}

fn roles(member: &Member) -> Vec<&str> {
    member.roles.iter().map(String::as_str).collect()
}

async fn the_first_member_is_an_owner(world: Arc<World>) {
    let (engine, client) = (&world.engine, world.client());
    let group = world.group(named("team")).await;
    let (ada, bob, cy) = (world.user("ada").await, world.user("bob").await, world.user("cy").await);
    let first = engine.add_member(&client, id(&group), member(ada, &["editor"])).await.unwrap();
    world.clock.tick();
    assert_eq!(roles(&first), ["owner", "editor"]);
    assert_eq!(first.added_by.as_deref(), Some("client:backend"));
    let second = engine.add_member(&client, id(&group), member(bob, &[])).await.unwrap();
    world.clock.tick();
    assert_eq!(roles(&second), [""; 0]);
    let again = engine.add_member(&client, id(&group), member(bob, &["x"])).await.unwrap_err();
    assert_eq!(word(&again), "conflict member");
    for which in [MemberRef::Id(second.id), MemberRef::User(bob)] {
        assert_eq!(engine.find_member(&client, id(&group), which).await.unwrap(), second);
    }
    let changed =
        engine.change_member(&client, id(&group), MemberRef::User(bob), Some(vec!["owner".to_owned()]), None).await.unwrap();
    assert_eq!((roles(&changed), changed.state, changed.is_owner()), (vec!["owner"], MemberState::Active, true));
    let rejected =
        engine.change_member(&client, id(&group), MemberRef::User(bob), None, Some(MemberState::Rejected)).await.unwrap();
    assert_eq!((roles(&rejected), rejected.state, rejected.is_owner()), (vec!["owner"], MemberState::Rejected, false));
    for user in [ada, bob] {
        engine.remove_member(&client, id(&group), MemberRef::User(user)).await.unwrap();
        let error = engine.remove_member(&client, id(&group), MemberRef::User(user)).await.unwrap_err();
        assert_eq!(word(&error), "not_found member");
    }
    // Whoever comes to a group that everybody left is the first again.
    assert!(engine.add_member(&client, id(&group), member(cy, &["owner"])).await.unwrap().is_owner());
    let found = engine.find_member(&client, id(&group), MemberRef::User(cy)).await.unwrap();
    assert_eq!(roles(&found), ["owner"]);
    for (kind, count) in [("group.joined", 3), ("group.member_changed", 2), ("group.left", 2)] {
        assert_eq!(world.events(kind).await, count, "{kind}");
    }
    let told = format!("%{}%", group.id);
    let sql = format!("SELECT count(*) FROM events WHERE kind LIKE 'group.%' AND detail LIKE '{told}'");
    assert_eq!(world.database.number(&sql).await, 8);
}

async fn of_sixteen_joining_at_once_one_is_the_owner(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let mut users = Vec::new();
    for i in 0..16 {
        users.push(world.user(&format!("user{i}")).await);
    }
    for round in 0..8 {
        let group = world.group(open(&format!("round {round}"))).await;
        let tries = users.iter().enumerate().map(|(i, user)| {
            let (engine, user, group) = (Arc::clone(&engines[i % 2]), *user, id(&group));
            let caller = if i % 3 == 0 { world.client() } else { world.session_of(user) };
            async move { engine.add_member(&caller, group, member(user, &["member"])).await }
        });
        let joined: Vec<Member> =
            at_once(tries).await.into_iter().map(|one| one.unwrap_or_else(|e| panic!("{}", e.log_line()))).collect();
        let owners = joined.iter().filter(|one| one.is_owner()).count();
        let page = engines[1].list_members(&world.client(), id(&group), None, Cursor::Start, 100).await.unwrap();
        let kept = page.items.iter().filter(|one| one.is_owner()).count();
        assert_eq!((owners, kept, page.total), (1, 1, 16), "round {round}");
        assert!(page.items.iter().all(|one| one.roles.contains(&"member".to_owned())));
    }
}

async fn one_user_joining_sixteen_times_is_one_member(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = world.user("ada").await;
    for round in 0..8 {
        let group = world.group(open("round")).await;
        let tries = (0..16).map(|i| {
            let (engine, caller, group) = (Arc::clone(&engines[i % 2]), world.session_of(ada), id(&group));
            async move { engine.add_member(&caller, group, member(ada, &[])).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = at_once(tries).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), world.database.rows("members").await), (1, round + 1));
        assert!(lost.into_iter().all(|error| word(&error.unwrap_err()) == "conflict member"));
    }
    assert_eq!(world.events("group.joined").await, 8);
}

async fn what_users_may_do(world: Arc<World>) {
    let engine = &world.engine;
    let (ada, bob, eve) = (world.user("ada").await, world.user("bob").await, world.user("eve").await);
    let [as_ada, as_bob, as_eve] = [ada, bob, eve].map(|user| world.session_of(user));
    let group = engine.create_group(&as_ada, named("Ada's")).await.unwrap();
    world.clock.tick();
    assert_eq!(group.created_by, format!("user:{ada}"));
    let founder = engine.find_member(&as_ada, id(&group), MemberRef::User(ada)).await.unwrap();
    assert_eq!((roles(&founder), founder.added_by.as_deref()), (vec!["owner"], Some(group.created_by.as_str())));
    assert_eq!(engine.find_group(&as_ada, id(&group)).await.unwrap(), group);

    // Nobody comes into it unasked.
    let before = world.database.dump_rows().await;
    let rename = || ChangeGroup { name: Some("Eve's".to_owned()), ..ChangeGroup::default() };
    let refused = [
        engine.find_group(&as_eve, id(&group)).await.map(|_| ()),
        engine.change_group(&as_eve, id(&group), rename()).await.map(|_| ()),
        engine.delete_group(&as_eve, id(&group)).await.map(|_| ()),
        engine.add_member(&as_eve, id(&group), member(eve, &[])).await.map(|_| ()),
        engine.add_member(&as_eve, id(&group), member(bob, &[])).await.map(|_| ()),
        engine.add_member(&as_ada, id(&group), member(ada, &["owner"])).await.map(|_| ()),
        // Not even an owner adds others: they are asked.
        engine.add_member(&as_ada, id(&group), member(bob, &["editor"])).await.map(|_| ()),
        engine.find_member(&as_eve, id(&group), MemberRef::User(ada)).await.map(|_| ()),
        engine.find_member(&as_eve, id(&group), MemberRef::User(eve)).await.map(|_| ()),
        engine.list_members(&as_eve, id(&group), None, Cursor::Start, 10).await.map(|_| ()),
        engine.change_member(&as_eve, id(&group), MemberRef::User(ada), Some(vec![]), None).await.map(|_| ()),
        engine.remove_member(&as_eve, id(&group), MemberRef::User(ada)).await.map(|_| ()),
        engine.remove_member(&as_eve, id(&group), MemberRef::User(eve)).await.map(|_| ()),
    ];
    for (i, result) in refused.into_iter().enumerate() {
        assert_eq!(word(&result.unwrap_err()), "forbidden group", "{i}");
    }
    let filter = GroupFilter::default();
    assert_eq!(word(&engine.list_groups(&as_ada, filter, Cursor::Start, 10).await.unwrap_err()), "forbidden group");
    assert_eq!(word(&engine.groups_of_user(&as_eve, ada).await.unwrap_err()), "forbidden ");
    assert_eq!(world.database.dump_rows().await, before, "a refusal changed something");

    // Nobody accepts for somebody else.
    let asked = NewMember { state: MemberState::Pending, ..member(bob, &["editor"]) };
    engine.add_member(&world.client(), id(&group), asked).await.unwrap();
    let forced = engine.change_member(&as_ada, id(&group), MemberRef::User(bob), None, Some(MemberState::Active)).await;
    assert_eq!(word(&forced.unwrap_err()), "forbidden group");
    // Bob is in, sees the group and himself, and nothing else.
    engine.change_member(&world.client(), id(&group), MemberRef::User(bob), None, Some(MemberState::Active)).await.unwrap();
    engine.find_group(&as_bob, id(&group)).await.unwrap();
    assert_eq!(roles(&engine.find_member(&as_bob, id(&group), MemberRef::User(bob)).await.unwrap()), ["editor"]);
    for result in [
        engine.change_group(&as_bob, id(&group), rename()).await.map(|_| ()),
        engine.add_member(&as_bob, id(&group), member(eve, &[])).await.map(|_| ()),
        engine.list_members(&as_bob, id(&group), None, Cursor::Start, 10).await.map(|_| ()),
        engine.change_member(&as_bob, id(&group), MemberRef::User(bob), Some(vec!["owner".to_owned()]), None).await.map(|_| ()),
        engine.remove_member(&as_bob, id(&group), MemberRef::User(ada)).await.map(|_| ()),
    ] {
        assert_eq!(word(&result.unwrap_err()), "forbidden group");
    }
    assert_eq!(engine.list_members(&as_ada, id(&group), None, Cursor::Start, 10).await.unwrap().total, 2);
    let theirs = engine.groups_of_user(&as_bob, bob).await.unwrap();
    assert_eq!(theirs.iter().map(|(group, own)| (group.id, own.user)).collect::<Vec<_>>(), [(group.id, bob)]);
    engine.remove_member(&as_bob, id(&group), MemberRef::User(bob)).await.unwrap();
    assert!(engine.groups_of_user(&as_bob, bob).await.unwrap().is_empty());

    // Opened, it lets anybody in, as a plain member; closed or out of use, nobody.
    let opened = ChangeGroup { admission: Some(Admission::Open), ..ChangeGroup::default() };
    engine.change_group(&as_ada, id(&group), opened).await.unwrap();
    for asked in [member(bob, &[]), member(eve, &["owner"]), NewMember { state: MemberState::Pending, ..member(eve, &[]) }] {
        assert_eq!(word(&engine.add_member(&as_eve, id(&group), asked).await.unwrap_err()), "forbidden group");
    }
    let joined = engine.add_member(&as_eve, id(&group), member(eve, &[])).await.unwrap();
    assert_eq!((roles(&joined), joined.state), (vec!["member"], MemberState::Active));
    let unused = ChangeGroup { status: Some(GroupStatus::Inactive), ..ChangeGroup::default() };
    engine.change_group(&as_ada, id(&group), unused).await.unwrap();
    assert_eq!(word(&engine.add_member(&as_bob, id(&group), member(bob, &[])).await.unwrap_err()), "forbidden group");
    // Whoever is owner no more has no more to say.
    engine.change_member(&as_ada, id(&group), MemberRef::User(ada), Some(vec!["was".to_owned()]), None).await.unwrap();
    assert_eq!(word(&engine.delete_group(&as_ada, id(&group)).await.unwrap_err()), "forbidden group");
}

async fn what_scopes_allow(world: Arc<World>) {
    let engine = &world.engine;
    let group = world.group(named("scoped")).await;
    let ada = world.user("ada").await;
    let with = |scopes: &str| Caller {
        authority: Authority::Client { client_id: "narrow".to_owned(), scopes: Scopes::parse(scopes) },
        ..world.anybody()
    };
    let all = ["group:create", "group:read", "group:update", "group:delete"];
    for (i, own) in all.iter().enumerate() {
        let others: Vec<&str> = all.iter().copied().filter(|scope| scope != own).collect();
        for (caller, allowed) in [(with(own), true), (with(&others.join(" ")), false), (world.anybody(), false)] {
            let results = match i {
                0 => vec![engine.create_group(&caller, named("new")).await.map(|_| ())],
                1 => vec![
                    engine.find_group(&caller, id(&group)).await.map(|_| ()),
                    engine.list_groups(&caller, GroupFilter::default(), Cursor::Start, 5).await.map(|_| ()),
                    engine.list_members(&caller, id(&group), None, Cursor::Start, 5).await.map(|_| ()),
                    engine.groups_of_user(&caller, ada).await.map(|_| ()),
                ],
                2 => vec![
                    engine.change_group(&caller, id(&group), ChangeGroup::default()).await.map(|_| ()),
                    engine.add_member(&caller, id(&group), member(ada, &[])).await.map(|_| ()),
                    engine.change_member(&caller, id(&group), MemberRef::User(ada), None, None).await.map(|_| ()),
                    engine.remove_member(&caller, id(&group), MemberRef::User(ada)).await.map(|_| ()),
                ],
                _ => vec![engine.delete_group(&caller, id(&group)).await.map(|_| ())],
            };
            assert!(results.iter().all(|result| result.is_ok() == allowed), "{own} {allowed}: {results:?}");
        }
    }
}

async fn removing_a_user_or_a_group_leaves_no_membership(world: Arc<World>) {
    let (engine, client) = (&world.engine, world.client());
    let (one, two) = (world.group(named("one")).await, world.group(named("two")).await);
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    for group in [&one, &two] {
        for user in [ada, bob] {
            engine.add_member(&client, id(group), member(user, &[])).await.unwrap();
            world.clock.tick();
        }
    }
    assert_eq!(engine.groups_of_user(&client, ada).await.unwrap().len(), 2);
    engine.delete_group(&client, id(&one)).await.unwrap();
    assert_eq!(engine.groups_of_user(&client, ada).await.unwrap().len(), 1);
    engine.delete_user(&client, UserRef::Id(ada)).await.unwrap();
    assert!(engine.groups_of_user(&client, ada).await.unwrap().is_empty());
    assert_eq!(world.database.rows("members").await, 1);
    world.memberships_are_whole().await;
}

async fn adding_against_removing_leaves_no_membership(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        let (one, two) = (world.group(open("one")).await, world.group(open("two")).await);
        let mut users = Vec::new();
        for i in 0..6 {
            users.push(world.user(&format!("user{round}-{i}")).await);
        }
        let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        let done = |what: &'static str, result: passlink_engine::Result<()>| {
            let word = result.err().map(|error| word(&error)).unwrap_or_default();
            assert!(["", "not_found user", "not_found group"].contains(&word.as_str()), "{what}: {word}");
        };
        for (i, user) in users.iter().copied().enumerate() {
            for group in [&one, &two] {
                let (engine, client, group) = (Arc::clone(&engines[i % 2]), world.client(), id(group));
                tries.push(Box::pin(async move {
                    done("add", engine.add_member(&client, group, member(user, &[])).await.map(|_| ()));
                }));
            }
            if i % 2 == 0 {
                let (engine, client) = (Arc::clone(&engines[(i / 2) % 2]), world.client());
                tries.push(Box::pin(async move {
                    done("delete user", engine.delete_user(&client, UserRef::Id(user)).await.map(|_| ()));
                }));
            }
        }
        let (engine, client, group) = (Arc::clone(&engines[round % 2]), world.client(), id(&one));
        tries.insert(
            round,
            Box::pin(async move {
                done("delete group", engine.delete_group(&client, group).await.map(|_| ()));
            }),
        );
        at_once(tries).await;
        world.memberships_are_whole().await;
        let left = world.engine.list_members(&world.client(), id(&two), None, Cursor::Start, 10).await.unwrap();
        assert_eq!(left.total, 3, "round {round}: who stayed is in");
        world.engine.delete_group(&world.client(), id(&two)).await.unwrap();
    }
}

async fn pages_go_both_ways(world: Arc<World>) {
    let (engine, client) = (&world.engine, world.client());
    let mut made = Vec::new();
    for i in 0..10 {
        made.push(world.group(named(&format!("group {i}"))).await.id);
    }
    engine.create_group(&world.client_of(&world.other), named("another's")).await.unwrap();
    let list = async |cursor, limit| engine.list_groups(&client, GroupFilter::default(), cursor, limit).await.unwrap();
    let ids = |page: &Page<Group>| page.items.iter().map(|group| group.id).collect::<Vec<GroupId>>();
    for limit in [1, 3, 5, 9, 10, 11] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), Cursor::Start, Vec::new());
        loop {
            let page = list(cursor, limit).await;
            assert_eq!((page.total, page.has_previous), (10, !seen.is_empty()), "limit {limit}");
            seen.extend(ids(&page));
            pages.push(ids(&page));
            assert_eq!(page.has_next, seen.len() < 10, "limit {limit}");
            if !page.has_next {
                break;
            }
            cursor = Cursor::After(*seen.last().unwrap());
        }
        assert_eq!(seen, made, "limit {limit}");
        while let Some(last) = pages.pop() {
            let page = list(Cursor::Before(last[0]), limit).await;
            let expected = pages.last().cloned().unwrap_or_default();
            assert_eq!((ids(&page), page.has_next), (expected, true), "limit {limit}");
            assert_eq!(page.has_previous, pages.len() > 1, "limit {limit}");
        }
    }
    // What a token names may be gone meanwhile.
    engine.delete_group(&client, GroupRef::Id(made[9])).await.unwrap();
    engine.delete_group(&client, GroupRef::Id(made[0])).await.unwrap();
    let (beyond, below) = (list(Cursor::After(made[9]), 3).await, list(Cursor::Before(made[0]), 3).await);
    assert_eq!((beyond.items.len(), beyond.has_previous, beyond.has_next), (0, true, false));
    assert_eq!((below.items.len(), below.has_previous, below.has_next), (0, false, true));
    let nothing =
        engine.list_groups(&world.client_of(&world.other), GroupFilter::default(), Cursor::After(made[9]), 0).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.total, nothing.has_next), (1, 1, false), "a page holds one at least");
}

async fn filters_find_what_they_name(world: Arc<World>) {
    let (engine, client) = (&world.engine, world.client());
    let (a, b, twin) = (world.group(named("a")).await, world.group(named("b")).await, world.group(named("a")).await);
    let find = async |ids: &[GroupId], names: &[&str], cursor, limit| {
        let filter = GroupFilter { ids: ids.to_vec(), names: names.iter().map(|name| (*name).to_owned()).collect() };
        let page = engine.list_groups(&client, filter, cursor, limit).await.unwrap();
        (page.items.iter().map(|group| group.id).collect::<Vec<_>>(), page.total, page.has_previous, page.has_next)
    };
    assert_eq!(find(&[b.id], &[], Cursor::Start, 9).await, (vec![b.id], 1, false, false));
    assert_eq!(find(&[], &["a"], Cursor::Start, 9).await, (vec![a.id, twin.id], 2, false, false));
    assert_eq!(find(&[], &["A"], Cursor::Start, 9).await, (vec![], 0, false, false));
    assert_eq!(find(&[twin.id, b.id], &["a", "c"], Cursor::Start, 2).await, (vec![a.id, b.id], 3, false, true));
    assert_eq!(find(&[twin.id, b.id], &["a"], Cursor::After(b.id), 2).await, (vec![twin.id], 3, true, false));
    assert_eq!(find(&[twin.id, b.id], &["a"], Cursor::Before(twin.id), 1).await, (vec![b.id], 3, true, true));
    let users: BTreeSet<UserId> = [world.user("ada").await, world.user("bob").await, world.user("cy").await].into();
    for user in &users {
        engine.add_member(&client, id(&a), member(*user, &[])).await.unwrap();
        world.clock.tick();
    }
    let some: Vec<UserId> = users.iter().copied().skip(1).collect();
    let page = engine.list_members(&client, id(&a), Some(some.clone()), Cursor::Start, 10).await.unwrap();
    assert_eq!((page.items.iter().map(|one| one.user).collect::<Vec<_>>(), page.total), (some, 2));
    let none = engine.list_members(&client, id(&b), Some(users.iter().copied().collect()), Cursor::Start, 10).await.unwrap();
    assert_eq!((none.items.len(), none.total), (0, 0));
    let first = engine.list_members(&client, id(&a), None, Cursor::Start, 2).await.unwrap();
    assert_eq!((first.items.len(), first.total, first.has_previous, first.has_next), (2, 3, false, true));
    let rest = engine.list_members(&client, id(&a), None, Cursor::After(first.items[1].id), 2).await.unwrap();
    assert_eq!((rest.items.len(), rest.has_previous, rest.has_next), (1, true, false));
    let back = engine.list_members(&client, id(&a), None, Cursor::Before(rest.items[0].id), 2).await.unwrap();
    assert_eq!(back, first);
}

async fn sec_37_groups_of_another_app_do_not_exist(world: Arc<World>) {
    let (engine, stranger) = (&world.engine, world.client_of(&world.other));
    let group = world.group(NewGroup { external_id: Some("theirs".to_owned()), ..open("theirs") }).await;
    let ada = world.user("ada").await;
    let own = engine.add_member(&world.client(), id(&group), member(ada, &[])).await.unwrap();
    let before = world.database.dump_rows().await;
    for which in [id(&group), GroupRef::External("theirs".to_owned())] {
        let user = Caller { authority: Authority::User(ada), ..stranger.clone() };
        for caller in [&stranger, &user] {
            for result in [
                engine.find_group(caller, which.clone()).await.map(|_| ()),
                engine.change_group(caller, which.clone(), ChangeGroup::default()).await.map(|_| ()),
                engine.delete_group(caller, which.clone()).await.map(|_| ()),
                engine.add_member(caller, which.clone(), member(ada, &[])).await.map(|_| ()),
                engine.find_member(caller, which.clone(), MemberRef::Id(own.id)).await.map(|_| ()),
                engine.list_members(caller, which.clone(), None, Cursor::Start, 9).await.map(|_| ()),
                engine.change_member(caller, which.clone(), MemberRef::Id(own.id), None, None).await.map(|_| ()),
                engine.remove_member(caller, which.clone(), MemberRef::User(ada)).await.map(|_| ()),
            ] {
                assert_eq!(word(&result.unwrap_err()), "not_found group");
            }
        }
    }
    let filter = GroupFilter { ids: vec![group.id], names: vec!["theirs".to_owned()] };
    for filter in [filter, GroupFilter::default()] {
        assert_eq!(engine.list_groups(&stranger, filter, Cursor::Start, 9).await.unwrap().total, 0);
    }
    assert!(engine.groups_of_user(&stranger, ada).await.unwrap().is_empty());
    assert_eq!(world.database.dump_rows().await, before, "a stranger changed something");
    // A user of one app is nobody in a group of another.
    let foreign = engine.create_group(&stranger, open("foreign")).await.unwrap();
    let error = engine.add_member(&stranger, id(&foreign), member(ada, &[])).await.unwrap_err();
    assert_eq!(word(&error), "not_found user");
    // Nor is a member of one group found in another.
    let second = world.group(named("second")).await;
    let error = engine.find_member(&world.client(), id(&second), MemberRef::Id(own.id)).await.unwrap_err();
    assert_eq!(word(&error), "not_found member");
}
