//! Ids on this dialect's wire (contract section 9): a prefix and 24 small letters and digits, the first a letter. Ours fit in: a UUID version 7 has 122 free bits.

use passlink_engine::ids::UserId;
use passlink_engine::radix;
use passlink_engine::users::store::NewIdentity;
use passlink_engine::users::{ExternalId, Person, UserRef};
use uuid::Uuid;

/// Characters behind the prefix.
const LENGTH: usize = 24;

/// A UUID version 7 behind a prefix; another version as it is.
pub(super) fn show(prefix: &str, id: Uuid) -> String {
    match id.get_version_num() {
        7 => format!("{prefix}{}", encode(id)),
        _ => id.to_string(),
    }
}

/// The UUID of an id with this prefix.
pub(super) fn read(prefix: &str, text: &str) -> Option<Uuid> {
    let body = text.strip_prefix(prefix)?;
    if body.len() != LENGTH || !body.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    decode(body)
}

/// The 122 bits that are not version and variant, the random ones first: neighbours in time do not look alike.
fn encode(id: Uuid) -> String {
    let bits = id.as_u128();
    let (time, middle, last) = (bits >> 80, bits >> 64 & 0xfff, bits & 0x3fff_ffff_ffff_ffff);
    let number = last << 60 | middle << 48 | time;
    // The first character is a letter: 36^23 times ten to eighteen.
    let letters = radix::encode(&number.to_be_bytes(), radix::BASE36, LENGTH);
    let (first, rest) = letters.split_at(1);
    let first =
        first.bytes().next().map_or(b'a', |b| if b.is_ascii_digit() { b'a' + (b - b'0') } else { b'a' + 10 + (b - b'a') });
    format!("{}{rest}", char::from(first))
}

fn decode(text: &str) -> Option<Uuid> {
    let (first, rest) = text.split_at_checked(1)?;
    let first = first.bytes().next()? - b'a';
    let first = if first < 10 { b'0' + first } else { b'a' + (first - 10) };
    let bytes: [u8; 16] = radix::decode(&format!("{}{rest}", char::from(first)), radix::BASE36, 16)?.try_into().ok()?;
    let number = u128::from_be_bytes(bytes);
    if number >> 122 != 0 {
        return None;
    }
    let (last, middle, time) = (number >> 60, number >> 48 & 0xfff, number & 0xffff_ffff_ffff);
    Some(Uuid::from_u128(time << 80 | 7 << 76 | middle << 64 | 0b10 << 62 | last))
}

/// The id of a user: the app's own, or ours.
pub(super) fn user(id: UserId, external_id: Option<&ExternalId>) -> String {
    external_id.map_or_else(|| show("user_", id.as_uuid()), ToString::to_string)
}

pub(super) fn of_person(person: &Person) -> String {
    user(person.user.id, person.external_id.as_ref())
}

pub(super) fn of_identity(identity: &NewIdentity) -> String {
    user(identity.id, identity.external_id.as_ref())
}

/// Who a text may mean, the likeliest first: ids that an app chose, or brought along, look like ours.
pub(super) fn user_refs(text: &str) -> Vec<UserRef> {
    let chosen = ExternalId::parse(text).ok().map(UserRef::External);
    let ours = read("user_", text).or_else(|| text.parse::<Uuid>().ok().filter(|id| id.get_version_num() != 7));
    chosen.into_iter().chain(ours.map(|id| UserRef::Id(UserId::from_uuid(id)))).collect()
}

#[cfg(test)]
mod tests {
    use passlink_engine::time::Timestamp;

    use super::*;

    #[test]
    fn ids_come_back_and_look_as_they_must() {
        for (millis, random) in [(0, [0; 10]), (1_800_000_000_000, [255; 10]), (281_474_976_710_655, [85; 10]), (1, [1; 10])] {
            let id = UserId::new(Timestamp::from_millis(millis), random).as_uuid();
            let text = show("user_", id);
            let body = text.strip_prefix("user_").unwrap();
            assert_eq!(body.len(), 24, "{text}");
            assert!(body.starts_with(|c: char| c.is_ascii_lowercase()), "{text}");
            assert!(body.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{text}");
            assert_eq!(read("user_", &text), Some(id), "{text}");
        }
        for bad in ["", "user_", "user_1bcdefghijklmnopqrstuvwx", "user_zzzzzzzzzzzzzzzzzzzzzzzz", "group_abc", "user_é"] {
            assert_eq!(read("user_", bad), None, "{bad}");
        }
        let version_4 = Uuid::from_u128(0x0193_8a6e_6c1c_4e21_8c8b_0123_4567_89ab);
        assert_eq!(show("user_", version_4), version_4.to_string());
    }
}
