//! The pages of the development server: a sign-in page to try, and the inbox that catches all mail.

use askama::Template;

use super::brand::Brand;
use super::views::pages;
use super::words::{Words, fill};

/// What was wrong with the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailError {
    /// Nothing was typed.
    Missing,
    /// It is no address.
    Invalid,
}

/// The demo sign-in page: the field `email`, posted to `/`.
#[derive(Clone, Debug, Template)]
#[template(path = "demo.html")]
pub struct DemoPage {
    /// The language.
    pub words: &'static Words,
    /// The demo app.
    pub brand: Brand,
    /// The hidden field `nonce`.
    pub nonce: String,
    /// What was typed before.
    pub email: String,
    /// What was wrong with it.
    pub error: Option<EmailError>,
}

impl DemoPage {
    fn title(&self) -> String {
        self.words.demo.title.to_owned()
    }

    fn error_text(&self) -> Option<&'static str> {
        self.error.map(|error| match error {
            EmailError::Missing => self.words.demo.email_missing,
            EmailError::Invalid => self.words.demo.email_invalid,
        })
    }
}

/// The page that receives a sign-in asked for through an API, as an app's own would: `callback.js` takes the tokens out of the fragment and
/// exchanges them for cookies.
#[derive(Clone, Debug, Template)]
#[template(path = "callback.html")]
pub struct CallbackPage {
    /// The language.
    pub words: &'static Words,
    /// The demo app.
    pub brand: Brand,
}

impl CallbackPage {
    fn title(&self) -> String {
        self.words.demo.callback_title.to_owned()
    }

    fn script(&self) -> String {
        super::assets::address("callback.js")
    }
}

/// One message in the list.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// Names it in `/inbox/{id}`; safe in a path as it is.
    pub id: String,
    /// When it came, in words.
    pub when: String,
    /// To whom.
    pub to: String,
    /// About what.
    pub subject: String,
    /// From which app.
    pub app: String,
}

/// All messages, newest first.
#[derive(Clone, Debug, Template)]
#[template(path = "inbox.html")]
pub struct InboxPage {
    /// The language.
    pub words: &'static Words,
    /// The look.
    pub brand: Brand,
    /// The messages.
    pub messages: Vec<InboxRow>,
    /// Where the form that deletes all of them goes.
    pub delete_action: String,
    /// Its hidden field `nonce`.
    pub nonce: String,
}

impl InboxPage {
    fn title(&self) -> String {
        self.words.inbox.title.to_owned()
    }
}

/// One message. Its HTML part is shown in a sandboxed frame that loads `/inbox/{id}/html` (see [`framed_mail`]), so the
/// page needs `frame-src 'self'`.
#[derive(Clone, Debug, Template)]
#[template(path = "inbox_message.html")]
pub struct InboxMessagePage {
    /// The language.
    pub words: &'static Words,
    /// The look.
    pub brand: Brand,
    /// Names the message; safe in a path as it is.
    pub id: String,
    /// About what.
    pub subject: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// When it came, in words.
    pub when: String,
    /// The app it came from.
    pub app: String,
    /// The link in it.
    pub link: Option<String>,
    /// The code in it.
    pub code: Option<String>,
    /// Whether there is an HTML part.
    pub has_html: bool,
    /// The text part.
    pub text: String,
}

impl InboxMessagePage {
    fn title(&self) -> String {
        self.subject.clone()
    }

    fn frame_title(&self) -> String {
        fill(self.words.inbox.frame, &[("subject", &self.subject)])
    }
}

/// The HTML part of a mail as `/inbox/{id}/html` must answer it: its links open in the whole window instead of the frame.
///
/// The answer needs `frame-ancestors 'self'` and, as mail is full of inline styles, `style-src 'unsafe-inline'`; with
/// `sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation` no script can run.
pub fn framed_mail(html: &str) -> String {
    const TARGET: &str = "<base target=\"_top\">";
    let lower = html.to_ascii_lowercase();
    let after_head = lower.find("<head").and_then(|start| lower[start..].find('>').map(|end| start + end + 1));
    match after_head {
        Some(place) => format!("{}{TARGET}{}", &html[..place], &html[place..]),
        None => format!("{TARGET}{html}"),
    }
}

pages!(DemoPage, CallbackPage, InboxPage, InboxMessagePage);

#[cfg(test)]
mod tests {
    use super::framed_mail;

    #[test]
    fn links_of_a_framed_mail_open_in_the_whole_window() {
        assert_eq!(framed_mail("<html><HEAD lang=en><title>x"), "<html><HEAD lang=en><base target=\"_top\"><title>x");
        assert_eq!(framed_mail("<p>x</p>"), "<base target=\"_top\"><p>x</p>");
    }
}
