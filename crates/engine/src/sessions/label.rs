//! What people call their devices.

/// A name for a device, given by its owner: one line of 1 to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

/// Why a text is no [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one line of 1 to 64 characters")]
pub struct InvalidLabel;

impl Label {
    /// The most characters one may have.
    pub const LONGEST: usize = 64;

    /// Reads one; white space around it is left out.
    ///
    /// # Errors
    /// [`InvalidLabel`] when nothing is left, when it is too long, and for control characters and marks that turn the direction of text, which could
    /// make a list of devices say something else.
    pub fn parse(text: &str) -> Result<Self, InvalidLabel> {
        let text = text.trim();
        let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let is_plain =
            !text.is_empty() && !text.chars().any(|c| c.is_control() || turns(c) || matches!(c, '\u{2028}' | '\u{2029}'));
        if is_plain && text.chars().count() <= Self::LONGEST { Ok(Self(text.to_owned())) } else { Err(InvalidLabel) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_short_line() {
        for (text, label) in [("phone", "phone"), ("  Ada’s phone 📱 ", "Ada’s phone 📱"), ("טלפון", "טלפון")] {
            assert_eq!(Label::parse(text).unwrap().as_str(), label);
        }
        assert!(Label::parse(&"ü".repeat(Label::LONGEST)).is_ok());
        for bad in ["", "   ", "a\nb", "a\u{0}", "\u{202e}enohp", "a\u{2028}b", &"a".repeat(Label::LONGEST + 1)] {
            assert_eq!(Label::parse(bad), Err(InvalidLabel), "{bad:?}");
        }
    }
}
