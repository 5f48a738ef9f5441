//! The vendor's user objects (contract section 4) as people of ours.
//!
//! A person keeps the id: `user-live-<uuid>` becomes the user with this UUID, and the dialect shows exactly that id again, in answers and in tokens. An id of
//! another form becomes the app's own id of the user, when there is none.

use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::UserId;
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::time::Timestamp;
use passlink_engine::users::import::ImportedUser;
use passlink_engine::users::profile::ProfileChange;
use passlink_engine::users::{Address, ExternalId, PersonName};
use serde_json::{Map, Value};

use super::Arrival;
use super::read::{Refused, flag, map, objects, text, texts};
use super::report::NotCarried;

/// Reads one object.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn person(value: Value, not_carried: &mut NotCarried) -> Result<(Option<String>, Arrival), Refused> {
    let Value::Object(mut object) = value else { return Err((None, "is no object".to_owned())) };
    let id = text(&mut object, "user_id").ok().flatten().map(|id| id.chars().take(200).collect::<String>());
    match read(object, id.as_deref()) {
        Ok((person, lacks)) => {
            lacks(not_carried);
            Ok((id, Arrival { person, groups: Vec::new() }))
        }
        Err(why) => Err((id, why)),
    }
}

/// What one person had that has no counterpart.
type Lacks = Box<dyn FnOnce(&mut NotCarried)>;

fn read(mut object: Map<String, Value>, id: Option<&str>) -> Result<(ImportedUser, Lacks), String> {
    let id = id.filter(|id| !id.is_empty()).ok_or("user_id: is required")?;
    let external_id = match text(&mut object, "external_id")?.filter(|id| !id.is_empty()) {
        Some(text) if old_id(&text.to_ascii_lowercase()).is_some() => {
            return Err("external_id: looks like a user_id, so it would never be found".to_owned());
        }
        Some(text) => Some(ExternalId::parse(&text).map_err(|error| format!("external_id: {error}"))?),
        None => None,
    };
    let (id, external_id) = match (old_id(id), external_id) {
        (Some(id), external_id) => (Some(id), external_id),
        (None, None) => (None, Some(ExternalId::parse(id).map_err(|error| format!("user_id: {error}"))?)),
        (None, Some(_)) => {
            return Err("user_id: is not of the form user-live-<uuid>, and the user has an external_id as well".to_owned());
        }
    };
    let mut addresses = Vec::new();
    for (list, field) in [("emails", "email"), ("phone_numbers", "phone_number")] {
        for mut entry in objects(&mut object, list)? {
            let text = text(&mut entry, field)?.ok_or_else(|| format!("{list}: {field} is required"))?;
            let address = match field {
                "email" => EmailAddress::parse(&text).map(Address::Email).map_err(|error| format!("{list}: {error}"))?,
                _ => PhoneNumber::parse(&text).map(Address::Phone).map_err(|error| format!("{list}: {error}"))?,
            };
            addresses.push((address, flag(&mut entry, "verified")?));
        }
    }
    let is_pending = match text(&mut object, "status")?.as_deref() {
        None | Some("active") => false,
        Some("pending") => true,
        Some(_) => return Err("status: must be active or pending".to_owned()),
    };
    let created_at = match text(&mut object, "created_at")? {
        Some(text) => Some(Timestamp::parse_rfc3339(&text).ok_or("created_at: must be a time such as 2026-01-31T12:00:00Z")?),
        None => None,
    };
    let mut name = map(&mut object, "name")?.unwrap_or_default();
    let mut part = |field| text(&mut name, field).map(|part| part.filter(|part| !part.is_empty()));
    let name = PersonName { first: part("first_name")?, middle: part("middle_name")?, last: part("last_name")? };
    let profile = ProfileChange {
        name,
        trusted: map(&mut object, "trusted_metadata")?,
        untrusted: map(&mut object, "untrusted_metadata")?,
        roles: texts(&mut object, "roles")?,
        ..ProfileChange::default()
    };
    let has = |field: &str| match object.get(field) {
        None | Some(Value::Null | Value::Bool(false)) => 0,
        Some(Value::Array(list)) => u64::from(!list.is_empty()),
        Some(_) => 1,
    };
    let [passwords, webauthn, totps, providers, wallets, biometrics, locks] =
        ["password", "webauthn_registrations", "totps", "providers", "crypto_wallets", "biometric_registrations", "is_locked"]
            .map(has);
    let lacks = move |n: &mut NotCarried| {
        n.passwords += passwords;
        n.webauthn_registrations += webauthn;
        n.totps += totps;
        n.oauth_providers += providers;
        n.crypto_wallets += wallets;
        n.biometric_registrations += biometrics;
        n.locks += locks;
    };
    let person = ImportedUser { id, created_at, addresses, is_pending, external_id, profile, ..ImportedUser::default() };
    Ok((person, Box::new(lacks)))
}

