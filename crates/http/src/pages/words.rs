//! Every word our pages show. A translation is one more value of [`Words`]; templates hold no text of their own.
//!
//! Texts are plain, never HTML. `{name}` stands for a value and is filled in by [`fill`]; where a language needs more than
//! that (one minute, two minutes) the field is a function.

pub use super::words_english::ENGLISH;

/// Replaces each `{name}` in `text`. A value is never searched for further placeholders.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(end) = rest[start..].find('}').map(|offset| start + offset) else { break };
        filled.push_str(&rest[..start]);
        let name = &rest[start + 1..end];
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.push_str(&rest[start..=end]),
        }
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    filled
}

/// One language.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// BCP 47 tag for the `lang` attribute.
    pub language: &'static str,
    /// `ltr` or `rtl`.
    pub direction: &'static str,
    /// "1 minute", "2 minutes"; so many of them are told in hours or days.
    pub minutes: fn(u32) -> String,
    /// "1 second", "2 seconds".
    pub seconds: fn(u32) -> String,
    /// "just now", "5 minutes ago".
    pub minutes_ago: fn(u32) -> String,
    /// "1 try left", "2 tries left".
    pub tries_left: fn(u8) -> String,
    /// What several pages share.
    pub common: Common,
    /// The page a link opens.
    pub confirm: Confirm,
    /// The page a link opens in a browser that did not ask for it.
    pub elsewhere: Elsewhere,
    /// The page that waits for the mail to be opened.
    pub waiting: Waiting,
    /// Handing a sign-in on to another device.
    pub handoff: Handoff,
    /// The pages after success.
    pub done: Done,
    /// The pages of links that no longer work.
    pub dead: Dead,
    /// Trouble.
    pub problem: Problem,
    /// The demo sign-in page.
    pub demo: Demo,
    /// The development inbox.
    pub inbox: Inbox,
    /// The API reference.
    pub docs: Docs,
}

macro_rules! texts {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $($(#[$field_about])* pub $field: &'static str,)+
        }
    };
}

texts! {
    /// Used on several pages.
    Common {
        /// Label in front of a masked address.
        address,
        /// Label of the field for the six digits.
        code_label,
        /// Where to find them.
        code_hint,
        /// The digits were wrong. `{tries}`.
        wrong_code,
        /// What was typed is no code at all.
        malformed_code,
        /// Between two ways to go on.
        or,
        /// `{app}`: carries on to the app.
        continue_to_app,
        /// Title of the browser tab: `{page}`, `{app}`.
        tab,
        /// Skips the header with the keyboard.
        skip,
    }
}

texts! {
    /// Titles and buttons by purpose; `{app}` and `{group}`.
    Confirm {
        sign_in_title, sign_in_button,
        join_title, join_button,
        verify_title, verify_button,
        open_title, open_button,
        /// `{app}`
        handoff_title,
        /// `{address}`, masked.
        handoff_lead,
        /// For a person without an address.
        handoff_lead_unnamed,
        /// `{minutes}` the link still lives.
        minutes_left,
        not_you,
    }
}

texts! {
    /// Another browser opens the link.
    Elsewhere {
        /// `{app}`
        title,
        /// Why this page asks.
        lead,
        /// Label of the requesting browser.
        from,
        /// When it is unknown.
        unknown_browser,
        /// Label of the time of the request.
        when,
        there_title, number_label, number_hint, there_button,
        /// `{tries}`
        wrong_number, malformed_number,
        here_title, here_button,
        /// Before the button that refuses.
        not_me_hint, not_me_button,
    }
}

texts! {
    /// Waiting for the mail.
    Waiting {
        title, lead, number_label, number_hint, code_title, code_button,
        status_waiting, status_approved,
        /// `{app}`
        approved_title, approved_lead, approved_button,
        resend_hint, resend_button,
        /// `{seconds}`, counted down by the script.
        resend_wait,
        other_address,
    }
}

