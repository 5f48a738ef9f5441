//! Where a browser may be sent, against everything an attacker may write.

use passlink_engine::redirects::{AllowList, AllowedOrigin, Origin, RedirectTarget};
use serde_json::Value;

/// Lists that an operator might have; the reference origins they stand for, or the domain below which everything is allowed.
const LISTS: [(&str, &str); 7] = [
    ("https://app.example.com", ""),
    ("https://example.com", ""),
    ("https://example.org:8443", ""),
    ("http://localhost:3000", ""),
    ("https://*.example.com", ".example.com"),
    ("https://*.example.net", ".example.net"),
    ("https://host", ""),
];

fn list(entry: &str) -> AllowList {
    AllowList::new(vec![AllowedOrigin::parse(entry).expect(entry)], false)
}

/// Whether the text is accepted as an origin of the list, or as a stored target.
fn accepted(list: &AllowList, text: &str) -> bool {
    Origin::parse(text).is_some_and(|origin| list.allows(&origin))
        || RedirectTarget::from_stored(text).is_ok_and(|target| target.check(list).is_ok())
}

/// The origin that the corpus says; older cases give it in parts.
fn reference(case: &Value) -> String {
    let parts = || Some(format!("{}//{}", case["protocol"].as_str()?, case["host"].as_str()?));
    let origin = case["origin"].as_str().map(str::to_owned).or_else(parts).unwrap_or_else(|| "none".to_owned());
    origin.trim_end_matches('.').to_owned()
}

/// Whether a browser that parses as the standard says would land on the list.
fn on_list(entry: &str, below: &str, reference: &str) -> bool {
    let (Some(rest), Some(mark)) = (reference.strip_prefix("https://"), below.strip_prefix('.')) else {
        return reference == entry;
    };
    let host = rest.trim_end_matches('.');
    !rest.contains(':') && host.ends_with(below) && host.len() > mark.len() + 1
}

#[test]
fn sec_18_nothing_of_the_url_corpus_leaves_the_list() {
    let cases: Vec<Value> = serde_json::from_str(&crate::corpora::read("wpt-url/urltestdata.json")).unwrap();
    let (mut tried, mut let_in) = (0, 0);
    for case in cases.iter().filter(|case| case.is_object()) {
        let input = case["input"].as_str().unwrap();
        let mut texts = vec![input];
        texts.extend(case["href"].as_str());
        for text in texts {
            for (entry, below) in LISTS {
                tried += 1;
                if !accepted(&list(entry), text) {
                    continue;
                }
                let_in += 1;
                let reference = reference(case);
                assert!(on_list(entry, below, &reference), "{text:?} was let in by {entry}; it is of {reference}");
                assert!(case["failure"].as_bool() != Some(true), "{text:?} is no URL");
                assert!(case["username"] == "" && case["password"] == "", "{text:?} names a user");
            }
        }
    }
    assert!(tried > 8000 && let_in > 10, "{tried} tried, {let_in} let in: the test tests nothing");
}

/// Every case of the corpus with its own reference as the only entry: nothing is let in by look-alikes.
#[test]
fn sec_18_an_entry_made_of_one_case_lets_in_no_other() {
    let cases: Vec<Value> = serde_json::from_str(&crate::corpora::read("wpt-url/urltestdata.json")).unwrap();
    let origins: std::collections::BTreeSet<&str> = cases.iter().filter_map(|case| case["origin"].as_str()).collect();
    let lists: Vec<(&str, AllowList)> = origins
        .into_iter()
        .filter_map(|origin| Some((origin, AllowList::new(vec![AllowedOrigin::parse(origin).ok()?], false))))
        .collect();
    assert!(lists.len() > 3, "{}", lists.len());
    let mut let_in = 0;
    for case in cases.iter().filter(|case| case.is_object()) {
        let text = case["input"].as_str().unwrap();
        for (origin, list) in &lists {
            if accepted(list, text) {
                let_in += 1;
                assert_eq!(reference(case), origin.trim_end_matches('.'), "{text:?}");
            }
        }
    }
    assert!(let_in > 10, "{let_in}");
}

