//! The vendor's profiles (contract section 7), as its own API lists them, as people of ours.
//!
//! A person keeps the id: it becomes the app's own, by which the dialect finds and shows them. An address is theirs when the vendor has it verified. One that is
//! not may have been typed by anybody, so it is kept as what it is, a value of their profile, by which nobody is found.

use std::collections::BTreeMap;

use passlink_engine::groups::Admission;
use passlink_engine::groups::manage::NewGroup;
use passlink_engine::time::Timestamp;
use passlink_engine::users::import::ImportedUser;
use passlink_engine::users::profile::{Activity, ProfileChange};
use passlink_engine::users::schema::{Schema, address_field};
use passlink_engine::users::writing::read_address;
use passlink_engine::users::{ExternalId, IdentifierKind};
use serde_json::{Map, Value};

use super::read::{Refused, map, objects, text, texts};
use super::report::NotCarried;
use super::{Arrival, Membership};

const KINDS: [IdentifierKind; 2] = [IdentifierKind::Email, IdentifierKind::Phone];

/// Reads one profile.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn person(value: Value, schema: &Schema, not_carried: &mut NotCarried) -> Result<(Option<String>, Arrival), Refused> {
    let Value::Object(mut object) = value else { return Err((None, "is no object".to_owned())) };
    let mut data = map(&mut object, "data").map_err(|why| (None, why))?.unwrap_or_default();
    let named = text(&mut data, "user_id").ok().flatten().or_else(|| text(&mut object, "rownd_user").ok().flatten());
    let id = named.map(|id| id.chars().take(200).collect::<String>());
    let mut lacks = NotCarried::default();
    match read(object, data, id.as_deref(), schema, &mut lacks) {
        Ok(arrival) => {
            not_carried.add(lacks);
            Ok((id, arrival))
        }
        Err(why) => Err((id, why)),
    }
}

fn read(
    mut object: Map<String, Value>,
    mut data: Map<String, Value>,
    id: Option<&str>,
    schema: &Schema,
    lacks: &mut NotCarried,
) -> Result<Arrival, String> {
    let id = id.filter(|id| !id.is_empty()).ok_or("data: user_id is required")?;
    let external_id = ExternalId::parse(id).map_err(|error| format!("user_id: {error}"))?;
    let mut verified = map(&mut object, "verified_data")?.unwrap_or_default();
    let (mut addresses, mut typed) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let name = address_field(kind);
        let address = |values: &mut Map<String, Value>| {
            let text = text(values, name)?.filter(|text| !text.trim().is_empty());
            text.map(|text| read_address(kind, &text).map_err(|what| format!("{name}: {what}"))).transpose()
        };
        let (proven, written) = (address(&mut verified)?, address(&mut data)?);
        match written.filter(|written| proven.as_ref() != Some(written)) {
            Some(_) if schema.field(name).is_none() => *lacks.unknown_fields.entry(name.to_owned()).or_default() += 1,
            Some(written) => {
                lacks.unverified_addresses += 1;
                typed.push(written);
            }
            None => {}
        }
        addresses.extend(proven.map(|proven| (proven, true)));
    }
    let is_disabled = match text(&mut object, "state")?.as_deref() {
        None | Some("enabled") => false,
        Some("disabled") => true,
        Some(_) => return Err("state: must be enabled or disabled".to_owned()),
    };
    // Fields that the app's schema does not have, have no place here. They are counted by name.
    for name in data.keys().filter(|name| schema.field(name).is_none()) {
        *lacks.unknown_fields.entry(name.clone()).or_default() += 1;
    }
    data.retain(|name, value| schema.field(name).is_some() && !value.is_null());
    let mut attributes = BTreeMap::new();
    let mut given = map(&mut object, "attributes")?.unwrap_or_default();
    for name in given.keys().cloned().collect::<Vec<_>>() {
        let values = texts(&mut given, &name).map_err(|why| format!("attributes: {why}"))?.unwrap_or_default();
        match name.starts_with("rownd:") || name.starts_with("system:") {
            true => lacks.reserved_attributes += 1,
            false => drop(attributes.insert(name, values)),
        }
    }
    // One page of the vendor's documentation has the other name.
    let mut meta = match map(&mut object, "meta")? {
        Some(meta) => meta,
        None => map(&mut object, "metadata")?.unwrap_or_default(),
    };
    let created_at = time(&mut meta, "created")?;
    let activity = Activity {
        modified_at: time(&mut meta, "modified")?,
        first_sign_in: moment(&mut meta, "first_sign_in")?,
        last_sign_in: moment(&mut meta, "last_sign_in")?,
    };
    let person = ImportedUser {
        created_at,
        addresses,
        typed,
        is_disabled,
        external_id: Some(external_id),
        values: data,
        activity,
        profile: ProfileChange { attributes: Some(attributes), ..ProfileChange::default() },
        ..ImportedUser::default()
    };
    Ok(Arrival { person, groups: groups(&mut object, lacks)? })
}

