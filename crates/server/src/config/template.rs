//! The commented configuration file, printed from the tables of keys. `config.default.toml` is this text, committed and compared in a test.

use std::fmt::Write;

use super::key::{Key, Shown};
use super::{FIXED, apps, senders};

const HEAD: &str = "\
# Passlink's configuration. Every key is here with its default; a line such as #key = value is an example or off.
#
# Every key can also be given as an environment variable, which then wins: PASSLINK_<SECTION>_<KEY>, such as
# PASSLINK_SERVER_LISTEN, PASSLINK_SENDERS_MAIL_PASSWORD or PASSLINK_APPS_MY_APP_SENDER (dashes in names are underscores,
# entries of lists are separated by commas, clients are numbered: PASSLINK_APPS_MY_APP_CLIENTS_0_CLIENT_SECRET).
# Where a key <key>_file is mentioned, the value may be kept in a file of its own.
# `passlink check-config <file>` tells everything that is wrong with a configuration.
";

/// The whole template.
pub fn template() -> String {
    let mut out = HEAD.to_owned();
    for part in FIXED {
        section(&mut out, part.doc, &format!("[{}]", part.name), "");
        for key in part.keys {
            print(&mut out, key, "");
        }
    }
    for kind in senders::KINDS {
        let doc = format!("A sender of kind \"{}\": {} Apps choose it by its name, here \"mail\".", kind.name, kind.doc);
        section(&mut out, &doc, "[senders.mail]", "#");
        print(&mut out, &Key { shown: Shown::Required(kind_literal(kind.name)), ..senders::KIND }, "#");
        for key in kind.keys {
            print(&mut out, key, "#");
        }
    }
    let doc = "An app: made at start, or given these settings. Apps that were made otherwise are left alone.";
    section(&mut out, doc, "[apps.my-app]", "#");
    for key in apps::KEYS {
        print(&mut out, key, "#");
    }
    let doc = "A client: the id and secret with which a backend calls, in any dialect. Repeat the section for more.";
    section(&mut out, doc, "[[apps.my-app.clients]]", "#");
    for key in apps::CLIENT_KEYS {
        print(&mut out, key, "#");
    }
    out
}

fn kind_literal(kind: &str) -> &'static str {
    match kind {
        "mailgun" => "\"mailgun\"",
        "webhook" => "\"webhook\"",
        _ => "\"smtp\"",
    }
}

fn section(out: &mut String, doc: &str, head: &str, mark: &str) {
    let _ = writeln!(out, "\n# {doc}\n{mark}{head}");
}

/// Writing into a text cannot fail.
fn print(out: &mut String, key: &Key, mark: &str) {
    let Key { name, doc, .. } = key;
    let _ = write!(out, "\n# {doc}");
    if let Shown::Required(_) = key.shown {
        let _ = write!(out, " Required.");
    }
    if key.from_file {
        let _ = write!(out, " Or {}.", key.file_name());
    }
    let mark = match key.shown {
        Shown::Default(_) => mark,
        Shown::Example(_) | Shown::Required(_) => "#",
    };
    let _ = writeln!(out, "\n{mark}{name} = {}", key.shown_text());
}
