//! The pages of someone who is signed in.

use askama::Template;

use super::brand::Brand;
use super::views::pages;
use super::words::{Words, fill};

/// One of a person's devices.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// What the person calls it.
    pub label: Option<String>,
    /// What it is, such as "Firefox on Linux".
    pub device: Option<String>,
    /// When it was signed in, in words.
    pub since: String,
    /// The name of the device that signed it in, if that is listed too; it stands somewhere above.
    pub parent: Option<String>,
    /// The person looks at it right now.
    pub is_this: bool,
    /// Where the form that signs it out goes.
    pub sign_out_action: String,
}

impl DeviceRow {
    /// What to call it.
    pub fn name(&self, words: &Words) -> String {
        let name = self.label.as_deref().or(self.device.as_deref());
        name.unwrap_or(words.handoff.unknown_device).to_owned()
    }
}

/// The session: who, since when, until when, and the way out.
#[derive(Clone, Debug, Template)]
#[template(path = "signed_in.html")]
pub struct SignedInPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Who is signed in.
    pub address: String,
    /// The session is a group's: `address` is its name, and there are no devices.
    pub is_group: bool,
    /// When the session began, in words.
    pub since: String,
    /// When it ends, in words.
    pub ends: String,
    /// Where the app is.
    pub continue_url: Option<String>,
    /// Where the form that ends the session goes.
    pub sign_out_action: String,
    /// The hidden field `nonce` of all forms.
    pub nonce: String,
    /// The person's devices, each below the one that signed it in.
    pub devices: Vec<DeviceRow>,
    /// What a device signed in is signed out with it.
    pub ends_together: bool,
    /// Where another device can be signed in.
    pub hand_off_url: String,
}

impl SignedInPage {
    fn name_of(&self, device: &DeviceRow) -> String {
        device.name(self.words)
    }

    /// What else is known of a device.
    fn about(&self, device: &DeviceRow) -> Vec<String> {
        let words = &self.words.done;
        let kind = device.device.clone().filter(|_| device.label.is_some());
        let from = device.parent.as_ref().map(|parent| fill(words.device_from, &[("device", parent)]));
        let since = fill(words.device_since, &[("time", &device.since)]);
        kind.into_iter().chain([since]).chain(from).collect()
    }

    fn sign_out_label(&self, device: &DeviceRow) -> String {
        fill(self.words.done.sign_out_device, &[("device", &self.name_of(device))])
    }

    fn hints(&self) -> bool {
        self.ends_together && self.devices.iter().any(|device| device.parent.is_some())
    }

    fn title(&self) -> String {
        self.brand.name_in(self.words.done.signed_in_title)
    }
}

/// The link was redeemed before, by this very browser.
#[derive(Clone, Debug, Template)]
#[template(path = "already_in.html")]
pub struct AlreadyInPage {
    /// The language.
    pub words: &'static Words,
    /// The app.
    pub brand: Brand,
    /// Where to go on.
    pub continue_url: String,
}

impl AlreadyInPage {
    fn title(&self) -> String {
        self.words.done.already_title.to_owned()
    }
}

pages!(SignedInPage, AlreadyInPage);
