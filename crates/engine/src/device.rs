//! Browsers in words, for people: "Firefox on Linux". Never used to decide anything.

/// The browser and system of a `User-Agent`, when both are common ones.
pub fn describe(user_agent: &str) -> Option<String> {
    // Order matters: every later name also appears in the text of an earlier one's browsers.
    const BROWSERS: [(&str, &str); 9] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
        ("X11", "Linux"),
    ];
    let of = |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    Some(format!("{} on {}", of(&BROWSERS)?, of(&SYSTEMS)?))
}

/// The same, or the program's first product name, made harmless.
pub fn describe_any(user_agent: &str) -> String {
    describe(user_agent).unwrap_or_else(|| {
        let product: String =
            user_agent.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
        if product.is_empty() { "an unnamed program".to_owned() } else { product }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_named() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36 Edg/129.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
        ] {
            assert_eq!(describe(agent).as_deref(), Some(expected));
        }
        assert_eq!(describe("curl/8.0"), None);
        assert_eq!(describe_any("curl/8.0 <script>"), "curl");
        assert_eq!(describe_any("<script>"), "an unnamed program");
    }
}
