//! From a raw request to what handlers need: who is calling, from where, and a body that is safe to read.

pub(crate) mod basic;
pub(crate) mod client;
pub(crate) mod json;
pub(crate) mod request;
