//! Texts of messages: embedded defaults, which files of the same name in the operator's folder override.

use std::collections::HashMap;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::error::{Error, Result};

const DEFAULTS: [(&str, &str); 3] = [
    ("sign_in.subject.j2", include_str!("templates/sign_in.subject.j2")),
    ("sign_in.txt.j2", include_str!("templates/sign_in.txt.j2")),
    ("sign_in.html.j2", include_str!("templates/sign_in.html.j2")),
];

/// How much work one rendering may do; a template that loops for ever fails instead.
const FUEL: u64 = 200_000;

/// What templates may use.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TemplateContext<'a> {
    pub app_name: &'a str,
    pub link: &'a str,
    pub code: &'a str,
    pub invite: bool,
    pub minutes: i64,
    pub colour: &'a str,
    pub on_colour: &'a str,
    pub logo_url: Option<&'a str>,
    pub requested_from: Option<&'a str>,
    pub address: &'a str,
    pub language: &'a str,
}

/// The texts in force.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

/// A rendered message.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Templates {
    /// The names a folder of overrides may contain.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DEFAULTS.iter().map(|(name, _)| *name)
    }

    /// Defaults with overrides by name; each is rendered once with sample values, so that a mistake is found at start.
    ///
    /// # Errors
    /// `Invalid` naming the template: an unknown name, a syntax error, an undefined variable, or a body without the link.
    pub fn load(overrides: HashMap<String, String>) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| if name.contains(".html.") { AutoEscape::Html } else { AutoEscape::None });
        for (name, text) in DEFAULTS {
            environment.add_template(name, text).map_err(Error::internal)?;
        }
        for (name, text) in overrides {
            if !Self::names().any(|known| known == name) {
                let known: Vec<&str> = Self::names().collect();
                return Err(Error::invalid(&name, format!("is not the name of a template; they are {}", known.join(", "))));
            }
            environment.add_template_owned(name.clone(), text).map_err(|e| Error::invalid(&name, format!("{e:#}")))?;
        }
        let templates = Self { environment };
        templates.check()?;
        Ok(templates)
    }

    fn check(&self) -> Result<()> {
        let sample = TemplateContext {
            app_name: "Example",
            link: "https://auth.example.com/l/plk_sample",
            code: "123456",
            invite: false,
            minutes: 10,
            colour: "#3b5bdb",
            on_colour: "#ffffff",
            logo_url: None,
            requested_from: None,
            address: "ada@example.com",
            language: "en",
        };
        let rendered = self.render("sign_in", &sample)?;
        for (name, text) in [("sign_in.txt.j2", &rendered.text), ("sign_in.html.j2", &rendered.html)] {
            // The HTML part writes slashes as character references: the token is what must be there.
            if !text.contains("plk_sample") || !text.contains(sample.code) {
                return Err(Error::invalid(name, "must show both {{ link }} and {{ code }}"));
            }
        }
        // Mails for other dialects carry only one of them, or invite.
        for other in [
            TemplateContext { code: "", ..sample.clone() },
            TemplateContext { link: "", ..sample.clone() },
            TemplateContext { code: "", invite: true, ..sample },
        ] {
            self.render("sign_in", &other)?;
        }
        Ok(())
    }

    pub(crate) fn render(&self, template: &str, context: &TemplateContext<'_>) -> Result<Rendered> {
        let values = Value::from(minijinja::value::Serde(context));
        let one = |kind: &str| -> Result<String> {
            let name = format!("{template}.{kind}.j2");
            let found = self.environment.get_template(&name).map_err(Error::internal)?;
            found.render(&values).map_err(|e| Error::invalid(&name, format!("{e:#}")))
        };
        // A subject is one line: whatever an app's name or an override contains, it ends no header.
        let subject = one("subject")?
            .split(|c: char| c.is_control())
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        Ok(Rendered { subject, text: one("txt")?, html: one("html")? })
    }
}

/// Black or white, whichever reads better on `colour` (WCAG 2.2 relative luminance).
pub(crate) fn readable_on(colour: &str) -> &'static str {
    let channel = |at: usize| -> f64 {
        let value = colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let c = f64::from(value) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 { "#ffffff" } else { "#000000" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> Result<Templates> {
        Templates::load(HashMap::from([(name.to_owned(), text.to_owned())]))
    }

    #[test]
    fn mistakes_in_overrides_are_found_at_start() {
        assert!(Templates::load(HashMap::new()).is_ok());
        assert!(with("sign_in.txt.j2", "{{ link }} {{ code }}").is_ok());
        for (name, text) in [
            ("welcome.txt.j2", "x"),
            ("sign_in.txt.j2", "{{ link"),
            ("sign_in.txt.j2", "{{ lnik }} {{ code }}"),
            ("sign_in.txt.j2", "no link at all"),
            ("sign_in.html.j2", "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}"),
        ] {
            let error = with(name, text).expect_err(text);
            assert!(matches!(error.kind(), crate::error::ErrorKind::Invalid(fields) if fields[0].field == name), "{error:?}");
        }
    }

    #[test]
    fn sec_29_values_are_inert_in_their_context() {
        let templates = Templates::load(HashMap::new()).unwrap();
        let context = TemplateContext {
            app_name: "<script>\r\nBcc: x@evil.test",
            link: "https://auth.example.com/l/plk_x",
            code: "123456",
            invite: false,
            minutes: 10,
            colour: "#3b5bdb",
            on_colour: "#ffffff",
            logo_url: None,
            requested_from: Some("<b>Firefox</b>"),
            address: "ada@example.com",
            language: "en",
        };
        let rendered = templates.render("sign_in", &context).unwrap();
        assert!(!rendered.subject.contains(['\r', '\n']), "{}", rendered.subject);
        assert!(!rendered.html.contains("<script") && !rendered.html.contains("<b>Firefox"));
    }

    #[test]
    fn a_long_life_is_told_in_hours_or_days() {
        let templates = Templates::load(HashMap::new()).unwrap();
        for (minutes, told) in
            [(1, "1 minute."), (10, "10 minutes."), (119, "119 minutes."), (150, "2 hours."), (10_080, "7 days.")]
        {
            let context = TemplateContext {
                app_name: "Shop",
                link: "https://auth.example.com/l/plk_x",
                code: "123456",
                invite: false,
                minutes,
                colour: "#3b5bdb",
                on_colour: "#ffffff",
                logo_url: None,
                requested_from: None,
                address: "ada@example.com",
                language: "en",
            };
            let rendered = templates.render("sign_in", &context).unwrap();
            for part in [&rendered.text, &rendered.html] {
                assert!(part.contains(&format!("once, for {told}")), "{part}");
            }
        }
    }

    #[test]
    fn text_on_the_app_colour_is_readable() {
        assert_eq!(readable_on("#000000"), "#ffffff");
        assert_eq!(readable_on("#ffffff"), "#000000");
        assert_eq!(readable_on("#ffee00"), "#000000");
        assert_eq!(readable_on("#3b5bdb"), "#ffffff");
    }
}
