//! The `passlink` binary's rooms: configuration, commands, the listener, background jobs, and the place where everything is put together.
//!
//! Start at [`commands`] for what an operator can do, at [`run`] for how a server lives, at [`assemble`] for what it is made of.

pub mod assemble;
pub mod commands;
pub mod config;
pub mod jobs;
pub mod listener;
pub mod network;
pub mod output;
pub mod run;
pub mod stop;
pub mod system;
pub mod telemetry;
