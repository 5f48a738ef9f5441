//! The store, and the engine's use cases over it, on both databases: one binary, a file for each subject.
//!
//! Every test runs twice, as `sqlite::…` and as `postgres::…`. Only clock, randomness and sender are doubles (`support`).
//! PostgreSQL comes from `scripts/postgres-for-tests cargo nextest run -p passlink-store`. Numbers in names, as in
//! `sec_08`, are those of the project's security requirements.

mod at_rest;
mod codes;
mod elsewhere;
mod events;
mod exchange;
mod expiry;
mod group_commit;
mod group_links;
mod groups;
mod handoff;
mod held_sessions;
mod identity;
mod imports;
mod limits;
mod mails;
mod outbox;
mod people;
mod planned;
mod races;
mod same_group;
mod sameness;
mod schema;
mod sessions;
mod support;
mod sweep;
mod tokens;
