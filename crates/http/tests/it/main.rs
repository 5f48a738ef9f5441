//! The HTTP room's tests: the whole router in process, over the real store; only clock, entropy and sender have doubles.
//!
//! `support/` has the app under test and browsers for it. Wire cases are files under `tests/cases/`; a new case is a new file.
//! Names that begin with `sec_` carry the number of the security requirement that they prove.

mod apps;
mod asset;
mod cases;
mod documents;
mod flow;
mod forward;
mod fuzz;
mod handoff;
mod hostile;
mod imported;
mod policy;
mod rownd;
mod sec_address;
mod sec_elsewhere;
mod sec_faults;
mod sec_headers;
mod sec_input;
mod sec_logs;
mod sec_opening;
mod sec_origin;
mod sec_panic;
mod sec_press;
mod sec_redirects;
mod sec_secret;
mod sec_session;
mod sec_timing;
mod support;
mod tenants;
