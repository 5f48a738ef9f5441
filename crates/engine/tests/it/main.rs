//! What the engine decides without storage, against corpora and tables of hostile input. Numbers in names, as in `sec_18`, are those
//! of the project's security requirements.

mod addresses;
mod corpora;
mod origins;
mod paths;
mod secrets;
