//! The API reference: OpenAPI documents as plain pages, without any script.
//!
//! [`model`] reads a document into what the template shows; [`schema`] flattens schemas into rows, [`example`] makes up
//! example values, [`prose`] reads descriptions, [`curl`] writes commands.

mod curl;
mod example;
mod model;
mod prose;
mod schema;

use askama::Template;
use serde_json::Value;

use super::brand::Brand;
use super::views::pages;
use super::words::{Words, fill};
use model::Reference;

/// One dialect in the list.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Names it in `/docs/{slug}` and `/openapi/{slug}.json`.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// One sentence on what it is for.
    pub sentence: String,
}

/// All dialects.
#[derive(Clone, Debug, Template)]
#[template(path = "docs_index.html")]
pub struct DocsIndexPage {
    /// The language.
    pub words: &'static Words,
    /// The look.
    pub brand: Brand,
    /// The dialects.
    pub dialects: Vec<Dialect>,
}

impl DocsIndexPage {
    fn title(&self) -> String {
        self.words.docs.title.to_owned()
    }

    fn reference_stylesheet(&self) -> String {
        super::assets::address("reference.css")
    }
}

/// The reference of one dialect.
#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    words: &'static Words,
    brand: Brand,
    slug: String,
    reference: Reference,
    errors: Vec<DocsError>,
}

/// A code of an error, and what to do about it.
#[derive(Clone, Debug)]
struct DocsError {
    code: &'static str,
    meaning: Vec<prose::Span>,
}

impl DocsPage {
    /// Reads an OpenAPI 3.1 document. Whatever it does not understand it leaves out; it refuses nothing. `base` stands in
    /// front of the paths in examples, such as `https://auth.example.com`.
    pub fn new(words: &'static Words, brand: Brand, slug: String, base: &str, document: &Value) -> DocsPage {
        DocsPage { words, brand, slug, reference: Reference::read(document, base, words), errors: Vec::new() }
    }

    /// With what the codes of its errors mean: each at an anchor of its name.
    #[must_use]
    pub fn with_errors(mut self, errors: &[(&'static str, &'static str)]) -> Self {
        self.errors = errors.iter().map(|(code, text)| DocsError { code, meaning: prose::spans(text) }).collect();
        self
    }

    fn title(&self) -> String {
        if self.reference.title.is_empty() { self.words.docs.title.to_owned() } else { self.reference.title.clone() }
    }

    fn version(&self) -> String {
        fill(self.words.docs.version, &[("version", &self.reference.version)])
    }

    fn reference_stylesheet(&self) -> String {
        super::assets::address("reference.css")
    }
}

pages!(DocsIndexPage, DocsPage);

#[cfg(test)]
mod tests;
