//! Numbers of any size in a given alphabet and length: identifiers and tokens where a contract wants letters and digits alone.

/// Digits, capital and small letters.
pub const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits and small letters.
pub const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The bytes as one number, most significant first, in exactly `length` characters. What does not fit is lost: callers choose a length that holds it.
pub fn encode(bytes: &[u8], alphabet: &[u8], length: usize) -> String {
    let mut number = bytes.to_vec();
    let base = u32::try_from(alphabet.len()).unwrap_or(u32::MAX);
    let mut text = vec![alphabet[0]; length];
    for place in text.iter_mut().rev() {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            // Smaller than 256, for the rest is smaller than the base.
            *byte = u8::try_from(value / base).unwrap_or(u8::MAX);
            rest = value % base;
        }
        *place = alphabet[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

/// The number of a text in `length` bytes; `None` for other characters, or when it does not fit.
pub fn decode(text: &str, alphabet: &[u8], length: usize) -> Option<Vec<u8>> {
    let base = u32::try_from(alphabet.len()).ok()?;
    let mut number = vec![0_u8; length];
    for character in text.bytes() {
        let mut carry = u32::try_from(alphabet.iter().position(|known| *known == character)?).ok()?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * base + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for bytes in [vec![0; 16], vec![255; 16], (0..16).collect::<Vec<u8>>()] {
            assert_eq!(decode(&encode(&bytes, BASE62, 22), BASE62, 16).unwrap(), bytes);
            assert_eq!(decode(&encode(&bytes, BASE36, 25), BASE36, 16).unwrap(), bytes);
        }
        assert_eq!(encode(&[1, 0], BASE36, 3), "074");
        assert_eq!(decode("zzz", BASE36, 1), None);
        assert_eq!(decode("a-b", BASE36, 8), None);
    }
}
