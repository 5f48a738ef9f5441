//! The pages by name. Each is a struct of plain fields with a `render` that gives one HTML document.
//!
//! All of them are made for a content security policy without inline styles, inline scripts or third parties; besides
//! `/assets/` they load nothing but the logo, and a hand-off its QR code. Only what waits carries a script: [`WaitingPage`] and [`HandoffPage`].

pub use super::brand::Brand;
pub use super::view_demo::{CallbackPage, DemoPage, EmailError, InboxMessagePage, InboxPage, InboxRow, framed_mail};
pub use super::view_docs::{Dialect, DocsIndexPage, DocsPage};
pub use super::view_ended::{DeadPage, DeadReason, WayOn};
pub use super::view_handoff::{HandoffDonePage, HandoffOverPage, HandoffPage, HandoffStartPage};
pub use super::view_open::{ApprovedPage, ConfirmPage, ElsewherePage, Purpose};
pub use super::view_problem::ProblemPage;
pub use super::view_signed_in::{AlreadyInPage, DeviceRow, SignedInPage};
pub use super::view_wait::WaitingPage;
pub use super::words::{ENGLISH, Words};

/// What was wrong with the number or code that a person typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// Two digits, but not those on the other screen.
    WrongNumber {
        /// How often one may still try.
        tries_left: u8,
    },
    /// Not two digits.
    MalformedNumber,
    /// Six digits, but not those in the mail.
    WrongCode {
        /// How often one may still try.
        tries_left: u8,
    },
    /// Not six digits.
    MalformedCode,
}

impl EntryError {
    /// Whether it belongs to the field for the number; otherwise to the one for the code.
    pub fn is_number(self) -> bool {
        matches!(self, EntryError::WrongNumber { .. } | EntryError::MalformedNumber)
    }

    pub(super) fn text(self, words: &Words) -> String {
        let with_tries = |text, tries_left| super::words::fill(text, &[("tries", &(words.tries_left)(tries_left))]);
        match self {
            EntryError::WrongNumber { tries_left } => with_tries(words.elsewhere.wrong_number, tries_left),
            EntryError::MalformedNumber => words.elsewhere.malformed_number.to_owned(),
            EntryError::WrongCode { tries_left } => with_tries(words.common.wrong_code, tries_left),
            EntryError::MalformedCode => words.common.malformed_code.to_owned(),
        }
    }
}

/// Gives each page `render`, and what the common layout asks of it besides `title`.
macro_rules! pages {
    ($($page:ident),+ $(,)?) => {
        $(impl $page {
            /// The whole HTML document.
            pub fn render(&self) -> String {
                askama::Template::render(self).expect("writing a page into a string cannot fail")
            }

            fn tab_title(&self) -> String {
                let title = self.title();
                if title.contains(&self.brand.app_name) {
                    return title;
                }
                let values = [("page", title.as_str()), ("app", self.brand.app_name.as_str())];
                $crate::pages::words::fill(self.words.common.tab, &values)
            }

            fn stylesheet(&self) -> String {
                $crate::pages::assets::address("passlink.css")
            }

            fn icon(&self) -> String {
                $crate::pages::assets::address("icon.svg")
            }
        })+
    };
}
pub(super) use pages;

#[cfg(test)]
mod tests;
