use super::super::views;
use super::*;
use crate::pages::assets;

#[path = "../../../examples/gallery/samples.rs"]
mod samples;

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)> onclick=\"x\" {{7*7}} \u{202e}";

fn confirm() -> ConfirmPage {
    ConfirmPage {
        words: &ENGLISH,
        brand: samples::brand(),
        purpose: Purpose::SignIn,
        masked_address: Some("a•••@example.com".to_owned()),
        action: "/l/x".to_owned(),
        nonce: "n".to_owned(),
        minutes_left: Some(5),
        goes_on: false,
    }
}

/// The start tags of a document: name, and attributes with their values. Text between tags is skipped.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let mut quote = None;
        let end = rest.find(|letter| match (quote, letter) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(letter);
                false
            }
            (Some(open), _) if open == letter => {
                quote = None;
                false
            }
            _ => false,
        });
        let tag = &rest[..end.expect("every tag is closed")];
        rest = &rest[tag.len()..];
        if tag.starts_with(['/', '!']) {
            continue;
        }
        let (name, mut attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let mut pairs = Vec::new();
        while let Some(at) = attributes.find(|letter: char| !letter.is_whitespace() && letter != '/') {
            attributes = &attributes[at..];
            let end = attributes.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(attributes.len());
            let (name, after) = attributes.split_at(end);
            let value = after.strip_prefix("=\"").map(|value| value.split('"').next().unwrap_or_default());
            attributes = value.map_or(after, |value| &after[value.len() + 3..]);
            pairs.push((name.to_lowercase(), value.unwrap_or_default().to_owned()));
        }
        found.push((name.trim_end_matches('/').to_lowercase(), pairs));
    }
    found
}

fn count(html: &str, name: &str) -> usize {
    tags(html).iter().filter(|(tag, _)| tag == name).count()
}

#[test]
fn no_page_has_inline_code_or_style_or_foreign_resources() {
    for (page, html) in samples::all() {
        for (tag, attributes) in tags(&html) {
            assert!(tag != "style" && tag != "base" && tag != "object" && tag != "embed", "{page}: <{tag}>");
            for (name, value) in &attributes {
                assert!(name != "style" && !name.starts_with("on") && name != "srcdoc", "{page}: {name} on <{tag}>");
                let loads = name == "src" || name == "srcset" || (name == "href" && tag == "link");
                let own = value.starts_with("/assets/")
                    || value.starts_with("/inbox/")
                    || value.starts_with("/handoff/")
                    || (tag == "img" && value.starts_with("data:"));
                assert!(!loads || own, "{page}: <{tag} {name}={value}>");
                assert!(!value.trim().to_lowercase().starts_with("javascript:"), "{page}: {value}");
            }
            if tag == "script" {
                assert!(
                    (page.starts_with("waiting") || page == "handoff") && attributes.iter().any(|(name, _)| name == "src"),
                    "{page}: script"
                );
            }
        }
        assert!(!html.contains("<script>"), "{page}: inline script");
    }
}

#[test]
fn every_asset_a_page_asks_for_exists() {
    for (page, html) in samples::all() {
        for path in html.split("\"/assets/").skip(1).filter_map(|rest| rest.split(['"', '?']).next()) {
            assert!(assets::asset(path).is_some(), "{page}: {path}");
        }
    }
}

#[test]
fn the_confirm_page_is_one_form_with_one_button_and_nothing_that_runs() {
    for (page, html) in samples::opening(&samples::brand()).into_iter().filter(|(name, _)| name.starts_with("confirm")) {
        assert_eq!([count(&html, "form"), count(&html, "button"), count(&html, "script")], [1, 1, 0], "{page}");
        assert_eq!(count(&html, "a"), 0, "{page}: nothing else to press");
        assert!(!html.to_lowercase().contains("http-equiv"), "{page}: no refresh");
        assert!(html.contains("<form method=\"post\"") && html.contains("name=\"nonce\""), "{page}");
    }
}

