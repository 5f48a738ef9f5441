//! Everything a person sees, as pure rendering: a struct of plain fields in, one HTML document out. Routes, cookies and
//! headers are decided elsewhere. Start at [`views`].

pub mod assets;
pub mod brand;
mod view_demo;
mod view_docs;
mod view_ended;
mod view_handoff;
mod view_open;
mod view_problem;
mod view_signed_in;
mod view_wait;
pub mod views;
pub mod words;
mod words_english;
