//! The pages a link opens: one button in the browser that may redeem, a choice in any other.

use askama::Template;

use super::brand::Brand;
use super::views::{EntryError, pages};
use super::words::{Words, fill};

/// What pressing the button of a [`ConfirmPage`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs in to the app.
    SignIn,
    /// Signs this device in as the person whose other device showed the link.
    HandOff,
    /// Joins a group, which signs in as well.
    Join {
        /// The group's name.
        group: String,
    },
    /// Proves an address.
    Verify,
    /// Only continues to the app.
    Open,
}

/// What opening a link shows. One form, one button, no script: loading it changes nothing.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// What the button does.
    pub purpose: Purpose,
    /// Whom the link was made for, masked; `None` for a link without an address.
    pub masked_address: Option<String>,
    /// Where the form goes.
    pub action: String,
    /// The hidden field `nonce`.
    pub nonce: String,
    /// How long the link still lives, rounded up.
    pub minutes_left: Option<u32>,
    /// The page presses its button by itself: where the app's policy says that opening is enough.
    pub goes_on: bool,
}

impl ConfirmPage {
    fn script(&self) -> String {
        super::assets::address("forward.js")
    }

    fn title(&self) -> String {
        let words = &self.words.confirm;
        match &self.purpose {
            Purpose::SignIn => self.brand.name_in(words.sign_in_title),
            Purpose::HandOff => self.brand.name_in(words.handoff_title),
            Purpose::Join { group } => fill(words.join_title, &[("app", &self.brand.app_name), ("group", group)]),
            Purpose::Verify => self.brand.name_in(words.verify_title),
            Purpose::Open => self.brand.name_in(words.open_title),
        }
    }

    fn button(&self) -> &'static str {
        let words = &self.words.confirm;
        match self.purpose {
            Purpose::SignIn | Purpose::HandOff => words.sign_in_button,
            Purpose::Join { .. } => words.join_button,
            Purpose::Verify => words.verify_button,
            Purpose::Open => words.open_button,
        }
    }

    /// Who is about to be signed in here: said in a sentence, because the link may have come from anybody.
    fn sentence(&self) -> Option<String> {
        let words = &self.words.confirm;
        (self.purpose == Purpose::HandOff).then(|| match &self.masked_address {
            Some(address) => fill(words.handoff_lead, &[("address", address)]),
            None => words.handoff_lead_unnamed.to_owned(),
        })
    }

    fn life(&self) -> Option<String> {
        let minutes = (self.words.minutes)(self.minutes_left?);
        Some(fill(self.words.confirm.minutes_left, &[("minutes", &minutes)]))
    }
}

/// The link was asked for in one browser and opened in another: here a person can let the first one in by its number, sign
/// in here by the code, or refuse.
#[derive(Clone, Debug, Template)]
#[template(path = "elsewhere.html")]
pub struct ElsewherePage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Whom the link was made for, masked.
    pub masked_address: String,
    /// The requesting browser in words, such as "Firefox on Linux".
    pub requested_from: Option<String>,
    /// How long ago it asked.
    pub minutes_ago: u32,
    /// The hidden field `nonce` of all forms.
    pub nonce: String,
    /// Whether the waiting screen shows a number that can be typed here.
    pub number_offered: bool,
    /// Where the form with the field `number` goes.
    pub number_action: String,
    /// Where the form with the field `code` goes.
    pub code_action: String,
    /// Where the button "It was not me" goes.
    pub refuse_action: String,
    /// What was wrong with the last entry.
    pub error: Option<EntryError>,
}

impl ElsewherePage {
    fn title(&self) -> String {
        self.brand.name_in(self.words.elsewhere.title)
    }

    fn when(&self) -> String {
        (self.words.minutes_ago)(self.minutes_ago)
    }

    fn number_error(&self) -> Option<String> {
        self.error.filter(|error| error.is_number()).map(|error| error.text(self.words))
    }

    fn code_error(&self) -> Option<String> {
        self.error.filter(|error| !error.is_number()).map(|error| error.text(self.words))
    }
}

/// The number matched: the other screen goes on by itself.
#[derive(Clone, Debug, Template)]
#[template(path = "approved.html")]
pub struct ApprovedPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
}

impl ApprovedPage {
    fn title(&self) -> String {
        self.words.done.approved_title.to_owned()
    }
}

pages!(ConfirmPage, ElsewherePage, ApprovedPage);
