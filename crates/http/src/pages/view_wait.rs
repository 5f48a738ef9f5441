//! The pages in the browser that asked for a link: waiting for the mail, and a new mail on its way.

use askama::Template;

use super::brand::Brand;
use super::views::{EntryError, pages};
use super::words::{Words, fill};

/// "Check your mail". The script `wait.js` moves it along; without scripts it reloads itself, and every step works.
#[derive(Clone, Debug, Template)]
#[template(path = "waiting.html")]
pub struct WaitingPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Where the mail went, masked.
    pub masked_address: String,
    /// The two digits another device will ask for, such as "07".
    pub number: Option<String>,
    /// The hidden field `nonce` of all forms.
    pub nonce: String,
    /// Where the form with the field `code` goes.
    pub code_action: String,
    /// What was wrong with the code.
    pub error: Option<EntryError>,
    /// Where the form for a new link goes.
    pub resend_action: String,
    /// Seconds until it may be used; 0 for now.
    pub resend_wait_seconds: u32,
    /// The page on which another address can be typed.
    pub start_url: String,
    /// The link was opened and approved: shows nothing but the button that finishes.
    pub approved: bool,
    /// Where that button's form goes.
    pub finish_action: String,
    /// Server-sent events; each is `{"state": "pending" | "approved" | "redeemed" | "dead"}`.
    pub events_url: String,
    /// The same object, to be polled.
    pub status_url: String,
    /// Where to go when the request was finished in another tab of this browser.
    pub done_url: String,
    /// Without scripts, seconds between reloads; 0 for never. A reload empties the field for the code, so leave people
    /// the time to type it.
    pub refresh_seconds: u32,
}

impl WaitingPage {
    fn title(&self) -> String {
        if self.approved { self.brand.name_in(self.words.waiting.approved_title) } else { self.words.waiting.title.to_owned() }
    }

    fn script(&self) -> String {
        super::assets::address("wait.js")
    }

    fn refreshes(&self) -> bool {
        self.refresh_seconds > 0 && !self.approved
    }

    fn code_error(&self) -> Option<String> {
        self.error.map(|error| error.text(self.words))
    }

    fn resend_wait(&self) -> String {
        self.resend_in(self.resend_wait_seconds)
    }

    fn resend_wait_last(&self) -> String {
        self.resend_in(1)
    }

    fn resend_in(&self, seconds: u32) -> String {
        fill(self.words.waiting.resend_wait, &[("seconds", &(self.words.seconds)(seconds))])
    }
}

pages!(WaitingPage);