/// The UUID of an id as the vendor writes it.
fn old_id(text: &str) -> Option<UserId> {
    let rest = text.strip_prefix("user-live-").or_else(|| text.strip_prefix("user-test-"))?;
    let is_canonical = rest.len() == 36 && !rest.bytes().any(|b| b.is_ascii_uppercase());
    rest.parse().ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "user-live-16d9ba61-97a1-4ba4-9720-b03761dc50c6";

    fn refused(change: Value) -> String {
        let mut object = json!({"user_id": ID});
        object.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        person(object, &mut NotCarried::default()).map(|_| String::new()).unwrap_or_else(|(_, why)| why)
    }

    #[test]
    fn everything_that_can_be_kept_is_kept() {
        let mut lacks = NotCarried::default();
        let (id, Arrival { person: ada, .. }) = person(
            json!({
                "user_id": ID, "status": "pending", "created_at": "2021-08-28T00:41:58.935673Z", "external_id": "shop|1",
                "emails": [{"email_id": "email-live-1", "email": "Ada@Example.com", "verified": true}],
                "phone_numbers": [{"phone_id": "phone-number-live-1", "phone_number": "+12025550162", "verified": false}],
                "name": {"first_name": "Ada", "middle_name": "", "last_name": null},
                "trusted_metadata": {"plan": "pro"}, "untrusted_metadata": null, "roles": ["stytch_user"],
                "password": {"password_id": "p"}, "providers": [{"provider_type": "google"}, {}], "totps": [], "is_locked": false,
                "webauthn_registrations": null, "lock_created_at": null, "unknown": [1]
            }),
            &mut lacks,
        )
        .unwrap();
        assert_eq!(id.as_deref(), Some(ID));
        assert_eq!(ada.id.unwrap().to_string(), &ID[10..]);
        assert_eq!(ada.created_at.unwrap().as_millis(), 1_630_111_318_935);
        let addresses: Vec<_> = ada.addresses.iter().map(|(address, proven)| (address.as_str(), *proven)).collect();
        assert_eq!(addresses, [("ada@example.com", true), ("+12025550162", false)]);
        assert!(ada.is_pending && ada.profile.untrusted.is_none());
        assert_eq!(ada.external_id.unwrap().as_str(), "shop|1");
        assert_eq!(ada.profile.name, PersonName { first: Some("Ada".to_owned()), middle: None, last: None });
        assert_eq!(
            (lacks.passwords, lacks.oauth_providers, lacks.totps, lacks.locks, lacks.webauthn_registrations),
            (1, 1, 0, 0, 0)
        );
    }

    #[test]
    fn ids_are_kept_or_become_the_apps_own() {
        let one = |object| person(object, &mut NotCarried::default()).unwrap().1.person;
        let bare = "16d9ba61-97a1-4ba4-9720-b03761dc50c6";
        let own = one(json!({"user_id": ID, "external_id": bare}));
        assert_eq!((own.id.is_some(), own.external_id.unwrap().as_str()), (true, bare), "apps use UUIDs of their own");
        let odd = one(json!({"user_id": "auth0|1"}));
        assert_eq!((odd.id, odd.external_id.unwrap().as_str()), (None, "auth0|1"));
        for (change, why) in [
            (json!({"user_id": null}), "user_id: is required"),
            (json!({"user_id": 5}), "user_id: is required"),
            (json!({"user_id": "a b"}), "user_id: An external id"),
            (json!({"user_id": "odd", "external_id": "x"}), "user_id: is not of the form"),
            (json!({"external_id": "a/b"}), "external_id: An external id"),
            (json!({"external_id": "user-test-16D9BA61-97a1-4ba4-9720-b03761dc50c6"}), "external_id: looks like"),
        ] {
            let told = refused(change.clone());
            assert!(told.starts_with(why), "{change}: {told}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, why) in [
            (json!({"emails": [{"email": "no address"}]}), "emails: This is not"),
            (json!({"emails": [{}]}), "emails: email is required"),
            (json!({"emails": {}}), "emails: must be a list"),
            (json!({"phone_numbers": [{"phone_number": "12"}]}), "phone_numbers: "),
            (json!({"status": "deleted"}), "status: "),
            (json!({"created_at": "yesterday"}), "created_at: "),
            (json!({"created_at": 5}), "created_at: must be a string"),
            (json!({"name": "Ada"}), "name: must be an object"),
            (json!({"roles": [1]}), "roles: "),
            (json!({"trusted_metadata": []}), "trusted_metadata: "),
        ] {
            let told = refused(change.clone());
            assert!(told.starts_with(why), "{change}: {told}");
        }
    }
}