texts! {
    /// Handing a sign-in on to another device.
    Handoff {
        start_title, start_lead, label, label_hint, label_error, start_button,
        title, lead,
        /// The alternative text of the code.
        picture,
        status_waiting, status_done,
        /// `{time}`, counted down by the script.
        left,
        link_title, link_hint, copy, copied,
        done_title, done_lead, done_ended_title, done_ended_lead, device, label_short, unknown_device, done_button, not_me_hint, not_me_button,
        expired_title, expired, over_title, over, again_button,
        /// Back to the list of devices.
        back,
    }
}

texts! {
    /// Success.
    Done {
        /// `{app}`
        signed_in_title, signed_in_lead, group, since, ends, sign_out,
        devices_title, this_device, hand_off,
        /// `{time}`
        device_since,
        /// `{device}`: the one it was handed on by.
        device_from,
        /// `{device}`: what the button does, for those who hear it.
        sign_out_device,
        /// Under a list in which one device was handed on by another.
        devices_hint,
        /// `{app}`
        already_title, already_lead,
        approved_title, approved_lead, approved_hint,
    }
}

texts! {
    /// One title and one sentence per reason.
    Dead {
        expired_title, expired, used_title, used, replaced_title, replaced, unknown_title, unknown, closed_title, closed,
        withdrawn_title, withdrawn, minter_ended_title, minter_ended, refused_title, refused,
        resend_lead, resend_button, advice,
        /// `{app}`
        refused_advice,
    }
}

texts! {
    /// Errors for people.
    Problem {
        not_found_title, not_found, method_title, method,
        rate_title,
        /// `{time}`
        rate,
        cross_site_title, cross_site, cross_site_button, large_title, large, server_title, server,
        /// Label in front of the request id.
        request_id, request_id_hint, back,
    }
}

texts! {
    /// The page at `/` of the development server.
    Demo {
        title, lead, email_label, email_placeholder, button, note, inbox, docs,
        email_missing, email_invalid,
        callback_title, callback_lead, callback_failed, callback_back,
    }
}

texts! {
    /// The inbox of the development server.
    Inbox {
        title, lead, empty_title, empty, delete_all, refresh, from, to, when, app, subject, back, open_link, code, html_part, text_part,
        /// `{subject}`: names the frame for screen readers.
        frame, demo,
    }
}

texts! {
    /// The reference pages.
    Docs {
        title, lead, browse, json, all, contents, authentication, parameters, body, responses, errors, example, request, required, optional,
        nullable, deprecated, read_only, write_only, in_path, in_query, in_header, in_cookie, no_body, any, array_of, map_of, or, and,
        variant, recursive, minimum, maximum, more_than, less_than, min_length, max_length, min_items, max_items, multiple_of,
        unique, pattern, default, values, other_group, empty, version, base_address,
        auth_none, auth_basic, auth_bearer, auth_key, auth_other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once() {
        assert_eq!(fill("Hello {a}, {b}!", &[("a", "{b}"), ("b", "x")]), "Hello {b}, x!");
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
        assert_eq!(fill("} {a}{a}", &[("a", "ä")]), "} ää");
    }

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!([(ENGLISH.minutes)(1), (ENGLISH.minutes)(2)], ["1 minute", "2 minutes"]);
        assert_eq!(
            [119, 120, 150, 2880, 10_079, 10_080].map(ENGLISH.minutes),
            ["119 minutes", "2 hours", "2 hours", "2 days", "7 days", "7 days"]
        );
        assert_eq!([(ENGLISH.minutes_ago)(0), (ENGLISH.minutes_ago)(1)], ["just now", "1 minute ago"]);
        assert_eq!((ENGLISH.minutes_ago)(125), "2 hours ago");
        assert_eq!([(ENGLISH.tries_left)(1), (ENGLISH.tries_left)(4)], ["1 try left", "4 tries left"]);
    }
}
