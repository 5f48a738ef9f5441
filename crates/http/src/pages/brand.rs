//! How an app looks on our pages: its name, its logo and one colour, from which readable colours are derived.
//!
//! Operators pick any colour they like. Text needs a contrast of 4.5 to 1 (WCAG 2.2, criterion 1.4.3), so the colour is
//! darkened or lightened just far enough for the surfaces it appears on, once for light and once for dark.

use std::fmt;

/// The surfaces of the light theme, as `passlink.css` declares them.
pub const LIGHT_SURFACES: [Rgb; 3] = [Rgb(0xff, 0xff, 0xff), Rgb(0xf3, 0xf4, 0xf6), Rgb(0xee, 0xf0, 0xf3)];
/// The surfaces of the dark theme, likewise.
pub const DARK_SURFACES: [Rgb; 3] = [Rgb(0x17, 0x1a, 0x20), Rgb(0x0e, 0x10, 0x14), Rgb(0x21, 0x25, 0x2d)];

const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);
const INK: Rgb = Rgb(0x0b, 0x0d, 0x11);
const READABLE: f64 = 4.5;

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// Used when an app has no colour of its own.
    pub const DEFAULT: Rgb = Rgb(0x1f, 0x5f, 0xd6);

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Rgb> {
        Rgb::parse_digits(text.strip_prefix('#')?)
    }

    /// Reads `rrggbb`.
    pub fn parse_digits(digits: &str) -> Option<Rgb> {
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Rgb(red, green, blue))
    }

    /// The relative luminance of WCAG 2.2, from 0 (black) to 1 (white).
    pub fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// The contrast ratio of WCAG 2.2, from 1 to 21.
    pub fn contrast(self, other: Rgb) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// White or near-black, whichever reads better on this colour; never below 4.4 to 1.
    pub fn ink(self) -> Rgb {
        if self.contrast(WHITE) >= self.contrast(INK) { WHITE } else { INK }
    }

    /// This colour, moved towards `end` by as little as makes it readable on all `surfaces`.
    fn readable_on(self, surfaces: &[Rgb], end: Rgb) -> Rgb {
        (0..=100)
            .map(|percent| self.mix(end, percent))
            .find(|colour| surfaces.iter().all(|surface| colour.contrast(*surface) >= READABLE))
            .unwrap_or(end)
    }

    /// Too bright for white text, yet no mere shade of white.
    fn is_bright(self) -> bool {
        let contrast = self.contrast(WHITE);
        (1.2..3.0).contains(&contrast)
    }

    fn mix(self, other: Rgb, percent: u32) -> Rgb {
        let channel = |from: u8, to: u8| {
            let mixed = (u32::from(from) * (100 - percent) + u32::from(to) * percent + 50) / 100;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// What an app looks like on our pages.
#[derive(Clone, Debug)]
pub struct Brand {
    /// The app's name as people know it.
    pub app_name: String,
    /// A square-ish logo; its origin must be in the page's `img-src`.
    pub logo_url: Option<String>,
    /// `#rrggbb`. Anything else counts as [`Rgb::DEFAULT`].
    pub colour: String,
}

impl Brand {
    /// Passlink's own look, for pages that belong to no app.
    pub fn passlink() -> Brand {
        Brand { app_name: "Passlink".to_owned(), logo_url: None, colour: Rgb::DEFAULT.to_string() }
    }

    /// A text of ours with `{app}` replaced by the name.
    pub fn name_in(&self, text: &str) -> String {
        super::words::fill(text, &[("app", &self.app_name)])
    }

    /// The app's colour, checked.
    pub fn rgb(&self) -> Rgb {
        Rgb::parse(&self.colour).unwrap_or(Rgb::DEFAULT)
    }

    /// The address of the stylesheet that carries the colour.
    pub fn stylesheet_address(&self) -> String {
        let Rgb(red, green, blue) = self.rgb();
        format!("/assets/brand/{red:02x}{green:02x}{blue:02x}.css")
    }

    /// The first letter of the name, shown where there is no logo.
    pub fn monogram(&self) -> String {
        self.app_name
            .chars()
            .find(|letter| letter.is_alphanumeric())
            .map_or_else(String::new, |letter| letter.to_uppercase().collect())
    }
}

/// The stylesheet `/assets/brand/<rrggbb>.css`: custom properties for both themes. `--accent` is readable as text on every
/// surface of its theme, and `--on-accent` on it. `--fill` with `--on-fill` is for large areas such as buttons, outlined in
/// the accent: a bright brand keeps its colour there, under dark text, instead of turning muddy under white text.
/// `--brand` with `--on-brand` is the colour as given, for decoration.
pub fn stylesheet(brand: Rgb) -> String {
    let light = brand.readable_on(&LIGHT_SURFACES, INK);
    let dark = brand.readable_on(&DARK_SURFACES, WHITE);
    let fill = if brand.is_bright() { brand } else { light };
    let (on_light, on_dark, on_fill, on_brand) = (light.ink(), dark.ink(), fill.ink(), brand.ink());
    format!(
        ":root{{--brand:{brand};--on-brand:{on_brand};--accent:{light};--on-accent:{on_light};--fill:{fill};--on-fill:{on_fill}}}\n\
         @media (prefers-color-scheme:dark){{\
         :root{{--accent:{dark};--on-accent:{on_dark};--fill:{dark};--on-fill:{on_dark}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours() -> impl Iterator<Item = Rgb> {
        let steps = (0..=255u8).step_by(15);
        steps.clone().flat_map(move |red| {
            let blues = (0..=255u8).step_by(15);
            (0..=255u8).step_by(15).flat_map(move |green| blues.clone().map(move |blue| Rgb(red, green, blue)))
        })
    }

    /// The values of a custom property in the order they appear: light, then dark.
    fn values(css: &str, name: &str) -> Vec<Rgb> {
        css.split(&format!("{name}:")).skip(1).map(|rest| Rgb::parse(&rest[..7]).unwrap()).collect()
    }

    #[test]
    fn every_colour_becomes_readable_in_both_themes() {
        for brand in colours() {
            let css = stylesheet(brand);
            let (accents, inks) = (values(&css, "--accent"), values(&css, "--on-accent"));
            let (fills, fill_inks) = (values(&css, "--fill"), values(&css, "--on-fill"));
            for (theme, surfaces) in [LIGHT_SURFACES, DARK_SURFACES].iter().enumerate() {
                for surface in surfaces {
                    assert!(accents[theme].contrast(*surface) >= 4.5, "{brand} becomes {} on {surface}", accents[theme]);
                }
                assert!(inks[theme].contrast(accents[theme]) >= 4.5, "{brand}: {} on {}", inks[theme], accents[theme]);
                assert!(fill_inks[theme].contrast(fills[theme]) >= 4.5, "{brand}: {} on {}", fill_inks[theme], fills[theme]);
            }
        }
    }

    #[test]
    fn white_black_and_yellow_become_readable() {
        for (brand, keeps_light, keeps_dark) in [("#ffffff", false, true), ("#000000", true, false), ("#ffeb3b", false, true)] {
            let rgb = Rgb::parse(brand).unwrap();
            let accents = values(&stylesheet(rgb), "--accent");
            assert_eq!(accents[0] == rgb, keeps_light, "{brand} in light");
            assert_eq!(accents[1] == rgb, keeps_dark, "{brand} in dark");
        }
    }

    #[test]
    fn a_bright_brand_keeps_its_colour_on_buttons() {
        let css = stylesheet(Rgb(0xff, 0xd6, 0x0a));
        assert_eq!([values(&css, "--fill")[0], values(&css, "--on-fill")[0]], [Rgb(0xff, 0xd6, 0x0a), INK]);
        assert_ne!(values(&stylesheet(WHITE), "--fill")[0], WHITE);
    }

    #[test]
    fn a_readable_colour_is_left_alone() {
        assert_eq!(values(&stylesheet(Rgb::DEFAULT), "--accent")[0], Rgb::DEFAULT);
    }

    #[test]
    fn the_stylesheet_uses_the_surfaces_we_check() {
        let css = include_str!("../../assets/passlink.css");
        for surface in LIGHT_SURFACES.iter().chain(&DARK_SURFACES) {
            assert!(css.contains(&format!(": {surface};")), "{surface}");
        }
    }

    #[test]
    fn only_six_digit_colours_are_read() {
        assert_eq!(Rgb::parse("#0A5fd8"), Some(Rgb(0x0a, 0x5f, 0xd8)));
        for bad in ["", "#fff", "0a5fd8", "#0a5fd", "#0a5fd8f", "#+a5fd8", "red", "#0a5fd8;}", "#ååå"] {
            assert_eq!(Rgb::parse(bad), None, "{bad}");
        }
        let hostile = Brand { colour: "#fff}body{display:none".to_owned(), ..Brand::passlink() };
        assert_eq!(hostile.stylesheet_address(), Brand::passlink().stylesheet_address());
    }

    #[test]
    fn contrast_is_the_one_of_wcag() {
        assert!((Rgb(0, 0, 0).contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((Rgb(0x76, 0x76, 0x76).contrast(WHITE) - 4.54).abs() < 0.01);
    }
}
