//! One of each page in each of its states. Also what the tests look at.

use super::views::{
    AlreadyInPage, ApprovedPage, Brand, ConfirmPage, DeadPage, DeadReason, DemoPage, DeviceRow, Dialect, DocsIndexPage, DocsPage,
    ENGLISH, ElsewherePage, EmailError, EntryError, HandoffDonePage, HandoffOverPage, HandoffPage, HandoffStartPage,
    InboxMessagePage, InboxPage, InboxRow, ProblemPage, Purpose, SignedInPage, WaitingPage, WayOn,
};

const ADDRESS: &str = "a•••@example.com";

/// Name and HTML.
pub fn all() -> Vec<(&'static str, String)> {
    let mut pages = opening(&brand());
    pages.extend(waiting(&brand()));
    pages.extend(handoff(&brand()));
    pages.extend(ended(&brand()));
    pages.extend(problems());
    pages.extend(development());
    pages
}

/// An app with a colour.
pub fn brand() -> Brand {
    Brand { app_name: "Acme Notes".to_owned(), logo_url: None, colour: "#6d3fd1".to_owned() }
}

pub fn opening(brand: &Brand) -> Vec<(&'static str, String)> {
    let confirm = ConfirmPage {
        words: &ENGLISH,
        brand: brand.clone(),
        purpose: Purpose::SignIn,
        masked_address: Some(ADDRESS.to_owned()),
        action: "/l/3vK9".to_owned(),
        nonce: "n0nce".to_owned(),
        minutes_left: Some(8),
        goes_on: false,
    };
    let join =
        ConfirmPage { purpose: Purpose::Join { group: "Night Shift".to_owned() }, masked_address: None, ..confirm.clone() };
    let hand_off = ConfirmPage { purpose: Purpose::HandOff, ..confirm.clone() };
    let hand_off_unnamed = ConfirmPage { masked_address: None, ..hand_off.clone() };
    let verify = ConfirmPage { purpose: Purpose::Verify, minutes_left: None, ..confirm.clone() };
    let logo = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='%23f5b301'/%3E%3C/svg%3E";
    let yellow = Brand { app_name: "Sunny".to_owned(), logo_url: Some(logo.to_owned()), colour: "#ffd60a".to_owned() };
    let open = ConfirmPage { purpose: Purpose::Open, brand: yellow, ..confirm.clone() };
    let elsewhere = ElsewherePage {
        words: &ENGLISH,
        brand: brand.clone(),
        masked_address: ADDRESS.to_owned(),
        requested_from: Some("Firefox on Linux".to_owned()),
        minutes_ago: 2,
        nonce: "n0nce".to_owned(),
        number_offered: true,
        number_action: "/l/3vK9/number".to_owned(),
        code_action: "/l/3vK9/code".to_owned(),
        refuse_action: "/l/3vK9/refuse".to_owned(),
        error: None,
    };
    let wrong_number = ElsewherePage { error: Some(EntryError::WrongNumber { tries_left: 1 }), ..elsewhere.clone() };
    let wrong_code = ElsewherePage { error: Some(EntryError::WrongCode { tries_left: 3 }), ..elsewhere.clone() };
    let code_only = ElsewherePage { number_offered: false, requested_from: None, minutes_ago: 0, ..elsewhere.clone() };
    vec![
        ("confirm", confirm.render()),
        ("confirm-join", join.render()),
        ("confirm-handoff", hand_off.render()),
        ("confirm-handoff-unnamed", hand_off_unnamed.render()),
        ("confirm-verify", verify.render()),
        ("confirm-open-yellow", open.render()),
        ("elsewhere", elsewhere.render()),
        ("elsewhere-wrong-number", wrong_number.render()),
        ("elsewhere-wrong-code", wrong_code.render()),
        ("elsewhere-code-only", code_only.render()),
        ("approved", ApprovedPage { words: &ENGLISH, brand: brand.clone() }.render()),
    ]
}