fn groups(object: &mut Map<String, Value>, lacks: &mut NotCarried) -> Result<Vec<Membership>, String> {
    let mut memberships = Vec::new();
    for mut entry in objects(object, "groups")? {
        let mut group = map(&mut entry, "group")?.ok_or("groups: group is required")?;
        let mut member = map(&mut entry, "member")?.unwrap_or_default();
        let within = |why: String| format!("groups: {why}");
        // An invitation is a link, and no list holds those.
        if text(&mut member, "state").map_err(within)?.is_some_and(|state| state != "active") {
            lacks.invitations += 1;
            continue;
        }
        let id = text(&mut group, "id").map_err(within)?.ok_or("groups: id is required")?;
        let new = NewGroup {
            name: text(&mut group, "name").map_err(within)?.unwrap_or_else(|| id.clone()),
            admission: match text(&mut group, "admission_policy").map_err(within)?.as_deref() {
                Some("open") => Admission::Open,
                _ => Admission::InviteOnly,
            },
            attributes: map(&mut group, "meta").map_err(within)?,
            external_id: Some(id.clone()),
            ..NewGroup::default()
        };
        memberships.push(Membership { group: id, new, roles: texts(&mut member, "roles").map_err(within)?.unwrap_or_default() });
    }
    Ok(memberships)
}

fn time(meta: &mut Map<String, Value>, field: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = text(meta, field).map_err(|why| format!("meta: {why}"))?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = || format!("meta: {field}: must be a time such as 2026-01-31T12:00:00.000Z");
    Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(wrong)
}

