//! Durations of this dialect (contract section 4.3): a number, at most one space, a unit. `m` is a minute.

use passlink_engine::time::Lifetime;

/// Seconds of each unit.
const UNITS: &[(&[&str], f64)] = &[
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600.0),
];

/// The longest: 30 days.
const MOST: f64 = 2_592_000.0;

/// Reads one; never clamps.
///
/// # Errors
/// What it must be, as the end of a sentence.
pub(super) fn read(text: &str) -> Result<Lifetime, &'static str> {
    const FORM: &str = "must be a duration such as \"30m\", \"12h\" or \"7 days\"; m means minutes";
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(FORM)?;
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).ok_or(FORM)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(FORM);
    }
    let number: f64 = number.parse().map_err(|_| FORM)?;
    let seconds = (number * seconds).round();
    match seconds {
        _ if seconds < 1.0 => Err("must be at least one second"),
        _ if seconds > MOST => Err("must be at most 30 days"),
        // In range: at most 2592000.
        _ => Ok(Lifetime::from_secs(seconds as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_the_contract_says() {
        for (text, seconds) in [
            ("1s", 1),
            ("1m", 60),
            ("1 m", 60),
            ("90 secs", 90),
            ("1.5h", 5400),
            ("30d", 2_592_000),
            ("30 Days", 2_592_000),
            ("3w", 1_814_400),
            ("720h", 2_592_000),
            ("43200MIN", 2_592_000),
            ("0.6s", 1),
            ("0.01y", 315_576),
        ] {
            assert_eq!(read(text).map(Lifetime::as_secs), Ok(seconds), "{text}");
        }
        for bad in [
            "",
            "0s",
            "0.4s",
            "-1d",
            "+1d",
            "1",
            "d",
            "1  d",
            " 1d",
            "1d ",
            "1x",
            "1mo",
            "1 month",
            "31d",
            "2592001s",
            "5w",
            "1y",
            "1e3s",
            ".5h",
            "1.h",
            "1.2.3h",
            "٣d",
            "1d1h",
            "999999999999999999999d",
            "NaNs",
            "infinityd",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