#[test]
fn sec_19_hostile_absolute_values_are_refused() {
    let lists = [list("https://app.example.com"), list("https://*.app.example.com"), list("http://localhost:3000")];
    let fixed = [
        // User info.
        "https://app.example.com@evil.test",
        "https://app.example.com:443@evil.test",
        "https://app.example.com%40evil.test",
        "https://evil.test@app.example.com",
        "https://a:b@app.example.com",
        "https://@app.example.com",
        "https://:@app.example.com",
        "https://app.example.com:pw@evil.test/",
        "https://app.example.com%2540evil.test",
        // Backslashes and slashes.
        "https:\\\\app.example.com",
        "https:/\\app.example.com",
        "https://app.example.com\\.evil.test",
        "https://evil.test\\app.example.com",
        "https://app.example.com\\@evil.test",
        "https:app.example.com",
        "https:/app.example.com",
        "https:///app.example.com",
        "//app.example.com",
        "\\\\app.example.com",
        "///app.example.com",
        "https:////app.example.com",
        "https://app.example.com//evil.test",
        // Look-alikes by text.
        "https://app.example.com.evil.test",
        "https://evil.test/app.example.com",
        "https://evil.test?app.example.com",
        "https://evil.test#app.example.com",
        "https://evil.test/https://app.example.com",
        "https://app.example.comevil.test",
        "https://app-example.com",
        "https://appxexample.com",
        "https://xapp.example.com",
        "https://example.com",
        "https://com",
        "https://evil.test?https://app.example.com",
        "https://evil.test&https://app.example.com",
        "https://evil.test;app.example.com",
        "https://app.example.com,evil.test",
        "https://app.example.com;evil.test",
        "https://app.example.com evil.test",
        // Other ports and schemes.
        "http://app.example.com",
        "http://app.example.com:443",
        "https://app.example.com:80",
        "https://app.example.com:4430",
        "https://app.example.com:0",
        "https://app.example.com:65536",
        "https://app.example.com:99999",
        "https://app.example.com:-443",
        "https://app.example.com:44 3",
        "https://app.example.com:443:443",
        "https://app.example.com:evil",
        "ftp://app.example.com",
        "ws://app.example.com",
        "wss://app.example.com",
        "httpss://app.example.com",
        "https+x://app.example.com",
        "http://localhost:3001",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost.evil.test:3000",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "http://0.0.0.0:3000",
        "http://localhost:3000@evil.test",
        "http://0x7f.1:3000",
        // Control characters, blanks, tabs and line ends, also where a parser would drop them.
        " https://app.example.com",
        "https://app.example.com ",
        "\thttps://app.example.com",
        "https://app.example.com\n",
        "https://app.exam\tple.com",
        "https://app.exam\nple.com",
        "ht\ttps://app.example.com",
        "https:\t//app.example.com",
        "https://app.example.com\r\nLocation: https://evil.test",
        "https://app.example.com\0",
        "https://app.example.com\0.evil.test",
        "https://app.example.com\u{b}",
        "\u{1}https://app.example.com",
        "https://app.example.com\u{7f}",
        "https://app.example.com\u{a0}",
        "https://app.example.com\u{2028}",
        "\u{feff}https://app.example.com",
        "https://app.example.com\u{85}",
        // Percent-encoded hosts.
        "https://app%2eexample.com",
        "https://%61pp.example.com",
        "https://app.example%2ecom",
        "https://app.example.com%2f@evil.test",
        "https://app.example.com%00.evil.test",
        "https://app.example.com%20",
        "https://evil.test%2f.app.example.com",
        "https://evil.test%23.app.example.com",
        "https://evil.test%3f.app.example.com",
        "https://evil.test%5c.app.example.com",
        // Odd hosts.
        "https://.app.example.com",
        "https://..app.example.com",
        "https://app..example.com",
        "https://app.example.com..",
        "https://*.app.example.com",
        "https://*",
        "https://",
        "https://.",
        "https://[app.example.com]",
        "https://app.example.com]",
        "https://[::ffff:app.example.com]",
        "https://app.example.com|evil.test",
        "https://app.example.com^evil.test",
        "https://app.example.com<evil.test",
        "https://app_example.com",
        "https://a.app.example.com.",
        "https://evil.test/.app.example.com",
        "https://evil.test#.app.example.com",
        "https://evil.test?.app.example.com",
        "https://evil.test\\.app.example.com",
        // Paths, queries and fragments do not belong to an origin.
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://app.example.com#x",
        "https://app.example.com/?",
        "https://app.example.com/..",
        "",
        "/",
        "app.example.com",
        "null",
        "undefined",
        "https",
        "https:",
        "://app.example.com",
    ];
    assert!(fixed.len() >= 80);
    for text in fixed {
        let origin = Origin::parse(text);
        let lands = origin.as_ref().filter(|origin| lists.iter().any(|list| list.allows(origin)));
        // The only dotted name below the wildcard is the one that ends with a dot, which DNS and browsers treat as the same host.
        if text == "https://a.app.example.com." {
            assert!(lands.is_some());
            continue;
        }
        assert!(lands.is_none(), "{text:?} was let in as {origin:?}");
    }
    let long = format!("https://app.example.com/{}", "a".repeat(600));
    assert!(Origin::parse(&long).is_none());
}