fn moment(meta: &mut Map<String, Value>, field: &str) -> Result<Option<(Timestamp, String)>, String> {
    let how = text(meta, &format!("{field}_method")).map_err(|why| format!("meta: {why}"))?;
    Ok(time(meta, field)?.map(|at| (at, how.unwrap_or_else(|| "link".to_owned()))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "user_fmpsrdqfcqzyicf3msor42e8";

    fn refused(change: Value) -> String {
        let mut object = json!({"data": {"user_id": ID}});
        object.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let read = person(object, &Schema::default(), &mut NotCarried::default());
        read.map(|_| String::new()).unwrap_or_else(|(_, why)| why)
    }

    #[test]
    fn everything_that_can_be_kept_is_kept() {
        let mut lacks = NotCarried::default();
        let profile = json!({
            "rownd_user": ID, "state": "disabled", "auth_level": "verified",
            "data": {
                "user_id": ID, "email": "Ada@Example.com", "phone_number": "+1 202-555-0162", "first_name": "Ada", "last_name": null,
                "google_id": "g", "shoe_size": 38
            },
            "verified_data": {"email": "ada@example.com"},
            "attributes": {"plan": ["pro"], "rownd:x": ["y"]},
            "meta": {
                "created": "2021-08-28T00:41:58.935Z", "modified": "2022-01-01T00:00:00.000Z", "first_sign_in": "2021-08-28T00:42:00.000Z",
                "first_sign_in_method": "email", "last_active": "2023-01-01T00:00:00.000Z"
            },
            "groups": [
                {"group": {"id": "group_1", "name": "Team", "admission_policy": "open", "meta": {"a": 1}, "member_count": 0},
                 "member": {"id": "member_1", "roles": ["owner", "x"], "state": "active"}},
                {"group": {"id": "group_2", "name": "Other"}, "member": {"state": "invite_pending", "roles": []}}
            ],
            "redacted": [], "connection_map": {}
        });
        let (id, Arrival { person: ada, groups }) = person(profile, &Schema::default(), &mut lacks).unwrap();
        assert_eq!(id.as_deref(), Some(ID));
        assert_eq!((ada.id, ada.external_id.unwrap().as_str()), (None, ID));
        assert!(ada.is_disabled && !ada.is_pending);
        let addresses: Vec<_> = ada.addresses.iter().map(|(address, proven)| (address.as_str(), *proven)).collect();
        assert_eq!(addresses, [("ada@example.com", true)]);
        assert_eq!(ada.typed.iter().map(|address| address.as_str()).collect::<Vec<_>>(), ["+12025550162"]);
        assert_eq!(Value::Object(ada.values), json!({"first_name": "Ada", "google_id": "g"}));
        assert_eq!(ada.created_at.unwrap().as_millis(), 1_630_111_318_935);
        assert_eq!(ada.activity.first_sign_in.unwrap().1, "email");
        assert!(ada.activity.modified_at.is_some() && ada.activity.last_sign_in.is_none());
        assert_eq!(ada.profile.attributes.unwrap()["plan"], ["pro"]);
        let [team] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((team.group.as_str(), team.new.name.as_str(), team.new.admission), ("group_1", "Team", Admission::Open));
        assert_eq!(
            (team.new.external_id.as_deref(), &team.roles[..]),
            (Some("group_1"), &["owner".to_owned(), "x".to_owned()][..])
        );
        assert_eq!((lacks.unverified_addresses, lacks.reserved_attributes, lacks.invitations), (1, 1, 1));
        assert_eq!(lacks.unknown_fields, BTreeMap::from([("shoe_size".to_owned(), 1)]));
    }

    #[test]
    fn an_address_is_theirs_only_when_it_is_verified() {
        let one = |data: Value, verified: Value| {
            let profile = json!({"data": data, "verified_data": verified});
            let arrival = person(profile, &Schema::default(), &mut NotCarried::default()).unwrap().1;
            let texts = |all: Vec<passlink_engine::users::Address>| all.iter().map(|a| a.as_str().to_owned()).collect::<Vec<_>>();
            (texts(arrival.person.addresses.into_iter().map(|(address, _)| address).collect()), texts(arrival.person.typed))
        };
        let data = |email: &str| json!({"user_id": "u", "email": email});
        assert_eq!(one(data("a@example.com"), json!({})), (vec![], vec!["a@example.com".to_owned()]));
        assert_eq!(one(data("A@example.com"), json!({"email": "a@example.com"})), (vec!["a@example.com".to_owned()], vec![]));
        let two = one(data("new@example.com"), json!({"email": "old@example.com"}));
        assert_eq!(two, (vec!["old@example.com".to_owned()], vec!["new@example.com".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, why) in [
            (json!({"data": {}}), "data: user_id is required"),
            (json!({"data": []}), "data: must be an object"),
            (json!({"data": {"user_id": "a/b"}}), "user_id: An external id"),
            (json!({"data": {"user_id": ID, "email": "no address"}}), "email: must be"),
            (json!({"data": {"user_id": ID, "email": 5}}), "email: must be a string"),
            (json!({"verified_data": {"phone_number": "12"}}), "phone_number: must be"),
            (json!({"state": "gone"}), "state: "),
            (json!({"attributes": {"a": "b"}}), "attributes: a: must be a list"),
            (json!({"meta": {"created": "yesterday"}}), "meta: created: must be"),
            (json!({"groups": [{}]}), "groups: group is required"),
            (json!({"groups": [{"group": {"name": "x"}}]}), "groups: id is required"),
            (json!({"groups": {}}), "groups: must be a list"),
        ] {
            let told = refused(change.clone());
            assert!(told.starts_with(why), "{change}: {told}");
        }
    }
}