pub fn waiting(brand: &Brand) -> Vec<(&'static str, String)> {
    let waiting = WaitingPage {
        words: &ENGLISH,
        brand: brand.clone(),
        masked_address: ADDRESS.to_owned(),
        number: Some("47".to_owned()),
        nonce: "n0nce".to_owned(),
        code_action: "/wait/code".to_owned(),
        error: None,
        resend_action: "/wait/resend".to_owned(),
        resend_wait_seconds: 0,
        start_url: "/".to_owned(),
        approved: false,
        finish_action: "/wait/finish".to_owned(),
        events_url: "/wait/events".to_owned(),
        status_url: "/wait/status".to_owned(),
        done_url: "/done".to_owned(),
        refresh_seconds: 15,
    };
    let early = WaitingPage { resend_wait_seconds: 42, ..waiting.clone() };
    let wrong = WaitingPage { error: Some(EntryError::WrongCode { tries_left: 4 }), ..waiting.clone() };
    let no_number = WaitingPage { number: None, ..waiting.clone() };
    let approved = WaitingPage { approved: true, ..waiting.clone() };
    vec![
        ("waiting", waiting.render()),
        ("waiting-early", early.render()),
        ("waiting-wrong-code", wrong.render()),
        ("waiting-no-number", no_number.render()),
        ("waiting-approved", approved.render()),
    ]
}

pub fn ended(brand: &Brand) -> Vec<(&'static str, String)> {
    let signed_in = SignedInPage {
        words: &ENGLISH,
        brand: brand.clone(),
        address: "ada@example.com".to_owned(),
        is_group: false,
        since: "today at 09:30 UTC".to_owned(),
        ends: "20 December at 09:30 UTC".to_owned(),
        continue_url: Some("https://notes.example.com/".to_owned()),
        sign_out_action: "/sign-out".to_owned(),
        nonce: "n0nce".to_owned(),
        devices: vec![device(None, Some("Firefox on Linux"), None, true)],
        ends_together: true,
        hand_off_url: "/handoff".to_owned(),
    };
    let several = SignedInPage {
        devices: vec![
            device(None, Some("Firefox on Linux"), None, true),
            device(Some("Ada’s phone"), Some("Safari on iPhone"), Some("Firefox on Linux"), false),
            device(None, None, Some("Ada’s phone"), false),
            device(Some(&"very-long-name".repeat(4)), None, None, false),
        ],
        ..signed_in.clone()
    };
    let of_group = SignedInPage { address: "Brass & Co".to_owned(), is_group: true, devices: Vec::new(), ..signed_in.clone() };
    let already_in =
        AlreadyInPage { words: &ENGLISH, brand: brand.clone(), continue_url: "https://notes.example.com/".to_owned() };
    let dead = |reason, way_on| DeadPage { words: &ENGLISH, brand: brand.clone(), reason, way_on }.render();
    let resend =
        || WayOn::Resend { masked_address: ADDRESS.to_owned(), action: "/l/3vK9/resend".to_owned(), nonce: "n0nce".to_owned() };
    let start = |label: Option<&str>| WayOn::Start {
        url: "https://notes.example.com/sign-in".to_owned(),
        label: label.map(str::to_owned),
    };
    vec![
        ("signed-in", signed_in.render()),
        ("signed-in-several", several.render()),
        ("signed-in-group", of_group.render()),
        ("already-in", already_in.render()),
        ("dead-expired", dead(DeadReason::Expired, resend())),
        ("dead-used", dead(DeadReason::Used, start(None))),
        ("dead-replaced", dead(DeadReason::Replaced, resend())),
        ("dead-unknown", dead(DeadReason::Unknown, WayOn::Advice)),
        ("dead-closed", dead(DeadReason::Closed, start(Some("Start again")))),
        ("dead-withdrawn", dead(DeadReason::Withdrawn, start(None))),
        ("dead-minter-ended", dead(DeadReason::MinterEnded, start(None))),
        ("dead-refused", dead(DeadReason::Refused, WayOn::Advice)),
    ]
}

