//! Messages: what goes out, through whom, waiting where.
//!
//! A message row is written in the transaction of its link, with its payload sealed; workers claim, render, send, and empty it. Start at [`dispatch`].

pub mod dispatch;
pub mod inbox;
pub mod payload;
pub mod sender;
pub mod store;
pub mod templates;
