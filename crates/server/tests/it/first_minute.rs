//! `passlink dev` and the commands beside it, with the real binary and the real store.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `passlink dev`; killed when the test fails.
struct Dev {
    child: Child,
    screen: String,
}

impl Dev {
    fn start(data: &Path) -> Self {
        let mut child = passlink(&["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut screen = String::new();
        // The screen is printed when everything is ready; its last sentence names the command to ask with.
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
            screen.push_str(&line.expect("text"));
            screen.push('\n');
            if screen.contains("passlink events") {
                break;
            }
        }
        Self { child, screen }
    }

    /// What stands behind a word of the screen.
    fn shown(&self, word: &str) -> String {
        let line =
            self.screen.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap_or_else(|| panic!("{}", self.screen));
        line.trim().to_owned()
    }

    /// Asks it to stop, and answers its exit code.
    fn stop(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn passlink(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passlink"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What a command prints; it must succeed.
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = passlink(arguments).arg("--data").arg(data).output().expect("the binary runs");
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {told}{failed}");
    told.into_owned()
}

/// What a command complains about; it must fail.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = passlink(arguments).arg("--data").arg(data).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn sec_51_dev_starts_with_nothing_and_ends_at_sigterm_with_code_0() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let dev = Dev::start(&data);
    let origin = dev.shown("Sign in").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).expect("it listens");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let secret = dev.shown("client_secret");
    // The key on the screen makes links, and such a link opens.
    let key = dev.screen.lines().find_map(|line| line.trim().strip_prefix("Rownd app key")).expect("a key");
    let key = key.split_whitespace().next().expect("a key");
    let headers =
        [format!("x-rownd-app-key: {key}"), format!("x-rownd-app-secret: {secret}"), "content-type: application/json".to_owned()];
    let mut curl = Command::new("curl");
    curl.args(["-s", &format!("{origin}/hub/auth/magic"), "-d", r#"{"data": {"email": "ada@example.com"}}"#]);
    curl.args(headers.iter().flat_map(|header| ["-H", header.as_str()]));
    let told = curl.output().expect("curl runs").stdout;
    let told: serde_json::Value = serde_json::from_slice(&told).expect("a link");
    let link = told["link"].as_str().expect("a link").strip_prefix(&origin).expect("a link of ours").to_owned();
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).expect("it listens");
    write!(stream, "GET {link} HTTP/1.1\r\nHost: x\r\nUser-Agent: Rownd SDK for tests\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access_token"), "{answer}");
    assert_eq!(dev.stop(), Some(0));

    let again = Dev::start(&data);
    assert_eq!(again.shown("client_secret"), secret, "the credentials stay the same");
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn commands_work_beside_the_running_server() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let dev = Dev::start(&data);
    let origin = dev.shown("Sign in").trim_end_matches('/').to_owned();

    assert!(done(&data, &["app", "list"]).starts_with("demo  Passlink Demo"));
    assert!(done(&data, &["app", "save", "shop", "--set", "pending_links=5"]).contains("shop: made"));
    assert!(done(&data, &["app", "save", "shop", "--set", "pending_links=5"]).contains("unchanged"));
    assert!(done(&data, &["app", "show", "shop"]).contains("pending_links = 5"));
    assert!(refused(&data, &["app", "show", "shp"]).contains("there are: demo, shop"));

    let link = done(&data, &["link", "create", "--app", "demo", "--email", "Ada@Example.com", "--qr"]);
    assert!(link.starts_with(&format!("{origin}/l/plk_")) && link.contains('█'), "{link}");
    let elsewhere = ["link", "create", "--app", "demo", "--email", "ada@example.com", "--redirect", "https://evil.example/"];
    assert!(refused(&data, &elsewhere).contains("not on the app's list"));

    let events = done(&data, &["events", "--email", "ada@example.com"]);
    assert!(events.lines().all(|line| line.contains("link=")) && events.contains("link.requested"), "{events}");
    assert!(!events.contains("ada@example.com") && !events.contains("plk_"), "{events}");
    assert!(done(&data, &["events", "--email", "nobody@example.com"]).contains("Nothing is known"));

    let made = done(&data, &["client", "create", "--app", "shop", "--label", "backend"]);
    let id = made.lines().find_map(|line| line.strip_prefix("client_id")).unwrap_or_else(|| panic!("{made}")).trim().to_owned();
    assert!(made.contains("plsecret_"));
    let listed = done(&data, &["client", "list", "--app", "shop"]);
    assert!(listed.contains(&id) && listed.contains("live") && !listed.contains("plsecret_"), "{listed}");
    done(&data, &["client", "revoke", "--app", "shop", &id]);
    assert!(done(&data, &["client", "list", "--app", "shop"]).contains("revoked"));
    assert!(refused(&data, &["client", "revoke", "--app", "shop", &id]).contains("no live client"));

    assert!(done(&data, &["outbox", "dead"]).contains("No dead messages"));
    assert!(done(&data, &["migrate"]).contains("up to date"));
    assert!(refused(&data, &["keys", "rotate", "--app", "shop"]).contains("less than a minute ago"));
    assert_eq!(dev.stop(), Some(0));
}

#[test]
fn another_server_secret_is_told_at_start() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    assert_eq!(Dev::start(&data).stop(), Some(0));
    std::fs::write(data.join("secret"), "another secret that is long enough, as it must be").unwrap();
    assert!(refused(&data, &["app", "list"]).contains("was the server secret changed?"));
}
