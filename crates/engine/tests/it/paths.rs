//! A place inside the app stays inside the app, however it is decoded.

use passlink_engine::redirects::{Origin, RedirectTarget, RelativePath};
use proptest::prelude::*;

fn origin() -> Origin {
    Origin::parse("https://app.example.com").unwrap()
}

#[test]
fn sec_20_hostile_relative_values_are_refused() {
    let hostile = [
        // Other hosts.
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "//evil.test/%2f..",
        "/\\evil.test",
        "\\/evil.test",
        "\\\\evil.test",
        "\\evil.test",
        "/\\/evil.test",
        "/\\\\evil.test",
        "//\\evil.test",
        "/.//evil.test",
        "/..//evil.test",
        "/a/..//evil.test",
        "/./\\evil.test",
        // The same, encoded once and twice.
        "/%2fevil.test",
        "/%2Fevil.test",
        "%2f%2fevil.test",
        "/%5cevil.test",
        "/%5Cevil.test",
        "%5c%5cevil.test",
        "/%252fevil.test",
        "/%255cevil.test",
        "/%2e%2f/evil.test",
        "/%2e/%2fevil.test",
        "/%2e%2e/%2fevil.test",
        "/a/%2e%2e%2f%2fevil.test",
        "/a%2f/evil",
        // Joined as text these would change the host.
        ".evil.test",
        "@evil.test",
        ":443@evil.test",
        "evil.test",
        "-evil.test",
        ";@evil.test",
        ":8443",
        "%40evil.test",
        "%2eevil.test",
        // Control characters and what parsers drop.
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r/evil.test",
        "\t//evil.test",
        "\n//evil.test",
        " //evil.test",
        "/%09/evil.test",
        "/%0a/evil.test",
        "/%0d%0aLocation:%20https://evil.test",
        "/a\r\nSet-Cookie: x",
        "/a\0",
        "/a%00",
        "/a%2500",
        "/a\u{7f}",
        "/a%7f",
        "/a\u{1b}",
        "/%08/evil",
        // Schemes and nothing.
        "https://evil.test",
        "https:/evil.test",
        "https:evil.test",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "?next=/",
        "#x",
        "",
        " ",
        "\u{feff}/",
        "\u{2028}/a",
        "a/b",
        "./a",
        "../a",
        "~",
    ];
    assert!(hostile.len() >= 45);
    for text in hostile {
        assert!(RelativePath::parse(text).is_none(), "{text:?} was taken");
    }
    assert!(RelativePath::parse(&format!("/{}", "a".repeat(RelativePath::LONGEST))).is_none());
    assert!(RelativePath::parse(&format!("/{}", "a".repeat(RelativePath::LONGEST - 1))).is_some());
}

#[test]
fn sec_20_the_url_corpus_stays_on_its_origin() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(&crate::corpora::read("wpt-url/urltestdata.json")).unwrap();
    let mut taken = 0;
    for input in cases.iter().filter_map(|case| case["input"].as_str()) {
        if let Some(path) = RelativePath::parse(input) {
            taken += 1;
            assert_eq!(path.join(&origin()).unwrap().origin().ascii_serialization(), "https://app.example.com", "{input:?}");
        }
    }
    assert!(taken > 20, "{taken}");
}

#[test]
fn sec_20_a_place_in_the_app_is_a_value_and_not_text_to_append() {
    let next = RelativePath::parse("/reports?x=1&next=2#top").unwrap();
    let callback = RelativePath::parse("/auth/callback").unwrap();
    let target = RedirectTarget::callback(&origin(), &callback, "next", Some(&next)).unwrap();
    assert_eq!(target.as_url().as_str(), "https://app.example.com/auth/callback?next=%2Freports%3Fx%3D1%26next%3D2%23top");
    assert_eq!(
        target.with_fragment(&[("a", "1&b=2#")]),
        "https://app.example.com/auth/callback?next=%2Freports%3Fx%3D1%26next%3D2%23top#a=1%26b%3D2%23"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    /// Whatever is taken stays on the origin, also after one more decoding by somebody careless.
    #[test]
    fn sec_20_whatever_is_taken_stays(text in r"/[/\\.@:%a-f0-9?#\t é]{0,24}") {
        if let Some(path) = RelativePath::parse(&text) {
            let joined = path.join(&origin()).unwrap();
            prop_assert_eq!(joined.origin().ascii_serialization(), "https://app.example.com");
            prop_assert!(!joined.path().contains("//") && !joined.path().contains('\\'));
        }
    }
}
