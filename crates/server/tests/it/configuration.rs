//! The configuration from outside: template, names, environment, secrets, and all problems at once.

use passlink_server::config::key::{Key, Shown};
use passlink_server::config::problem::Problems;
use passlink_server::config::{Config, FIXED, apps, read, template};

const SOUND: &str = "[server]\npublic_origin = \"https://auth.example.com\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    read("passlink.toml", text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn sound_and(more: &str) -> Result<Config, Problems> {
    with(&format!("{SOUND}{more}"), &[])
}

fn told(result: Result<Config, Problems>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn the_committed_template_is_the_printed_one() {
    let committed = include_str!("../../config.default.toml");
    assert!(
        committed == template::template(),
        "print it again: cargo run -p passlink-server -- config print > crates/server/config.default.toml"
    );
}

#[test]
fn the_template_says_what_happens_without_it() {
    let from_template = with(
        &format!("{}{}", template::template(), ""),
        &[
            ("PASSLINK_SERVER_PUBLIC_ORIGIN", "https://auth.example.com"),
            ("PASSLINK_SERVER_SECRET", "0123456789abcdef0123456789abcdef"),
        ],
    )
    .expect("the template needs nothing but what is required");
    let from_nothing = sound_and("").unwrap();
    assert_eq!(format!("{from_template:?}"), format!("{from_nothing:?}"));
}

#[test]
fn every_line_of_the_template_can_be_switched_on() {
    let text: String = template::template()
        .lines()
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n"
        })
        // One name three times is the template's way to show three kinds; files and keys in examples do not exist.
        .map(|line| if line.contains("[senders.mail]") { format!("[senders.mail-{}]\n", line_number()) } else { line })
        .collect();
    let problems = told(with(&text, &[]));
    assert!(!problems.contains("is not a known"), "{problems}");
    assert!(!problems.contains("not TOML"), "{problems}");
}

fn line_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn unknown_keys_name_the_nearest_one_and_their_line() {
    for (more, line, expected) in [
        ("lisen = \"127.0.0.1:1\"", 4, "server.lisen is not a known key; did you mean listen?"),
        ("secretfile = \"x\"", 4, "did you mean secret_file?"),
        ("level = \"info\"", 4, "level belongs into [log]"),
        ("\n[databse]\nurl = \"sqlite:x\"", 5, "databse is not a known section; did you mean [database]?"),
        ("[senders.mail]\nkind = \"smtp\"\nhots = \"a\"", 6, "senders.mail.hots is not a known key; did you mean host?"),
        ("[senders.mail]\nkind = \"mailgun\"\nhost = \"a\"", 6, "senders.mail.host is not a known key"),
        ("[apps.shop]\nsnder = \"mail\"", 5, "apps.shop.snder is not a known key; did you mean sender?"),
        ("[[apps.shop.clients]]\nclientid = \"a\"", 5, "did you mean client_id?"),
        ("[apps.Shop]", 4, "[apps.Shop] must be named with 1 to 63 lower-case letters"),
    ] {
        let told = told(sound_and(more));
        let found = told.lines().any(|l| l.contains(&format!("passlink.toml, line {line}: ")) && l.contains(expected));
        assert!(found, "{more}: {told}");
    }
}

