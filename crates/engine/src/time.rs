//! Instants and lifetimes. The engine never reads a clock; `now` comes from [`crate::ports::Clock`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch, UTC. Stored as is in both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down (RFC 7519 `NumericDate`).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The coarse public time in front of tokens: units of 16 ms, so that the inserts of one moment meet in few pages of the index. It
    /// begins again every two years, which costs nothing: it only sorts.
    pub const fn as_public_moment(self) -> u32 {
        (self.0 >> 4) as u32
    }

    /// This instant moved later; saturates.
    pub const fn plus(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.as_millis()))
    }

    /// This instant moved earlier; saturates.
    pub const fn minus(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_sub(lifetime.as_millis()))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// RFC 3339 in UTC with whole seconds, such as `2026-01-31T12:00:00Z`.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.as_secs()).map(|t| t.to_string()).unwrap_or_else(|_| self.as_secs().to_string())
    }

    /// The same with milliseconds.
    pub fn to_rfc3339_millis(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| self.to_rfc3339(), |at| format!("{at:.3}"))
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_millisecond()))
    }

    /// RFC 5322 date for mail headers and RFC 9110 dates.
    pub fn to_system_time(self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + Duration::from_millis(self.0.max(0) as u64)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// How long something lives: a positive span of whole milliseconds, at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lifetime(i64);

/// Why a text is no [`Lifetime`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as \"10m\", \"90s\", \"24h\" or \"30d\", more than zero and at most ten years")]
pub struct InvalidLifetime;

impl Lifetime {
    const LONGEST_SECS: i64 = 10 * 366 * 86_400;

    /// The longest there is.
    pub const LONGEST: Self = Self::from_secs(Self::LONGEST_SECS);

    /// From whole seconds; for constants and values already checked.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1000)
    }

    /// From whole minutes.
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_secs(minutes * 60)
    }

    /// From whole milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Whole milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0 / 1000
    }

    /// Whole minutes, rounded up: what a person is told.
    pub const fn as_minutes_up(self) -> i64 {
        (self.0 + 59_999) / 60_000
    }

    /// As the standard library's duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    /// Reads `10m`, `1h 30m`, `45 seconds`, `30d`, where `m` means minutes.
    ///
    /// # Errors
    /// [`InvalidLifetime`] for signs, zero, months and years (their length varies), more than ten years, or any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidLifetime> {
        let text = text.trim();
        if text.is_empty() || text.len() > 64 || text.contains(['+', '-']) || text.contains("ago") {
            return Err(InvalidLifetime);
        }
        let span: jiff::Span = text.parse().map_err(|_| InvalidLifetime)?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(InvalidLifetime);
        }
        let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| InvalidLifetime)?;
        let millis = i64::try_from(duration.as_millis()).map_err(|_| InvalidLifetime)?;
        if millis <= 0 || millis > Self::LONGEST_SECS * 1000 {
            return Err(InvalidLifetime);
        }
        Ok(Self(millis))
    }
}

impl TryFrom<String> for Lifetime {
    type Error = InvalidLifetime;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Lifetime> for String {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.to_string()
    }
}

impl fmt::Display for Lifetime {
    /// The largest whole unit: `90s`, `10m`, `24h`, `30d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        match secs {
            _ if self.0 % 1000 != 0 => write!(f, "{}ms", self.0),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_as_people_write_them() {
        for (text, secs) in [("10m", 600), ("90s", 90), ("24h", 86_400), ("30d", 2_592_000), ("1h 30m", 5400), ("2w", 1_209_600)]
        {
            assert_eq!(Lifetime::parse(text).map(Lifetime::as_secs), Ok(secs), "{text}");
        }
        for text in ["", "0s", "-5m", "+5m", "5", "1mo", "1y", "soon", "5m ago", "99999999d", "NaN"] {
            assert_eq!(Lifetime::parse(text), Err(InvalidLifetime), "{text}");
        }
    }

    #[test]
    fn a_lifetime_prints_as_it_is_read() {
        for secs in [1, 59, 60, 600, 3600, 86_400, 90_061] {
            let lifetime = Lifetime::from_secs(secs);
            assert_eq!(Lifetime::parse(&lifetime.to_string()), Ok(lifetime));
        }
    }
}
