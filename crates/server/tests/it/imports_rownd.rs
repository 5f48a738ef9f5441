//! `passlink import rownd`, as an operator runs it, with the real binary on both databases.

use serde_json::{Value, json};

use crate::fleet::both;
use crate::fleet::database::Database;
use crate::imports::{PEOPLE, Place, counts, place};

const GROUPS: u64 = 50;

both!(ten_thousand_people_come_over, a_killed_import_goes_on, arrays_are_read_and_what_does_not_fit_is_skipped);

fn old_id(number: u64) -> String {
    format!("user_{:024x}", u128::from(number) + (10 << 92))
}

/// A profile as the vendor lists it: every other address is verified, every tenth person disabled, every fifth in a group, of which few have an owner.
fn person(number: u64) -> Value {
    let email = format!("user{number}@example.com");
    let verified = if number.is_multiple_of(2) { json!({"email": email}) } else { json!({}) };
    let group = number / 5 % GROUPS;
    let membership = json!({
        "group": {"id": format!("group_{group}"), "name": format!("Team {group}"), "admission_policy": "open", "meta": null, "member_count": 0},
        "member": {"id": "member_x", "roles": if number < 5 * GROUPS { ["owner"] } else { ["editor"] }, "state": "active"}
    });
    json!({
        "rownd_user": old_id(number), "state": if number.is_multiple_of(10) { "disabled" } else { "enabled" }, "auth_level": "verified",
        "data": {
            "user_id": old_id(number), "email": email, "first_name": "Ada", "google_id": format!("g{number}"), "shoe_size": 38
        },
        "verified_data": verified,
        "attributes": {"plan": ["pro"]},
        "meta": {"created": "2021-08-28T00:41:58.935Z", "last_sign_in": "2023-08-28T00:41:58.935Z", "last_sign_in_method": "email"},
        "groups": if number.is_multiple_of(5) { json!([membership]) } else { json!([]) },
        "redacted": [], "connection_map": {}
    })
}

fn lines(people: std::ops::Range<u64>) -> String {
    people.map(|number| format!("{}\n", person(number))).collect()
}

impl Place {
    /// Everybody has what they should, and nothing is anybody's half.
    async fn rownd_is_whole(&self) {
        let users = self.users().await;
        for sql in [
            "SELECT count(*) FROM identifiers i LEFT JOIN users u ON u.id = i.user_id WHERE u.id IS NULL",
            "SELECT count(*) FROM members m LEFT JOIN users u ON u.id = m.user_id WHERE u.id IS NULL",
            "SELECT count(*) FROM users u LEFT JOIN identifiers i ON i.user_id = u.id WHERE i.id IS NULL AND u.profile NOT LIKE '%\"email\":\"user%'",
            "SELECT count(*) FROM users WHERE external_id IS NULL",
            // Every fifth person has a membership from the moment they are here.
            "SELECT count(*) FROM members m LEFT JOIN groups g ON g.id = m.group_id WHERE g.id IS NULL",
        ] {
            assert_eq!(self.database.number(sql).await, 0, "{users} users: {sql}");
        }
    }
}