fn device(label: Option<&str>, device: Option<&str>, parent: Option<&str>, is_this: bool) -> DeviceRow {
    DeviceRow {
        label: label.map(str::to_owned),
        device: device.map(str::to_owned),
        since: "2026-11-20 09:30 UTC".to_owned(),
        parent: parent.map(str::to_owned),
        is_this,
        sign_out_action: "/sign-out/0192".to_owned(),
    }
}

/// The pages that show the name of a device.
#[cfg_attr(not(test), expect(dead_code, reason = "for the tests, which share this file"))]
pub fn devices_called(name: &str) -> Vec<(&'static str, String)> {
    let signed_in = SignedInPage {
        words: &ENGLISH,
        brand: brand(),
        address: name.to_owned(),
        is_group: false,
        since: String::new(),
        ends: String::new(),
        continue_url: None,
        sign_out_action: "/sign-out".to_owned(),
        nonce: "n0nce".to_owned(),
        devices: vec![device(Some(name), Some(name), Some(name), false)],
        ends_together: true,
        hand_off_url: "/handoff".to_owned(),
    };
    let start = HandoffStartPage {
        words: &ENGLISH,
        brand: brand(),
        address: name.to_owned(),
        label: name.to_owned(),
        label_is_wrong: true,
        action: "/handoff".to_owned(),
        nonce: "n0nce".to_owned(),
        back_url: "/signed-in".to_owned(),
    };
    let over = HandoffOverPage {
        words: &ENGLISH,
        brand: brand(),
        has_expired: true,
        label: Some(name.to_owned()),
        action: "/handoff".to_owned(),
        nonce: "n0nce".to_owned(),
        back_url: "/signed-in".to_owned(),
    };
    vec![("devices-named", signed_in.render()), ("handoff-start-named", start.render()), ("handoff-over-named", over.render())]
}

pub fn handoff(brand: &Brand) -> Vec<(&'static str, String)> {
    let label = || Some("Ada’s phone".to_owned());
    let start = HandoffStartPage {
        words: &ENGLISH,
        brand: brand.clone(),
        address: "ada@example.com".to_owned(),
        label: String::new(),
        label_is_wrong: false,
        action: "/handoff".to_owned(),
        nonce: "n0nce".to_owned(),
        back_url: "/signed-in".to_owned(),
    };
    let wrong = HandoffStartPage { label: "too long ".repeat(9), label_is_wrong: true, ..start.clone() };
    let shown = HandoffPage {
        words: &ENGLISH,
        brand: brand.clone(),
        label: label(),
        picture_url: "/handoff/0192/qr.svg".to_owned(),
        link: format!("https://auth.example.com/l/plk_{}", "A".repeat(56)),
        seconds_left: 893,
        status_url: "/handoff/0192/status".to_owned(),
        done_url: "/handoff/0192".to_owned(),
        refresh_seconds: 15,
        back_url: "/signed-in".to_owned(),
    };
    let done = HandoffDonePage {
        words: &ENGLISH,
        brand: brand.clone(),
        device: Some("Safari on iPhone".to_owned()),
        label: label(),
        since: "2026-11-20 09:31 UTC".to_owned(),
        has_ended: false,
        sign_out_action: "/sign-out/0192".to_owned(),
        nonce: "n0nce".to_owned(),
        back_url: "/signed-in".to_owned(),
    };
    let ended = HandoffDonePage { has_ended: true, device: None, label: None, ..done.clone() };
    let expired = HandoffOverPage {
        words: &ENGLISH,
        brand: brand.clone(),
        has_expired: true,
        label: label(),
        action: "/handoff".to_owned(),
        nonce: "n0nce".to_owned(),
        back_url: "/signed-in".to_owned(),
    };
    let over = HandoffOverPage { has_expired: false, label: None, ..expired.clone() };
    vec![
        ("handoff-start", start.render()),
        ("handoff-start-wrong", wrong.render()),
        ("handoff", shown.render()),
        ("handoff-done", done.render()),
        ("handoff-done-ended", ended.render()),
        ("handoff-expired", expired.render()),
        ("handoff-over", over.render()),
    ]
}

