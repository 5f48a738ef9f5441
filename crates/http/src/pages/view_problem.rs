//! Errors, told to people.

use askama::Template;

use super::brand::Brand;
use super::views::pages;
use super::words::{Words, fill};

/// Something did not work: what, what now, and a number to quote. It reveals nothing internal.
#[derive(Clone, Debug, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    /// The language.
    pub words: &'static Words,
    /// The app, or [`Brand::passlink`] where there is none.
    pub brand: Brand,
    /// A few words.
    pub title: String,
    /// One sentence.
    pub sentence: String,
    /// What the log knows this request by.
    pub request_id: Option<String>,
    /// A link: where to, and what it says.
    pub way_on: Option<(String, String)>,
}

impl ProblemPage {
    fn new(words: &'static Words, brand: Brand, title: &str, sentence: &str) -> ProblemPage {
        ProblemPage { words, brand, title: title.to_owned(), sentence: sentence.to_owned(), request_id: None, way_on: None }
    }

    /// There is nothing at this address.
    pub fn not_found(words: &'static Words, brand: Brand) -> ProblemPage {
        ProblemPage::new(words, brand, words.problem.not_found_title, words.problem.not_found)
    }

    /// There is, but not by this method.
    pub fn method_not_allowed(words: &'static Words, brand: Brand) -> ProblemPage {
        ProblemPage::new(words, brand, words.problem.method_title, words.problem.method)
    }

    /// Too many requests; told in minutes when seconds would be silly.
    pub fn rate_limited(words: &'static Words, brand: Brand, seconds: u32) -> ProblemPage {
        let time = if seconds > 90 { (words.minutes)(seconds.div_ceil(60)) } else { (words.seconds)(seconds.max(1)) };
        ProblemPage::new(words, brand, words.problem.rate_title, &fill(words.problem.rate, &[("time", &time)]))
    }

    /// The form did not come from our own page; `back` is where the button is.
    pub fn cross_site(words: &'static Words, brand: Brand, back: String) -> ProblemPage {
        ProblemPage::new(words, brand, words.problem.cross_site_title, words.problem.cross_site)
            .with_way_on(back, words.problem.cross_site_button.to_owned())
    }

    /// The form held more than any of ours can; `back` is where it is.
    pub fn too_large(words: &'static Words, brand: Brand, back: String) -> ProblemPage {
        ProblemPage::new(words, brand, words.problem.large_title, words.problem.large)
            .with_way_on(back, words.problem.cross_site_button.to_owned())
    }

    /// Our fault.
    pub fn server_error(words: &'static Words, brand: Brand) -> ProblemPage {
        ProblemPage::new(words, brand, words.problem.server_title, words.problem.server)
    }

    /// Adds the number to quote.
    pub fn with_request_id(self, id: String) -> ProblemPage {
        ProblemPage { request_id: Some(id), ..self }
    }

    /// Adds a link.
    pub fn with_way_on(self, url: String, label: String) -> ProblemPage {
        ProblemPage { way_on: Some((url, label)), ..self }
    }

    fn title(&self) -> String {
        self.title.clone()
    }
}

pages!(ProblemPage);
