//! What an import tells in the end, for people and as JSON. Ids and lines, no addresses.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

/// Skipped people listed by line; more are only counted.
const MOST_LISTED: usize = 10_000;
/// Of these, on the terminal.
const MOST_SHOWN: usize = 20;

/// What happened.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The app.
    pub app: String,
    /// Whether it was only a rehearsal.
    pub dry_run: bool,
    /// People in the file.
    pub read: u64,
    /// Made (or that would be).
    pub imported: u64,
    /// Found here by their id or the app's own; left as they are.
    pub already_there: u64,
    /// Groups made.
    pub groups: u64,
    /// Memberships made.
    pub memberships: u64,
    /// Not made.
    pub skipped: u64,
    /// The first of those with their reasons, in the order in which they were found out.
    pub skipped_users: Vec<Skipped>,
    /// What people had that has no counterpart here.
    pub not_carried: NotCarried,
    /// Why it ended before the end of the file.
    pub stopped: Option<String>,
}

/// Somebody who was not made.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// Where the person stands in the file, from 1.
    pub line: u64,
    /// The old id, when it could be read.
    pub user_id: Option<String>,
    /// Why.
    pub why: String,
}

/// How many people of the file had something that has no counterpart here.
#[derive(Debug, Default, Serialize)]
pub struct NotCarried {
    /// A password.
    pub passwords: u64,
    /// A passkey or security key.
    pub webauthn_registrations: u64,
    /// An authenticator app.
    pub totps: u64,
    /// A sign-in with another provider.
    pub oauth_providers: u64,
    /// A wallet.
    pub crypto_wallets: u64,
    /// A biometric registration.
    pub biometric_registrations: u64,
    /// A lock for too many wrong tries.
    pub locks: u64,
    /// An address that is not verified: kept as a value, and nobody is found by it.
    pub unverified_addresses: u64,
    /// An invitation that was not answered.
    pub invitations: u64,
    /// An attribute under a name that is the vendor's own.
    pub reserved_attributes: u64,
    /// A value of a field that the app's schema does not have, by the field's name.
    pub unknown_fields: BTreeMap<String, u64>,
}

impl NotCarried {
    /// Counts what one person lacks.
    pub fn add(&mut self, one: Self) {
        self.passwords += one.passwords;
        self.webauthn_registrations += one.webauthn_registrations;
        self.totps += one.totps;
        self.oauth_providers += one.oauth_providers;
        self.crypto_wallets += one.crypto_wallets;
        self.biometric_registrations += one.biometric_registrations;
        self.locks += one.locks;
        self.unverified_addresses += one.unverified_addresses;
        self.invitations += one.invitations;
        self.reserved_attributes += one.reserved_attributes;
        for (name, count) in one.unknown_fields {
            *self.unknown_fields.entry(name).or_default() += count;
        }
    }
}

impl Report {
    /// Of nothing yet.
    pub fn new(app: &str, dry_run: bool) -> Self {
        Self {
            app: app.to_owned(),
            dry_run,
            read: 0,
            imported: 0,
            already_there: 0,
            groups: 0,
            memberships: 0,
            skipped: 0,
            skipped_users: Vec::new(),
            not_carried: NotCarried::default(),
            stopped: None,
        }
    }

    /// Somebody cannot be made.
    pub fn skip(&mut self, line: u64, user_id: Option<String>, why: String) {
        self.skipped += 1;
        if self.skipped_users.len() < MOST_LISTED {
            self.skipped_users.push(Skipped { line, user_id, why });
        }
    }

    /// For people.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let imported = if self.dry_run { "would be imported" } else { "imported" };
        for (count, what) in [
            (self.read, "users read"),
            (self.imported, imported),
            (self.already_there, "already there"),
            (self.skipped, "skipped"),
        ] {
            writeln!(out, "{count:>9}  {what}")?;
        }
        let [groups, memberships] = match self.dry_run {
            true => ["groups would be made", "memberships would be made"],
            false => ["groups made", "memberships made"],
        };
        for (count, what) in [(self.groups, groups), (self.memberships, memberships)] {
            if count > 0 {
                writeln!(out, "{count:>9}  {what}")?;
            }
        }
        for skipped in self.skipped_users.iter().take(MOST_SHOWN) {
            let id = skipped.user_id.as_deref().unwrap_or("a user");
            // What stands in a file must not steer the operator's terminal.
            writeln!(out, "  {}", plain(&format!("line {}: {id}: {}", skipped.line, skipped.why)))?;
        }
        if self.skipped > MOST_SHOWN as u64 {
            writeln!(out, "  and {} more; --report FILE lists them", self.skipped - MOST_SHOWN as u64)?;
        }
        let n = &self.not_carried;
        for (count, what) in [
            (n.passwords, "a password"),
            (n.webauthn_registrations, "a passkey or security key"),
            (n.totps, "an authenticator app"),
            (n.oauth_providers, "a sign-in with another provider"),
            (n.crypto_wallets, "a wallet"),
            (n.biometric_registrations, "a biometric registration"),
            (n.locks, "a lock"),
            (n.invitations, "an open invitation"),
            (n.reserved_attributes, "an attribute of the vendor's own"),
        ] {
            if count > 0 {
                writeln!(out, "{count:>9}  had {what}, which is not carried over")?;
            }
        }
        if n.unverified_addresses > 0 {
            writeln!(
                out,
                "{:>9}  addresses are not verified: kept in the profile, and nobody is found by them",
                n.unverified_addresses
            )?;
        }
        for (name, count) in n.unknown_fields.iter().take(MOST_SHOWN) {
            let name = plain(&name.chars().take(64).collect::<String>());
            writeln!(out, "{count:>9}  had a value in \"{name}\", a field that the app's schema does not have")?;
        }
        Ok(())
    }
}

/// Without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