pub fn problems() -> Vec<(&'static str, String)> {
    let id = || "req_01jd8x7k2m".to_owned();
    let back = ("/".to_owned(), ENGLISH.problem.back.to_owned());
    vec![
        ("problem-not-found", ProblemPage::not_found(&ENGLISH, brand()).with_way_on(back.0, back.1).render()),
        ("problem-method", ProblemPage::method_not_allowed(&ENGLISH, brand()).render()),
        ("problem-rate", ProblemPage::rate_limited(&ENGLISH, brand(), 200).with_request_id(id()).render()),
        ("problem-cross-site", ProblemPage::cross_site(&ENGLISH, brand(), "/l/3vK9".to_owned()).render()),
        ("problem-too-large", ProblemPage::too_large(&ENGLISH, brand(), "/l/3vK9".to_owned()).render()),
        ("problem-server", ProblemPage::server_error(&ENGLISH, Brand::passlink()).with_request_id(id()).render()),
    ]
}

pub fn development() -> Vec<(&'static str, String)> {
    let demo =
        DemoPage { words: &ENGLISH, brand: Brand::passlink(), nonce: "n0nce".to_owned(), email: String::new(), error: None };
    let wrong = DemoPage { email: "ada@".to_owned(), error: Some(EmailError::Invalid), ..demo.clone() };
    let row = |id: &str, when: &str, subject: &str| InboxRow {
        id: id.to_owned(),
        when: when.to_owned(),
        to: "ada@example.com".to_owned(),
        subject: subject.to_owned(),
        app: "Acme Notes".to_owned(),
    };
    let inbox = InboxPage {
        words: &ENGLISH,
        brand: Brand::passlink(),
        messages: vec![
            row("3", "just now", "Sign in to Acme Notes"),
            row("2", "4 minutes ago", "Join Night Shift on Acme Notes"),
        ],
        delete_action: "/inbox/delete".to_owned(),
        nonce: "n0nce".to_owned(),
    };
    let empty = InboxPage { messages: Vec::new(), ..inbox.clone() };
    let message = InboxMessagePage {
        words: &ENGLISH,
        brand: Brand::passlink(),
        id: "3".to_owned(),
        subject: "Sign in to Acme Notes".to_owned(),
        from: "Acme Notes <hello@example.com>".to_owned(),
        to: "ada@example.com".to_owned(),
        when: "just now".to_owned(),
        app: "Acme Notes".to_owned(),
        link: Some("https://auth.example.com/l/3vK9".to_owned()),
        code: Some("482913".to_owned()),
        has_html: true,
        text: "Sign in to Acme Notes\n\nhttps://auth.example.com/l/3vK9\n\nYour code: 482913\n".to_owned(),
    };
    let dialect = |slug: &str, name: &str, sentence: &str| Dialect {
        slug: slug.to_owned(),
        name: name.to_owned(),
        sentence: sentence.to_owned(),
    };
    let index = DocsIndexPage {
        words: &ENGLISH,
        brand: Brand::passlink(),
        dialects: vec![
            dialect("native", "Passlink", "Our own API: apps, clients, links and sessions in our own words."),
            dialect("stytch", "Stytch", "Magic links, embeddable links and sessions for code written for Stytch."),
        ],
    };
    let document = serde_json::from_str(include_str!("openapi.json")).expect("the sample document is JSON");
    let docs = DocsPage::new(&ENGLISH, Brand::passlink(), "native".to_owned(), "https://auth.example.com", &document);
    vec![
        ("demo", demo.render()),
        ("demo-wrong", wrong.render()),
        ("inbox", inbox.render()),
        ("inbox-empty", empty.render()),
        ("inbox-message", message.render()),
        ("docs-index", index.render()),
        ("docs", docs.render()),
    ]
}
