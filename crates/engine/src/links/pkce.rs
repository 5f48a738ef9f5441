//! PKCE (RFC 7636), S256 only: whoever asked for a link proves at its exchange that they are the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{FieldError, Problem};

/// Whether a text is a challenge: base64url without padding of 32 bytes.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether a text is a verifier: 43 to 128 unreserved characters (RFC 7636 4.1).
pub fn is_verifier(text: &str) -> bool {
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

/// The challenge of a verifier.
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes()))
}

/// Compares what was announced with what is shown; there is no downgrade either way.
///
/// # Errors
/// `code_verifier` with [`Problem::Missing`], [`Problem::Unexpected`], [`Problem::Malformed`] or [`Problem::Mismatch`].
pub fn check(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), FieldError> {
    let refuse = |problem, message: &str| Err(FieldError::new("code_verifier", message).because(problem));
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => refuse(Problem::Missing, "This link was asked for with a code challenge: a code verifier is required"),
        (None, Some(_)) => {
            refuse(Problem::Unexpected, "This link was asked for without a code challenge: no code verifier is expected")
        }
        (Some(_), Some(verifier)) if !is_verifier(verifier) => {
            refuse(Problem::Malformed, "A code verifier is 43 to 128 letters, digits, \"-\", \".\", \"_\" or \"~\"")
        }
        (Some(challenge), Some(verifier)) if crate::secret::equal(challenge.as_bytes(), challenge_of(verifier).as_bytes()) => {
            Ok(())
        }
        _ => refuse(Problem::Mismatch, "The code verifier does not belong to the code challenge of this link"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn sec_35_only_the_right_verifier_passes_and_there_is_no_downgrade() {
        assert_eq!(challenge_of(VERIFIER), CHALLENGE);
        assert!(is_challenge(CHALLENGE) && is_verifier(VERIFIER));
        assert_eq!(check(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
        assert_eq!(check(None, None), Ok(()));
        let problem = |challenge, verifier| check(challenge, verifier).unwrap_err().problem;
        assert_eq!(problem(Some(CHALLENGE), None), Problem::Missing);
        assert_eq!(problem(None, Some(VERIFIER)), Problem::Unexpected);
        assert_eq!(problem(Some(CHALLENGE), Some(CHALLENGE)), Problem::Mismatch);
        // "plain" is not known.
        assert_eq!(problem(Some(VERIFIER), Some(VERIFIER)), Problem::Mismatch);
        for bad in ["", &VERIFIER[..42], &"a".repeat(129), &format!("{VERIFIER} "), &VERIFIER.replace('-', "+")] {
            assert_eq!(problem(Some(CHALLENGE), Some(bad)), Problem::Malformed, "{bad}");
        }
        for bad in ["", &CHALLENGE[..42], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert!(!is_challenge(bad), "{bad}");
        }
    }
}
