//! Ids on this dialect's wire: a prefix and sixteen bytes in base58, always 22 characters (contract section 1).

use uuid::Uuid;

/// Without `0`, `O`, `I` and `l`, which people confuse.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const LENGTH: usize = 22;

/// An id as it is shown.
pub(super) fn show(prefix: &str, id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut digits = [ALPHABET[0]; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 58) as usize];
        rest /= 58;
    }
    let text: String = digits.iter().map(|digit| char::from(*digit)).collect();
    format!("{prefix}_{text}")
}

/// What an id reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// One of ours.
    Id(Uuid),
    /// Of the form that theirs have, and none that we gave out.
    Foreign,
    /// Not an id.
    Malformed,
}

/// Reads an id. Theirs have 18 to 24 characters; ours are only those that [`show`] writes.
pub(super) fn read(prefix: &str, text: &str) -> Read {
    let Some(body) = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else { return Read::Malformed };
    if !(18..=24).contains(&body.len()) {
        return Read::Malformed;
    }
    let mut number: Option<u128> = Some(0);
    for byte in body.bytes() {
        let Some(digit) = ALPHABET.iter().position(|known| *known == byte) else { return Read::Malformed };
        number = number.and_then(|n| n.checked_mul(58)?.checked_add(digit as u128));
    }
    match number.filter(|_| body.len() == LENGTH) {
        Some(number) => Read::Id(Uuid::from_u128(number)),
        None => Read::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown() {
        for number in [0, 1, 57, 58, u128::MAX / 3, u128::MAX, 0x0193_8a6e_6c1c_7e21_8c8b_0123_4567_89ab] {
            let text = show("biz", Uuid::from_u128(number));
            assert_eq!(text.len(), 26, "{text}");
            assert_eq!(read("biz", &text), Read::Id(Uuid::from_u128(number)));
            assert_eq!(read("mlk", &text), Read::Malformed);
        }
        assert_eq!(show("biz", Uuid::nil()), format!("biz_{}", "1".repeat(22)));
    }

    #[test]
    fn what_is_no_id_of_ours_is_told_from_what_is_none_at_all() {
        let of = |body: &str| read("biz", &format!("biz_{body}"));
        for foreign in [&"1".repeat(18), &"2".repeat(21), &"1".repeat(23), &"z".repeat(22), &"z".repeat(24)] {
            assert_eq!(of(foreign), Read::Foreign, "{foreign}");
        }
        let one = "A".repeat(21);
        for bad in ["", "1", &"1".repeat(17), &"1".repeat(25), &format!("{one}0"), &format!("{one}O"), &format!("{one}I")] {
            assert_eq!(of(bad), Read::Malformed, "{bad}");
        }
        for bad in [format!("{one}l"), format!("{one} "), format!("{one}ä"), format!("{one}+")] {
            assert_eq!(of(&bad), Read::Malformed, "{bad}");
        }
        for bad in ["biz", "biz1111111111111111111111", "BIZ_1111111111111111111111", " biz_1111111111111111111111", ""] {
            assert_eq!(read("biz", bad), Read::Malformed, "{bad}");
        }
    }
}
