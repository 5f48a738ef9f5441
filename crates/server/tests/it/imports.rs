//! `passlink import`, as an operator runs it, with the real binary on both databases.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet::both;
use crate::fleet::database::Database;
use crate::fleet::process::Process;

pub const PEOPLE: u64 = 10_000;

both!(ten_thousand_people_come_over, a_killed_import_goes_on, arrays_and_pages_are_read_and_broken_files_refused);

pub struct Place {
    pub database: Database,
    folder: tempfile::TempDir,
    vendor: &'static str,
}

/// A server that is set up and has an app.
pub fn place(database: Database, vendor: &'static str) -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = Place { database, folder, vendor };
    let text = format!(
        "[server]\npublic_origin = \"https://auth.example.com\"\nsecret = \"a server secret for tests, longer than it must be\"\ndata = \"{}\"\n[database]\nurl = \"{}\"\n",
        place.folder.path().join("data").display(),
        place.database.url()
    );
    std::fs::write(place.config(), text).expect("a file");
    for arguments in [&["migrate"][..], &["app", "save", "shop"]] {
        let output = place.passlink(arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    place
}

impl Place {
    fn config(&self) -> PathBuf {
        self.folder.path().join("passlink.toml")
    }

    pub fn passlink(&self, arguments: &[&str]) -> Command {
        let mut command = Process::command();
        command.args(arguments).arg("--config").arg(self.config());
        command
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn import(&self, file: &Path, more: &[&str]) -> Command {
        let mut command = self.passlink(&["import", self.vendor]);
        command.arg(file).args(["--app", "shop"]).args(more);
        command
    }

    /// Runs an import: exit code, what it told, and its report.
    pub fn run(&self, file: &Path, more: &[&str]) -> (i32, String, Value) {
        let report = self.folder.path().join("report.json");
        let Output { status, stdout, stderr } =
            self.import(file, more).arg("--report").arg(&report).output().expect("the binary runs");
        let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let report = std::fs::read(&report).ok().and_then(|text| serde_json::from_slice(&text).ok());
        (status.code().expect("it ended by itself"), told, report.unwrap_or_default())
    }

    /// Kills an import as soon as so many users are here.
    pub async fn dies(&self, file: &Path, users: i64) {
        let mut child = self.import(file, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let start = Instant::now();
        while self.users().await < users {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not get on");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().expect("a child");
        child.wait().expect("a child");
    }

    /// Many people came with each commit. PostgreSQL tells: the number of the transaction that wrote a row stands in it. The import asks both databases alike,
    /// and that writes asked for at once share commits on SQLite too is shown by the store's own tests.
    pub async fn shared_commits(&self) {
        if let Database::Postgres(_) = self.database {
            let commits = self.database.number("SELECT count(DISTINCT xmin::text) FROM users").await;
            assert!(commits * 4 < self.users().await, "{commits} commits for {} people", self.users().await);
        }
    }

    pub async fn users(&self) -> i64 {
        self.database.number("SELECT count(*) FROM users").await
    }

    /// Each person has exactly the two addresses they should.
    async fn is_whole(&self, users: i64) {
        let lonely = "SELECT count(*) FROM identifiers i LEFT JOIN users u ON u.id = i.user_id WHERE u.id IS NULL";
        let odd = "SELECT count(*) FROM users u WHERE (SELECT count(*) FROM identifiers i WHERE i.user_id = u.id) <> 2";
        let count = [self.users().await, self.database.number(lonely).await, self.database.number(odd).await];
        assert_eq!(count, [users, 0, 0]);
    }
}

fn old_id(number: u64) -> String {
    format!("user-live-{:08x}-97a1-4ba4-9720-b03761dc50c6", number.wrapping_mul(2_654_435_761) & 0xffff_ffff)
}

fn person(number: u64) -> Value {
    json!({
        "user_id": old_id(number), "status": if number.is_multiple_of(10) { "pending" } else { "active" }, "created_at": "2021-08-28T00:41:58.935673Z",
        "emails": [{"email_id": "email-live-1", "email": format!("user{number}@example.com"), "verified": number.is_multiple_of(2)}],
        "phone_numbers": [{"phone_id": "phone-number-live-1", "phone_number": format!("+120255{:05}", 50_000 + number % 10_000), "verified": false}],
        "name": {"first_name": "Ada", "middle_name": null, "last_name": "Lovelace"},
        "trusted_metadata": {"number": number}, "untrusted_metadata": {}, "roles": [],
        "external_id": number.is_multiple_of(3).then(|| format!("shop|{number}")),
        "providers": [], "webauthn_registrations": [], "totps": [], "crypto_wallets": [], "biometric_registrations": [],
        "password": number.is_multiple_of(4).then(|| json!({"password_id": "password-live-1"})), "is_locked": false
    })
}

fn lines(people: std::ops::Range<u64>) -> String {
    people.map(|number| format!("{}\n", person(number))).collect()
}

pub fn counts(report: &Value) -> [u64; 4] {
    ["read", "imported", "already_there", "skipped"].map(|field| report[field].as_u64().expect("a report"))
}

async fn ten_thousand_people_come_over(database: Database) {
    let place = place(database, "stytch");
    let bad = format!("{{oops\n{}\n", json!({"user_id": old_id(99_999), "emails": [{"email": "no address"}]}));
    let file = place.file("users.ndjson", &format!("{bad}{}", lines(0..PEOPLE)));

    // A rehearsal changes nothing.
    let (code, told, report) = place.run(&file, &["--dry-run"]);
    assert_eq!((code, counts(&report)), (3, [PEOPLE + 2, PEOPLE, 0, 2]), "{told}");
    assert!(told.contains("would be imported"), "{told}");
    assert_eq!(place.users().await, 0);
    assert_eq!(place.database.number("SELECT count(*) FROM events WHERE kind = 'user.created'").await, 0);

    let (code, told, report) = place.run(&file, &[]);
    assert_eq!((code, counts(&report)), (3, [PEOPLE + 2, PEOPLE, 0, 2]), "{told}");
    place.shared_commits().await;
    place.is_whole(PEOPLE as i64).await;
    let skipped = report["skipped_users"].as_array().expect("a list");
    assert_eq!((&skipped[0]["line"], &skipped[0]["user_id"]), (&json!(1), &Value::Null));
    assert_eq!((&skipped[1]["line"], &skipped[1]["user_id"]), (&json!(2), &json!(old_id(99_999))));
    assert!(skipped[1]["why"].as_str().is_some_and(|why| why.starts_with("emails: ")), "{told}");
    assert!(!report.to_string().contains("@example.com"), "addresses have no business in a report");
    assert_eq!(
        (report["not_carried"]["passwords"].as_u64(), report["not_carried"]["totps"].as_u64()),
        (Some(PEOPLE / 4), Some(0))
    );
    assert!(told.contains("2500  had a password, which is not carried over"), "{told}");
    for (sql, expected) in [
        ("SELECT count(*) FROM identifiers WHERE verified_at = 1630111318935", PEOPLE / 2),
        ("SELECT count(*) FROM users WHERE is_pending = 1", PEOPLE / 10),
        ("SELECT count(*) FROM users WHERE created_at = 1630111318935", PEOPLE),
        ("SELECT count(*) FROM users WHERE external_id IS NOT NULL", PEOPLE.div_ceil(3)),
        ("SELECT count(*) FROM events WHERE kind = 'user.created'", PEOPLE),
    ] {
        assert_eq!(place.database.number(sql).await, expected as i64, "{sql}");
    }

    // Again, with the bad lines mended away, and one newcomer.
    let file = place.file("mended.ndjson", &lines(0..PEOPLE).replace("user0@", "other0@"));
    let (code, told, report) = place.run(&file, &[]);
    assert_eq!((code, counts(&report)), (0, [PEOPLE, 0, PEOPLE, 0]), "{told}");
    assert_eq!(place.database.number("SELECT count(*) FROM identifiers WHERE value = 'other0@example.com'").await, 0);
    place.is_whole(PEOPLE as i64).await;
}

async fn a_killed_import_goes_on(database: Database) {
    let place = place(database, "stytch");
    let file = place.file("users.ndjson", &lines(0..PEOPLE));
    let mut deaths = Vec::new();
    for wanted in [200, 3000] {
        place.dies(&file, wanted).await;
        let there = place.users().await;
        place.is_whole(there).await;
        deaths.push(there);
    }
    assert!(deaths[0] < deaths[1] && deaths[1] < PEOPLE as i64, "not in the middle: {deaths:?}");
    let (code, told, report) = place.run(&file, &[]);
    let there = place.database.number("SELECT count(*) FROM users").await;
    assert_eq!((code, there), (0, PEOPLE as i64), "{told}");
    let [read, imported, already_there, _] = counts(&report);
    assert_eq!((read, imported + already_there), (PEOPLE, PEOPLE));
    assert!(already_there >= deaths[1] as u64 && imported > 0, "{told}");
    place.is_whole(PEOPLE as i64).await;
}

async fn arrays_and_pages_are_read_and_broken_files_refused(database: Database) {
    let place = place(database, "stytch");
    let list = |people: std::ops::Range<u64>| people.map(person).collect::<Vec<_>>();
    let page =
        |people| json!({"status_code": 200, "results": list(people), "results_metadata": {"total": -1, "next_cursor": null}});
    let array = place.file("array.json", &serde_json::to_string_pretty(&list(0..5)).expect("JSON"));
    let pages = place.file("pages.json", &format!("{}\n{}\n", page(5..8), page(8..10)));
    for (file, users) in [(&array, 5), (&pages, 10)] {
        let (code, told, _) = place.run(file, &[]);
        assert_eq!(code, 0, "{told}");
        assert_eq!(place.users().await, users);
    }
    // What stood before the break is here, and told.
    let whole = serde_json::to_string_pretty(&list(10..20)).expect("JSON");
    let broken = place.file("broken.json", &whole[..whole.len() / 2]);
    let (code, told, report) = place.run(&broken, &[]);
    assert!(code == 1 && told.contains("line ") && told.contains("run it again"), "{code} {told}");
    assert!(report["stopped"].is_string() && place.users().await == 10 + counts(&report)[1] as i64);
    assert!(counts(&report)[1] > 0);
    // Somebody else's address; nobody's file; nobody's app.
    let other = place.file("other.ndjson", &person(30_001).to_string().replace("user30001@", "user1@"));
    let (code, told, report) = place.run(&other, &[]);
    assert_eq!((code, counts(&report)), (3, [1, 0, 0, 1]), "{told}");
    assert!(told.contains("email belongs to another user"), "{told}");
    assert_eq!(place.run(Path::new("/nowhere/users.json"), &[]).0, 1);
    let output = place.passlink(&["import", "stytch", array.to_str().expect("a path"), "--app", "no-such"]).output();
    let output = output.expect("the binary runs");
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("there are: shop"));
}
