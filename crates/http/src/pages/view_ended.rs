//! The page of a link that no longer works. It names the reason and always has a way on.

use askama::Template;

use super::brand::Brand;
use super::views::pages;
use super::words::Words;

/// Why a link does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// Its time is over.
    Expired,
    /// It was redeemed.
    Used,
    /// A newer one took its place.
    Replaced,
    /// We have never seen it, or no longer know it.
    Unknown,
    /// Too many wrong codes or numbers.
    Closed,
    /// The app does not accept it any more, whoever holds it.
    Withdrawn,
    /// The device that showed it has signed out.
    MinterEnded,
    /// Someone said "It was not me".
    Refused,
}

/// What a person can do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayOn {
    /// A button that sends a new link to the same address.
    Resend {
        /// The address, masked.
        masked_address: String,
        /// Where the form goes.
        action: String,
        /// Its hidden field `nonce`.
        nonce: String,
    },
    /// A link to where signing in starts.
    Start {
        /// The place.
        url: String,
        /// What the link says; `None` for "Continue to {app}".
        label: Option<String>,
    },
    /// Words only.
    Advice,
}

/// This link does not work: why, and what now.
#[derive(Clone, Debug, Template)]
#[template(path = "dead.html")]
pub struct DeadPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Why.
    pub reason: DeadReason,
    /// What now.
    pub way_on: WayOn,
}

impl DeadPage {
    fn texts(&self) -> (&'static str, &'static str) {
        let words = &self.words.dead;
        match self.reason {
            DeadReason::Expired => (words.expired_title, words.expired),
            DeadReason::Used => (words.used_title, words.used),
            DeadReason::Replaced => (words.replaced_title, words.replaced),
            DeadReason::Unknown => (words.unknown_title, words.unknown),
            DeadReason::Closed => (words.closed_title, words.closed),
            DeadReason::Withdrawn => (words.withdrawn_title, words.withdrawn),
            DeadReason::MinterEnded => (words.minter_ended_title, words.minter_ended),
            DeadReason::Refused => (words.refused_title, words.refused),
        }
    }

    fn title(&self) -> String {
        self.texts().0.to_owned()
    }

    fn sentence(&self) -> &'static str {
        self.texts().1
    }

    fn advice(&self) -> &'static str {
        if self.reason == DeadReason::Refused { self.words.dead.refused_advice } else { self.words.dead.advice }
    }

    fn start_label(&self, label: &Option<String>) -> String {
        label.clone().unwrap_or_else(|| self.brand.name_in(self.words.common.continue_to_app))
    }
}

pages!(DeadPage);
