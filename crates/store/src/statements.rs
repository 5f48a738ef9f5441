//! Every statement by name, so that one test prepares each of them on both databases.

/// Declares statements as constants, and lists them.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(const $name: &str = $sql;)+
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use statements;

/// A statement over a batch of rows that other servers may be after at the same time. PostgreSQL passes over rows that somebody holds: two servers
/// that took the same rows in different orders would wait for each other until the deadlock is found, a second later. SQLite has one writer and no
/// such clause.
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Declares batches: what to do, with which key, the query that chooses the keys, and the rest. On PostgreSQL the choice is an array, because a plan
/// may run a joined query again, which would then pass over its own rows and choose more.
macro_rules! batches {
    ($($name:ident = $head:literal, $key:literal, [$choice:expr], $rest:literal;)+) => {
        $(const $name: $crate::statements::Batch = $crate::statements::Batch {
            sqlite: concat!($head, " ", $key, " IN (", $choice, ")", $rest),
            postgres: concat!($head, " ", $key, " = ANY(ARRAY(", $choice, " FOR UPDATE SKIP LOCKED))", $rest),
        };)+
        pub(crate) const BATCHES: &[(&str, $crate::statements::Batch)] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use batches;

/// Declares an insert without reading back: `append! { NAME table (column kind, …) }`.
macro_rules! append {
    ($name:ident, $module:ident, $one:expr, $many:expr, [$($kind:ident),+ $(,)?]) => {
        pub(crate) mod $module {
            pub(crate) const ONE: &str = $one;
            pub(crate) const MANY: &str = $many;
        }
        pub(crate) static $name: $crate::tx::Append =
            $crate::tx::Append { one: $module::ONE, many: $module::MANY, kinds: &[$($crate::tx::Kind::$kind),+] };
    };
}
pub(crate) use append;

/// A statement's name and text.
pub type Named = (&'static str, &'static str);

/// All statements.
pub struct Statements {
    /// Those of both databases.
    pub both: Vec<Named>,
    /// Those of SQLite alone.
    pub sqlite: Vec<Named>,
    /// Those of PostgreSQL alone: inserts from arrays, locks.
    pub postgres: Vec<Named>,
}

/// All statements by name.
pub fn all_statements() -> Statements {
    let shared = [
        crate::apps::ALL,
        crate::events::ALL,
        crate::group_sessions::ALL,
        crate::groups::ALL,
        crate::members::ALL,
        crate::limits::ALL,
        crate::links::ALL,
        crate::redeem::ALL,
        crate::maintenance::ALL,
        crate::notices::ALL,
        crate::outbox::ALL,
        crate::sessions::ALL,
        crate::users::ALL,
        crate::people::ALL,
        crate::invites::ALL,
    ]
    .concat();
    let appends = [
        ("events", &crate::events::INSERT_EVENT),
        ("links", &crate::links::INSERT_LINK),
        ("outbox", &crate::outbox::INSERT_MESSAGE),
        ("inbox", &crate::outbox::INSERT_INBOX),
        ("users", &crate::users::INSERT_USER),
        ("sessions", &crate::sessions::INSERT_SESSION),
        ("group sessions", &crate::group_sessions::INSERT_GROUP_SESSION),
        ("notices", &crate::notices::INSERT_NOTICE),
        ("session_tokens", &crate::sessions::INSERT_TOKEN),
    ];
    let one = appends.iter().map(|(name, insert)| (*name, insert.one));
    let many = appends.iter().map(|(name, insert)| (*name, insert.many));
    let batches = [crate::maintenance::BATCHES, crate::notices::BATCHES, crate::outbox::BATCHES].concat();
    Statements {
        both: shared.into_iter().chain(one).collect(),
        sqlite: batches.iter().map(|(name, batch)| (*name, batch.sqlite)).collect(),
        postgres: many
            .chain(batches.iter().map(|(name, batch)| (*name, batch.postgres)))
            .chain([
                ("LOCK_ADDRESS", crate::redeem::LOCK_ADDRESS),
                ("LOCK_SESSION", crate::sessions::LOCK_SESSION),
                ("HOLD_USER", crate::members::HOLD_USER),
                ("HOLD_GROUP", crate::members::HOLD_GROUP),
                ("HOLD_GROUP_ALONE", crate::members::HOLD_GROUP_ALONE),
            ])
            .collect(),
    }
}
