//! Mail addresses: one canonical form, and nothing hostile.

use passlink_engine::email_address::EmailAddress;
use proptest::prelude::*;

fn canonical(text: &str) -> Option<String> {
    EmailAddress::parse(text).ok().map(|address| address.as_str().to_owned())
}

/// The text of an element, its character references and control pictures turned back.
fn element(test: &str, name: &str) -> Option<String> {
    let inner = test.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
    let mut out = String::new();
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (reference, after) = after.split_once(';')?;
        out.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => match number.strip_prefix("#x") {
                Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?)?,
                None => char::from_u32(number.strip_prefix('#')?.parse().ok()?)?,
            },
        });
        rest = after;
    }
    out.push_str(rest);
    Some(
        out.chars()
            .map(|c| if ('\u{2400}'..='\u{2420}').contains(&c) { char::from((c as u32 - 0x2400) as u8) } else { c })
            .collect(),
    )
}

#[test]
fn sec_27_every_error_of_the_mail_corpus_is_refused() {
    let xml = crate::corpora::read("isemail/tests.xml");
    let (mut errors, mut accepted) = (0, 0);
    for test in xml.split("<test id=").skip(1) {
        let category = element(test, "category").expect("a category");
        // An empty element is written in one tag.
        let address = element(test, "address").unwrap_or_default();
        let parsed = canonical(&address);
        if category == "ISEMAIL_ERR" {
            errors += 1;
            assert_eq!(parsed, None, "{address:?} is an error ({:?})", element(test, "diagnosis"));
        }
        if let Some(text) = parsed {
            accepted += 1;
            assert!(
                text.matches('@').count() == 1 && text.is_ascii() && !text.contains(['"', '(', ',', ' ', '[', '<']),
                "{text:?}"
            );
            assert_eq!(canonical(&text).as_deref(), Some(text.as_str()));
        }
    }
    assert!(errors > 60 && accepted > 10, "{errors} errors, {accepted} accepted");
}

#[test]
fn sec_27_look_alikes_and_invisible_characters_are_refused() {
    let hostile = [
        "ada\u{ff20}example.com",
        "ada\u{fe6b}example.com",
        "ada@example.com\u{ff20}x",
        "\u{ff41}da@example.com",
        "ad\u{131}@example.com",
        "\u{212a}im@example.com",
        "\u{17f}am@example.com",
        "ada@\u{212a}example.com",
        "ada@example.\u{212a}om",
        "ada@\u{17f}example.com",
        "ada@exam\u{200b}ple.com",
        "ad\u{200b}a@example.com",
        "ada\u{200d}@example.com",
        "ada@example.com\u{200b}",
        "\u{feff}ada@example.com",
        "ada@exam\u{ad}ple.com",
        "ada@\u{2060}example.com",
        "ada@example\u{3002}com",
        "ada@example\u{ff0e}com",
        "ada@example\u{ff61}com",
        "ada\u{202e}@example.com",
        "ada@\u{202e}moc.elpmaxe",
        "\u{202a}ada@example.com",
        "ada@ex\u{2066}ample.com",
        "ada@example.com\u{202c}",
        "ada@ｅxample.com",
        "ada@ⓔxample.com",
        "ada@𝐞xample.com",
        "ada@℡.com",
        "ada@example.com\u{0}",
        "ada\u{0}@example.com",
        "ada@exa\u{1b}mple.com",
        "ada@example.com\u{2028}",
        "ada@example.com\u{85}",
        "ada@example.com\u{a0}",
        "ada@\u{115f}example.com",
        "ada@exam\u{fe0f}ple.com",
        "ada@exam\u{e0061}ple.com",
        "äda@example.com",
        "ада@example.com",
        "ada@exam\u{34f}ple.com",
    ];
    for text in hostile {
        assert_eq!(canonical(text), None, "{text:?}");
    }
}

#[test]
fn sec_27_what_is_no_single_plain_address_is_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long = format!("a@{}.com", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join("."));
    let long_label = format!("a@{}.com", "a".repeat(64));
    for text in [
        "",
        " ",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@@example.com",
        "ada@x@example.com",
        "ada@example",
        "ada@localhost",
        "ada@.com",
        "ada@example..com",
        "ada@.example.com",
        "ada@example.com.",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        "\"ada\"@example.com",
        "\"a b\"@example.com",
        "a\\da@example.com",
        "(x)ada@example.com",
        "ada(x)@example.com",
        "ada@(x)example.com",
        "ada@[127.0.0.1]",
        "ada@[IPv6:::1]",
        "ada@127.0.0.1",
        "ada@1.2.3.4",
        "ada@example.123",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "ada@example.com,bob@example.com",
        "ada@example.com;bob@example.com",
        "ada@example.com bob@example.com",
        "ada, bob@example.com",
        "mailto:ada@example.com",
        "ada@example.com?bcc=eve@evil.test",
        "ada@example.com\nBcc: eve@evil.test",
        "ada\r\n@example.com",
        "ada@example.com\r\n.\r\nMAIL FROM:<x>",
        "ada @example.com",
        "ada@ example.com",
        "ada@exam ple.com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@exa_mple.com",
        "ada@example.com/",
        "ada@xn--a.com",
        "ada@xn--",
        "group:ada@example.com;",
        "ada%example.com",
        "ada@example.c*m",
        &long_local,
        &long,
        &long_label,
    ] {
        assert_eq!(canonical(text), None, "{text:?}");
    }
    assert!(canonical(&format!("{}@example.com", "a".repeat(64))).is_some());
}

#[test]
fn sec_28_only_letter_case_is_folded() {
    for (text, expected) in [
        ("ADA@EXAMPLE.COM", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("A.d.A+Tag@Example.com", "a.d.a+tag@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("o'brien!#$%&*+-/=?^_`{|}~@example.com", "o'brien!#$%&*+-/=?^_`{|}~@example.com"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(expected), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn sec_27_the_canonical_form_is_its_own(text in r"[ a-zA-Z0-9.+_@ıKſüÜßσς-]{1,12}@[a-zA-Z0-9.üÜßσςéа-я日ſKı\u{200d}-]{1,16}\.[a-zA-Z]{2,4}") {
        if let Some(once) = canonical(&text) {
            prop_assert!(once.is_ascii());
            prop_assert_eq!(canonical(&once), Some(once.clone()));
            prop_assert_eq!(canonical(&once.to_uppercase()), Some(once.clone()));
            prop_assert_eq!(canonical(&format!(" {once} ")), Some(once));
        }
    }

    #[test]
    fn sec_27_nothing_makes_it_panic(text in any::<String>()) {
        if let Some(once) = canonical(&text) {
            prop_assert!(once.len() <= 254 && once.matches('@').count() == 1);
        }
    }
}
