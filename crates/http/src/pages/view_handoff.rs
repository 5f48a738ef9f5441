//! Handing a sign-in on: asking for a QR code, showing it, and what became of it. All in the browser of its minter.

use askama::Template;

use super::brand::Brand;
use super::views::pages;
use super::words::{Words, fill};

/// Asks what the other device is called, and leads to the code.
#[derive(Clone, Debug, Template)]
#[template(path = "handoff_start.html")]
pub struct HandoffStartPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Who will be signed in there.
    pub address: String,
    /// The name that was typed.
    pub label: String,
    /// It cannot be one.
    pub label_is_wrong: bool,
    /// Where the form with the field `label` goes.
    pub action: String,
    /// Its hidden field `nonce`.
    pub nonce: String,
    /// The list of devices.
    pub back_url: String,
}

impl HandoffStartPage {
    fn title(&self) -> String {
        self.words.handoff.start_title.to_owned()
    }
}

/// The code. The script `wait.js` counts down and goes on when the other device is signed in; without scripts the page reloads itself.
#[derive(Clone, Debug, Template)]
#[template(path = "handoff.html")]
pub struct HandoffPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// What the other device is called.
    pub label: Option<String>,
    /// The code as a picture.
    pub picture_url: String,
    /// The link in it.
    pub link: String,
    /// How long it still works, in seconds.
    pub seconds_left: u32,
    /// `{"state": "pending" | "redeemed" | "dead"}`, to be polled.
    pub status_url: String,
    /// This page, which then shows what became of the link.
    pub done_url: String,
    /// Without scripts, seconds between reloads.
    pub refresh_seconds: u32,
    /// The list of devices.
    pub back_url: String,
}

impl HandoffPage {
    fn title(&self) -> String {
        self.words.handoff.title.to_owned()
    }

    fn script(&self) -> String {
        super::assets::address("wait.js")
    }

    /// What is true until the next reload: rather a minute too few than one too many.
    fn left(&self) -> String {
        let time = match self.seconds_left {
            seconds @ 0..=119 => (self.words.seconds)(seconds),
            seconds => (self.words.minutes)(seconds / 60),
        };
        fill(self.words.handoff.left, &[("time", &time)])
    }
}

/// The other device is signed in, or was.
#[derive(Clone, Debug, Template)]
#[template(path = "handoff_done.html")]
pub struct HandoffDonePage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// The other device in words.
    pub device: Option<String>,
    /// What it is called.
    pub label: Option<String>,
    /// When it was signed in, in words.
    pub since: String,
    /// It was signed out again.
    pub has_ended: bool,
    /// Where the form that signs it out goes.
    pub sign_out_action: String,
    /// Its hidden field `nonce`.
    pub nonce: String,
    /// The list of devices.
    pub back_url: String,
}

impl HandoffDonePage {
    fn title(&self) -> String {
        let words = &self.words.handoff;
        if self.has_ended { words.done_ended_title.to_owned() } else { words.done_title.to_owned() }
    }
}

/// Nobody used the code, and nobody can any more.
#[derive(Clone, Debug, Template)]
#[template(path = "handoff_over.html")]
pub struct HandoffOverPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Its time is over; else it was ended.
    pub has_expired: bool,
    /// What the other device was to be called.
    pub label: Option<String>,
    /// Where the form for a new one goes.
    pub action: String,
    /// Its hidden field `nonce`.
    pub nonce: String,
    /// The list of devices.
    pub back_url: String,
}

impl HandoffOverPage {
    fn texts(&self) -> (&'static str, &'static str) {
        let words = &self.words.handoff;
        if self.has_expired { (words.expired_title, words.expired) } else { (words.over_title, words.over) }
    }

    fn title(&self) -> String {
        self.texts().0.to_owned()
    }

    fn sentence(&self) -> &'static str {
        self.texts().1
    }
}

pages!(HandoffStartPage, HandoffPage, HandoffDonePage, HandoffOverPage);