#[test]
fn sec_19_what_is_not_ascii_becomes_no_ascii_neighbour() {
    let lists = [list("https://app.example.com"), list("https://*.example.com")];
    for text in [
        "https://аpp.example.com", // Cyrillic a
        "https://app.exаmple.com", // Cyrillic a
        "https://app.ехample.com", // Cyrillic e, ha
        "https://app.example.com\u{2024}evil.test",
        "https://evil.test\u{ff0f}.example.com",
        "https://evil.test\u{2044}.example.com",
        "https://evil.test\u{2215}.example.com",
        "https://evil.test\u{2488}.example.com", // full stop in a digit
        "https://evil.test\u{2100}.example.com", // a/c
        "https://evil.test\u{2101}.example.com",
        "https://evil.test\u{2105}.example.com",
        "https://evil.test\u{fe56}.example.com", // small question mark
        "https://evil.test\u{ff03}.example.com", // fullwidth number sign
        "https://evil.test\u{ff1f}.example.com",
        "https://evil.test\u{ff20}app.example.com",
        "https://app.example.com\u{ff20}evil.test",
        "https://evil.test\u{ff3c}.example.com",
        "https://evil.test\u{ff1a}443.example.com",
        "https://app\u{200b}.evil.test",
    ] {
        let origin = Origin::parse(text);
        assert!(!origin.as_ref().is_some_and(|o| lists.iter().any(|l| l.allows(o))), "{text:?} became {origin:?}");
    }
    // Security requirement 19 refuses what is not ASCII before IDNA: nothing may be folded onto an entry.
    for text in [
        "https://ａｐｐ.example.com",
        "https://app\u{3002}example.com",
        "https://app\u{ff0e}example.com",
        "https://app\u{ff61}example.com",
        "https://app.ex\u{ad}ample.com",
        "https://app.ex\u{200b}ample.com",
        "https://app.ex\u{2060}ample.com",
        "https://app.e\u{212a}ample.com",
        "https://app.example.\u{24d2}om",
        "https://app.exam\u{feff}ple.com",
        "https://app.\u{1d41e}xample.com",
        "https://app.example.co\u{2133}",
    ] {
        let origin = Origin::parse(text);
        assert!(!origin.as_ref().is_some_and(|o| lists.iter().any(|l| l.allows(o))), "{text:?} became {origin:?}");
    }
}

#[test]
fn sec_21_dangerous_schemes_are_refused_in_every_spelling() {
    let anywhere = [list("https://app.example.com"), AllowList::new(vec![], true)];
    let schemes =
        ["javascript", "data", "vbscript", "file", "blob", "filesystem", "view-source", "intent", "about", "jar", "mailto"];
    let rests = [
        "alert(1)",
        "//app.example.com",
        "//app.example.com/%0aalert(1)",
        "https://app.example.com",
        "//localhost:1",
        "text/html,x",
        "",
        "///",
    ];
    let mut tried = 0;
    for scheme in schemes {
        let mixed: String =
            scheme.chars().enumerate().map(|(i, c)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
        let split = format!("{}\t{}", &scheme[..2], &scheme[2..]);
        let broken = format!("{}\n{}", &scheme[..2], &scheme[2..]);
        let spellings = [
            scheme.to_owned(),
            scheme.to_uppercase(),
            mixed,
            format!(" {scheme}"),
            format!("\t{scheme}"),
            format!("\n{scheme}"),
            format!("\u{1}{scheme}"),
            format!("\u{a0}{scheme}"),
            split,
            broken,
            format!("{scheme} "),
            format!("https:{scheme}"),
        ];
        for spelling in spellings {
            for rest in rests {
                tried += 1;
                let text = format!("{spelling}:{rest}");
                assert!(Origin::parse(&text).is_none(), "{text:?}");
                assert!(passlink_engine::redirects::RelativePath::parse(&text).is_none(), "{text:?}");
                for list in &anywhere {
                    let stored = RedirectTarget::from_stored(&text).is_ok_and(|target| target.check(list).is_ok());
                    assert!(!stored, "{text:?} as a stored target");
                }
                assert!(AllowedOrigin::parse(&text).is_err(), "{text:?} as an entry");
            }
        }
    }
    assert!(tried > 1000);
}
