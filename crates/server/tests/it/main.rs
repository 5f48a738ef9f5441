//! The binary's rooms from outside: configuration, command line, the listener over real sockets, and whole processes on both databases.

mod command_line;
mod configuration;
mod crashes;
mod dependencies;
mod drain;
mod failover;
mod failpoints;
mod first_minute;
mod fleet;
mod imports;
mod imports_rownd;
mod limits;
mod metrics;
mod notices;
mod outage;
mod races;
mod restarts;
mod shared_limits;
mod stytch_races;
mod support;
mod syncs;
mod tls;