async fn ten_thousand_people_come_over(database: Database) {
    let place = place(database, "rownd");
    let bad = json!({"data": {"user_id": "a/b"}}).to_string();
    let page = format!(
        "{{\"total_results\": {}, \"results\": [\n{}\n{bad}]}}",
        PEOPLE + 1,
        (0..PEOPLE).map(|number| format!("{},", person(number))).collect::<Vec<_>>().join("\n")
    );
    let file = place.file("users.json", &page);

    // A rehearsal changes nothing.
    let (code, told, report) = place.run(&file, &["--dry-run"]);
    assert_eq!((code, counts(&report)), (3, [PEOPLE + 1, PEOPLE, 0, 1]), "{told}");
    assert_eq!((place.users().await, place.database.number("SELECT count(*) FROM groups").await), (0, 0));
    assert_eq!((&report["groups"], &report["memberships"]), (&json!(GROUPS), &json!(PEOPLE / 5)), "{told}");
    assert!(told.contains("groups would be made"), "{told}");

    let (code, told, report) = place.run(&file, &[]);
    assert_eq!((code, counts(&report)), (3, [PEOPLE + 1, PEOPLE, 0, 1]), "{told}");
    place.shared_commits().await;
    place.rownd_is_whole().await;
    assert_eq!(
        (&report["skipped_users"][0]["user_id"], &report["skipped_users"][0]["line"]),
        (&json!("a/b"), &json!(PEOPLE + 2))
    );
    assert_eq!((&report["groups"], &report["memberships"]), (&json!(GROUPS), &json!(PEOPLE / 5)), "{told}");
    let lacks = &report["not_carried"];
    assert_eq!((&lacks["unverified_addresses"], &lacks["unknown_fields"]), (&json!(PEOPLE / 2), &json!({"shoe_size": PEOPLE})));
    assert!(told.contains("had a value in \"shoe_size\"") && told.contains("are not verified"), "{told}");
    assert!(!report.to_string().contains("@example.com"), "addresses have no business in a report");
    for (sql, expected) in [
        // Whom nobody verified is found by nothing but the id.
        ("SELECT count(*) FROM identifiers", PEOPLE / 2),
        ("SELECT count(*) FROM identifiers WHERE verified_at = 1630111318935", PEOPLE / 2),
        ("SELECT count(*) FROM users WHERE created_at = 1630111318935", PEOPLE),
        ("SELECT count(*) FROM users WHERE disabled_at IS NOT NULL", PEOPLE / 10),
        ("SELECT count(*) FROM users WHERE profile LIKE '%\"google_id\":\"g%' AND profile LIKE '%\"plan\":[\"pro\"]%'", PEOPLE),
        (
            "SELECT count(*) FROM groups WHERE external_id LIKE 'group\\_%' ESCAPE '\\' AND name LIKE 'Team %' AND admission = 2",
            GROUPS,
        ),
        // The first one to come is no owner for being it.
        ("SELECT count(*) FROM members WHERE roles = '[\"owner\"]'", GROUPS),
        ("SELECT count(*) FROM members WHERE roles = '[\"editor\"]'", PEOPLE / 5 - GROUPS),
        ("SELECT count(*) FROM events WHERE kind = 'user.created'", PEOPLE),
    ] {
        assert_eq!(place.database.number(sql).await, expected as i64, "{sql}");
    }

    // Again: nobody is changed, whatever the file says now, and nobody comes back into a group they left.
    place.database.change("DELETE FROM members").await;
    let file = place.file("again.ndjson", &lines(0..PEOPLE).replace("user0@", "other0@"));
    let (code, told, report) = place.run(&file, &[]);
    assert_eq!((code, counts(&report)), (0, [PEOPLE, 0, PEOPLE, 0]), "{told}");
    assert_eq!(place.database.number("SELECT count(*) FROM identifiers WHERE value = 'other0@example.com'").await, 0);
    assert_eq!(place.database.number("SELECT count(*) FROM members").await, 0);
    assert_eq!(place.database.number("SELECT count(*) FROM groups").await, GROUPS as i64);
}

async fn a_killed_import_goes_on(database: Database) {
    let place = place(database, "rownd");
    let file = place.file("users.ndjson", &lines(0..PEOPLE));
    let mut deaths = Vec::new();
    for wanted in [200, 3000] {
        place.dies(&file, wanted).await;
        place.rownd_is_whole().await;
        deaths.push(place.users().await);
    }
    assert!(deaths[0] < deaths[1] && deaths[1] < PEOPLE as i64, "not in the middle: {deaths:?}");
    let (code, told, report) = place.run(&file, &[]);
    assert_eq!((code, place.users().await), (0, PEOPLE as i64), "{told}");
    let [read, imported, already_there, _] = counts(&report);
    assert_eq!((read, imported + already_there), (PEOPLE, PEOPLE));
    assert!(already_there >= deaths[1] as u64 && imported > 0, "{told}");
    place.rownd_is_whole().await;
    assert_eq!(place.database.number("SELECT count(*) FROM members").await, (PEOPLE / 5) as i64);
    assert_eq!(place.database.number("SELECT count(*) FROM groups").await, GROUPS as i64);
    assert_eq!(place.database.number("SELECT count(*) FROM members WHERE roles LIKE '%owner%'").await, GROUPS as i64);
}

async fn arrays_are_read_and_what_does_not_fit_is_skipped(database: Database) {
    let place = place(database, "rownd");
    let list: Vec<Value> = (0..5).map(person).collect();
    let array = place.file("array.json", &serde_json::to_string_pretty(&list).expect("JSON"));
    let (code, told, _) = place.run(&array, &[]);
    assert_eq!((code, place.users().await), (0, 5), "{told}");
    // Somebody else's proven address; a value that the schema does not allow; roles over their bounds.
    let mut other = person(30_000);
    other["data"]["email"] = json!("user2@example.com");
    other["verified_data"]["email"] = json!("user2@example.com");
    let mut wrong = person(30_001);
    wrong["data"]["first_name"] = json!(5);
    let mut many = person(30_005);
    many["groups"][0]["member"]["roles"] = json!(["x".repeat(65)]);
    let mut named = person(30_010);
    named["groups"][0]["group"]["id"] = json!("group_nameless");
    named["groups"][0]["group"]["name"] = json!("");
    let file = place.file("wrong.ndjson", &format!("{other}\n{wrong}\n{many}\n{named}\n"));
    for arguments in [&["--dry-run"][..], &[]] {
        let (code, told, report) = place.run(&file, arguments);
        assert_eq!((code, counts(&report)), (3, [4, 0, 0, 4]), "{told}");
        assert!(told.contains("email belongs to another user"), "{told}");
        assert!(told.contains("first_name must be a string"), "{told}");
        assert!(told.contains("roles"), "{told}");
    }
    assert_eq!(place.users().await, 5);
}