#[test]
fn a_variable_wins_over_the_file() {
    let text = format!(
        "{SOUND}listen = \"127.0.0.1:1\"\n[apps.my-shop]\ndisplay_name = \"File\"\n[senders.mail]\nkind = \"smtp\"\nhost = \"a.example.com\"\n"
    );
    let config = with(
        &text,
        &[
            ("PASSLINK_SERVER_LISTEN", "127.0.0.1:2"),
            ("PASSLINK_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("PASSLINK_SERVER_CONNECTIONS_PER_CLIENT", "7"),
            ("PASSLINK_APPS_MY_SHOP_DISPLAY_NAME", "Variable"),
            ("PASSLINK_APPS_MY_SHOP_NATIVE", "true"),
            ("PASSLINK_APPS_MY_SHOP_CLIENTS_0_CLIENT_ID", "first"),
            ("PASSLINK_APPS_MY_SHOP_CLIENTS_0_CLIENT_SECRET", "sixteen-letters-and-more"),
            ("PASSLINK_APPS_OTHER_PENDING_LINKS", "9"),
            ("PASSLINK_SENDERS_MAIL_HOST", "b.example.com"),
            ("PASSLINK_SENDERS_SECOND_MAIL_KIND", "smtp"),
            ("PASSLINK_SENDERS_SECOND_MAIL_HOST", "c.example.com"),
            ("PASSLINK_CONFIG", "read by the command line"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.trusted_proxies, ["10.0.0.0/8", "::1"]);
    assert_eq!(config.server.listener.connections_per_client, 7);
    let shop = &config.apps["my-shop"];
    assert_eq!(shop.settings.display_name.as_deref(), Some("Variable"));
    assert!(shop.settings.native);
    assert_eq!(shop.clients[0].client_id.as_deref(), Some("first"));
    assert_eq!(config.apps["other"].settings.pending_links, 9);
    assert!(format!("{:?}", config.senders["mail"]).contains("b.example.com"));
    assert!(format!("{:?}", config.senders["second-mail"]).contains("c.example.com"));
}

#[test]
fn a_variable_that_matches_nothing_is_a_problem() {
    for (name, near) in [
        ("PASSLINK_SERVER_LISEN", "PASSLINK_SERVER_LISTEN"),
        ("PASSLINK_SECRET", "PASSLINK_SERVER_SECRET"),
        ("PASSLINK_APPS_MY_SHOP_SNDER", "PASSLINK_APPS_MY_SHOP_SENDER"),
    ] {
        let told = told(with(&format!("{SOUND}[apps.my-shop]\n"), &[(name, "x")]));
        assert!(told.contains(&format!("environment variable {name}: matches no key; did you mean {near}?")), "{told}");
    }
    let told = told(with(SOUND, &[("PASSLINK_SERVER_WORKERS", "many")]));
    assert!(told.contains("environment variable PASSLINK_SERVER_WORKERS: must be a whole number"), "{told}");
}

#[test]
fn secrets_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret = file("secret", "a secret of more than thirty-two bytes\n");
    let client = file("client", "sixteen-letters-and-more\r\n");
    let text = format!(
        "[server]\npublic_origin = \"https://auth.example.com\"\nsecret_file = \"{secret}\"\n[apps.shop]\n[[apps.shop.clients]]\nclient_id = \"a\"\nclient_secret_file = \"{client}\"\n"
    );
    let config = with(&text, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.server.secret.expose(), "a secret of more than thirty-two bytes");
    let client = config.apps["shop"].clients[0].client_secret.as_ref().unwrap();
    assert_eq!(client.expose(), "sixteen-letters-and-more");

    let told = told(sound_and("secret_file = \"/nowhere/secret\"\n"));
    assert!(told.contains("give either secret or secret_file, not both"), "{told}");
    let both = with(&text, &[("PASSLINK_SERVER_SECRET", "0123456789abcdef0123456789abcdef")]).unwrap();
    assert_eq!(both.server.secret.expose(), "0123456789abcdef0123456789abcdef", "a variable replaces the file's other form");
    let missing = text.replace(&secret, "/nowhere/secret");
    assert!(self::told(with(&missing, &[])).contains("server.secret_file names /nowhere/secret, which cannot be read"));
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[server]
listen = \"nowhere\"
header_timeout = \"soon\"
max_header_bytes = 1
trusted_proxies = [\"10.0.0.0/99\"]
secret = \"short\"
tls_key_file = \"key.pem\"
typo = 1
[log]
level = \"loud\"
[limits]
per_server = \"many\"
[senders.mail]
kind = \"smtp\"
host = \"smtp.example.com\"
password = \"hunter2\"
security = \"ssl\"
[senders.other]
kind = \"pigeon\"
[apps.shop]
sender = \"male\"
colour = \"red\"
allowed_origins = [\"http://example.com\"]
[[apps.shop.clients]]
client_id = \"a\"
";
    let told = told(with(text, &[("PASSLINK_NOTHING", "x")]));
    for part in [
        "server.listen must be an address with a port",
        "server.header_timeout must be a duration",
        "server.max_header_bytes must be a whole number from",
        "server.trusted_proxies must be addresses or networks",
        "server.secret must be at least 32 bytes",
        "server.tls_certificate_file is missing",
        "server.public_origin is missing",
        "server.typo is not a known key",
        "log.level must be one of \"error\"",
        "limits.per_server must be a limit",
        "senders.mail.security must be one of",
        "senders.other.kind must be one of",
        "apps.shop.sender is \"male\", but there is no [senders.male]; did you mean \"mail\"?",
        "apps.shop.colour must be a colour",
        "apps.shop.from_address is required",
        "apps.shop.allowed_origins http is only allowed for loopback",
        "apps.shop.clients.client_secret (or client_secret_file) is missing",
        "environment variable PASSLINK_NOTHING",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(told.starts_with("The configuration has 18 problems"), "{told}");
}

#[test]
fn secrets_are_never_printed() {
    let secrets = ["0123456789abcdef0123456789abcdef", "hunter2-hunter2-hunter2", "pass-of-the-database"];
    let text = format!(
        "{SOUND}[database]\nurl = \"postgres://u:{}@h/d\"\n[senders.mail]\nkind = \"smtp\"\nhost = \"h\"\nusername = \"u\"\npassword = \"{}\"\n[apps.a]\n[[apps.a.clients]]\nclient_id = \"a\"\nclient_secret = \"{}\"\n",
        secrets[2], secrets[1], secrets[1]
    );
    let shown = format!("{:?}", with(&text, &[]).unwrap_or_else(|problems| panic!("{problems}")));
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
    let wrong = text.replace("postgres://", "mysql://").replace("kind = \"smtp\"", "kind = \"smtp\"\nport = \"x\"");
    let wrong = told(with(&wrong, &[("PASSLINK_SERVER_SECRET", "too-short-a-secret")]));
    assert!(
        wrong.contains("database.url must begin with") && !wrong.contains(secrets[2]) && !wrong.contains("too-short"),
        "{wrong}"
    );
}

#[test]
fn sec_23_an_http_origin_is_refused_unless_it_is_this_machine() {
    let origin = |origin: &str| with(&SOUND.replace("https://auth.example.com", origin), &[]);
    for local in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "https://auth.example.com:8443"] {
        assert!(origin(local).is_ok(), "{local}");
    }
    let told = |text: &str| self::told(origin(text));
    assert!(told("http://auth.example.com").contains("Write https://auth.example.com"));
    assert!(told("http://127.0.0.1.example.com").contains("over http can be read"));
    for bad in ["auth.example.com", "https://auth.example.com/path", "ftp://auth.example.com", "https://u@auth.example.com"] {
        assert!(told(bad).contains("server.public_origin must be an origin"), "{bad}");
    }
}

#[test]
fn mistakes_of_syntax_are_told_with_their_line() {
    let told = told(with("[server]\nlisten = 127.0.0.1\n", &[]));
    assert!(told.contains("passlink.toml, line 2: this is not TOML"), "{told}");
}

#[test]
fn bad_templates_are_told_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sign_in.txt.j2"), "no link").unwrap();
    std::fs::write(folder.path().join("notes.md"), "not a template").unwrap();
    let section = format!("[templates]\nfolder = \"{}\"\n", folder.path().display());
    assert!(told(sound_and(&section)).contains("sign_in.txt.j2 must show both"));
    std::fs::write(folder.path().join("sign_in.txt.j2"), "{{ link }} {{ code }}").unwrap();
    assert_eq!(sound_and(&section).unwrap().templates.0.len(), 1);
}

#[test]
fn every_key_has_a_sentence_and_a_sound_default() {
    for key in FIXED.iter().flat_map(|part| part.keys).chain(apps::KEYS).chain(apps::CLIENT_KEYS) {
        let Key { name, kind, doc, shown, .. } = key;
        assert!(doc.ends_with('.') && doc.chars().next().is_some_and(|c| !c.is_lowercase()), "{name}: {doc}");
        if let Shown::Default(text) = shown {
            let value = key.default_value().unwrap_or_else(|| panic!("{name}: {text} is not TOML"));
            assert_eq!(kind.check(&value), Ok(()), "{name}");
        }
    }
}