#[test]
fn hostile_names_and_addresses_are_inert() {
    let hostile = Brand { app_name: HOSTILE.to_owned(), logo_url: Some(HOSTILE.to_owned()), colour: HOSTILE.to_owned() };
    let mut pages = samples::opening(&hostile);
    pages.extend(samples::waiting(&hostile));
    pages.extend(samples::ended(&hostile));
    pages.extend(samples::handoff(&hostile));
    let purpose = Purpose::Join { group: HOSTILE.to_owned() };
    let page = ConfirmPage { masked_address: Some(HOSTILE.to_owned()), nonce: HOSTILE.to_owned(), purpose, ..confirm() };
    pages.push(("confirm-hostile", page.render()));
    let purpose = Purpose::HandOff;
    let page = ConfirmPage { masked_address: Some(HOSTILE.to_owned()), purpose, ..confirm() };
    pages.push(("confirm-handoff-hostile", page.render()));
    pages.extend(samples::devices_called(HOSTILE));
    let demo = DemoPage { words: &ENGLISH, brand: hostile, nonce: String::new(), email: HOSTILE.to_owned(), error: None };
    pages.push(("demo-hostile", demo.render()));
    for (page, html) in pages {
        assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{page}");
        let images = tags(&html).into_iter().filter(|(tag, _)| tag == "img").flat_map(|(_, attributes)| attributes);
        assert!(
            images.map(|(name, _)| name).all(|name| ["class", "src", "alt", "width", "height"].contains(&name.as_str())),
            "{page}"
        );
        let handlers = tags(&html).into_iter().flat_map(|(_, attributes)| attributes).filter(|(name, _)| name.starts_with("on"));
        assert_eq!(handlers.count(), 0, "{page}");
    }
}

#[test]
fn hostile_mail_is_inert_in_the_inbox() {
    let message = InboxMessagePage {
        words: &ENGLISH,
        brand: Brand::passlink(),
        id: "1".to_owned(),
        subject: HOSTILE.to_owned(),
        from: HOSTILE.to_owned(),
        to: HOSTILE.to_owned(),
        when: "now".to_owned(),
        app: HOSTILE.to_owned(),
        link: None,
        code: Some(HOSTILE.to_owned()),
        has_html: true,
        text: HOSTILE.to_owned(),
    };
    let html = message.render();
    assert_eq!([count(&html, "script"), count(&html, "img"), count(&html, "iframe")], [0, 0, 1]);
    assert!(!html.contains("allow-scripts") && !html.contains("allow-same-origin"));
}

#[test]
fn every_form_posts_with_a_nonce() {
    for (page, html) in samples::all() {
        for form in html.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next()) {
            assert!(form.contains("method=\"post\"") && form.contains("name=\"nonce\""), "{page}: {form}");
        }
    }
}

#[test]
fn every_page_is_a_document_with_language_title_and_heading() {
    for (page, html) in samples::all() {
        assert!(html.starts_with("<!doctype html>") && html.contains("<html lang=\"en\" dir=\"ltr\">"), "{page}");
        assert_eq!([count(&html, "title"), count(&html, "h1"), count(&html, "main")], [1, 1, 1], "{page}");
        for attribute in ["aria-describedby", "aria-labelledby", "for"] {
            for value in tags(&html).into_iter().flat_map(|(_, pairs)| pairs).filter(|(name, _)| name == attribute) {
                for id in value.1.split_whitespace() {
                    assert!(html.contains(&format!("id=\"{id}\"")), "{page}: {attribute} names {id}");
                }
            }
        }
    }
}

#[test]
fn a_dead_link_always_has_a_way_on() {
    for (page, html) in samples::ended(&samples::brand()).into_iter().filter(|(name, _)| name.starts_with("dead")) {
        let ways = count(&html, "button") + count(&html, "a");
        assert!(ways == 1 || html.contains(ENGLISH.dead.advice) || html.contains(ENGLISH.dead.refused_advice), "{page}");
    }
}

#[test]
fn what_was_wrong_stands_at_its_own_field() {
    let pages = samples::opening(&samples::brand());
    let html = |wanted: &str| pages.iter().find(|(name, _)| *name == wanted).map(|(_, html)| html.as_str()).unwrap();
    let number = html("elsewhere-wrong-number");
    assert!(number.contains("id=\"number-error\"") && !number.contains("id=\"code-error\"") && number.contains("1 try left"));
    let code = html("elsewhere-wrong-code");
    assert!(code.contains("id=\"code-error\"") && !code.contains("id=\"number-error\"") && code.contains("3 tries left"));
    assert!(!html("elsewhere-code-only").contains("name=\"number\""));
}

#[test]
fn waits_are_told_in_the_unit_people_use() {
    let sentence = |seconds| ProblemPage::rate_limited(&ENGLISH, Brand::passlink(), seconds).sentence;
    assert!(sentence(0).contains("1 second.") && sentence(90).contains("90 seconds") && sentence(91).contains("2 minutes"));
}

#[test]
fn without_scripts_the_waiting_page_reloads_until_approved() {
    let pages = samples::waiting(&samples::brand());
    let refreshes = |wanted: &str| {
        pages.iter().any(|(name, html)| *name == wanted && html.contains("<noscript><meta http-equiv=\"refresh\""))
    };
    assert!(refreshes("waiting") && !refreshes("waiting-approved"));
}
