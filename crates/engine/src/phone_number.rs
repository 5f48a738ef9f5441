//! Telephone numbers in one form: E.164.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A telephone number as `+` and digits (ITU-T E.164), of a country and length that exist.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// Why a text is no [`PhoneNumber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This is not a valid telephone number; write it with its country, as in +12025550162")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    /// Reads a number that begins with `+` and its country; blanks, dots, dashes and brackets between digits do not matter.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`].
    pub fn parse(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let text = text.trim_matches([' ', '\t']);
        let is_plain = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-' | '(' | ')');
        let digits =
            text.strip_prefix('+').filter(|rest| rest.len() <= 32 && rest.chars().all(is_plain)).ok_or(InvalidPhoneNumber)?;
        let number = phonenumber::parse(None, format!("+{digits}")).map_err(|_| InvalidPhoneNumber)?;
        if !number.is_valid() || number.extension().is_some() {
            return Err(InvalidPhoneNumber);
        }
        Ok(Self(number.format().mode(phonenumber::Mode::E164).to_string()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs and events: the last two digits only.
    pub fn masked(&self) -> String {
        format!("+…{}", &self.0[self.0.len().saturating_sub(2)..])
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidPhoneNumber;
    fn try_from(text: String) -> Result<Self, InvalidPhoneNumber> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for text in ["+12025550162", " +1 (202) 555-0162", "+1.202.555.0162"] {
            assert_eq!(PhoneNumber::parse(text).map(String::from), Ok("+12025550162".to_owned()), "{text}");
        }
        assert_eq!(PhoneNumber::parse("+442071838750").unwrap().masked(), "+…50");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "12025550162",
            "+1202",
            "+999123456789",
            "+1202555016２",
            "+12025550162;ext=1",
            "+1202555016200000000",
            "+12025550162x5",
            "tel:+12025550162",
        ] {
            assert!(PhoneNumber::parse(text).is_err(), "{text}");
        }
    }
}
