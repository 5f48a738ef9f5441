//! Finding people. A page costs a bounded effort: when few of many people match, a page may hold fewer than asked for (or none) and still have a next one.

use super::{Person, UserRef};
use crate::Engine;
use crate::caller::Caller;
use crate::email_address::EmailAddress;
use crate::error::Result;
use crate::ids::{AppId, IdentifierId, UserId};
use crate::phone_number::PhoneNumber;
use crate::time::Timestamp;
use crate::users::Address;

/// People looked at for one page.
const MOST_LOOKED_AT: usize = 20_000;
/// People on one page.
const MOST_ON_PAGE: u32 = 1000;
/// People read at once.
const BATCH: u32 = 500;

/// One condition on a person.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Came to be after this instant.
    CreatedAfter(Timestamp),
    /// Came to be before this instant.
    CreatedBefore(Timestamp),
    /// Came to be between these instants.
    CreatedBetween(Timestamp, Timestamp),
    /// Has (not) signed in yet.
    IsPending(bool),
    /// Is one of these.
    Ids(Vec<UserRef>),
    /// Has one of these addresses.
    Emails(Vec<EmailAddress>),
    /// Has an address with one of these ids; phones only or mail only.
    Identifiers(super::IdentifierKind, Vec<IdentifierId>),
    /// Has one of these numbers.
    Phones(Vec<PhoneNumber>),
    /// Has one of these mail addresses or numbers.
    Addresses(Vec<EmailAddress>, Vec<PhoneNumber>),
    /// Has a proven address of this kind, or (`false`) none.
    Verified(super::IdentifierKind, bool),
    /// A mail address contains this, whatever the letter case.
    EmailContains(String),
    /// A number contains these characters.
    PhoneContains(String),
    /// The full name contains this, whatever the letter case.
    NameContains(String),
    /// Everybody (`true`) or nobody.
    Constant(bool),
}

/// What to find.
#[derive(Clone, Debug)]
pub struct Search {
    /// The conditions; none match everybody.
    pub conditions: Vec<Condition>,
    /// Whether one condition is enough, instead of all.
    pub any: bool,
    /// Begins after this user.
    pub after: Option<UserId>,
    /// The newest first.
    pub newest_first: bool,
    /// The most people on the page: 1 to 1000.
    pub limit: u32,
}

/// A page of people.
#[derive(Clone, Debug)]
pub struct FoundPeople {
    /// Who matches, by id: in the order in which they came to be, except that imported people stand where their old ids put them.
    pub people: Vec<Person>,
    /// How many match in all, when that is known.
    pub total: Option<u64>,
    /// Where the next page begins; none on the last.
    pub next: Option<UserId>,
}

impl Condition {
    fn holds(&self, person: &Person) -> bool {
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        match self {
            Self::CreatedAfter(at) => person.user.created_at > *at,
            Self::CreatedBefore(at) => person.user.created_at < *at,
            Self::CreatedBetween(after, before) => person.user.created_at > *after && person.user.created_at < *before,
            Self::IsPending(pending) => person.user.is_pending == *pending,
            Self::Ids(ids) => ids.iter().any(|id| match id {
                UserRef::Id(id) => person.user.id == *id,
                UserRef::External(id) => person.external_id.as_ref() == Some(id),
            }),
            Self::Emails(emails) => person.emails().any(|(_, email)| emails.contains(email)),
            Self::Identifiers(kind, ids) => person.identifiers.iter().any(|i| i.address.kind() == *kind && ids.contains(&i.id)),
            Self::Phones(phones) => person.phones().any(|(_, phone)| phones.contains(phone)),
            Self::Addresses(emails, phones) => {
                person.emails().any(|(_, email)| emails.contains(email))
                    || person.phones().any(|(_, phone)| phones.contains(phone))
            }
            Self::Verified(kind, wanted) => {
                let has = person.identifiers.iter().any(|i| i.address.kind() == *kind && i.verified_at.is_some());
                has == *wanted
            }
            Self::EmailContains(part) => person.emails().any(|(_, email)| contains(email.as_str(), part)),
            Self::PhoneContains(part) => person.phones().any(|(_, phone)| phone.as_str().contains(part.as_str())),
            Self::NameContains(part) => contains(&person.profile.name.full(), part),
            Self::Constant(holds) => *holds,
        }
    }

    /// Whether an index finds everybody for whom this holds.
    fn is_exact(&self) -> bool {
        matches!(
            self,
            Self::Ids(_)
                | Self::Emails(_)
                | Self::Identifiers(..)
                | Self::Phones(_)
                | Self::Addresses(..)
                | Self::Constant(false)
        )
    }
}

impl Search {
    fn holds(&self, person: &Person) -> bool {
        match (self.conditions.is_empty(), self.any) {
            (true, _) => true,
            (_, true) => self.conditions.iter().any(|condition| condition.holds(person)),
            (_, false) => self.conditions.iter().all(|condition| condition.holds(person)),
        }
    }

    /// The conditions whose people, taken together, are all who can match; none when only looking at everybody helps.
    fn narrow(&self) -> Option<Vec<&Condition>> {
        if self.any {
            let exact = !self.conditions.is_empty() && self.conditions.iter().all(Condition::is_exact);
            return exact.then(|| self.conditions.iter().collect());
        }
        self.conditions.iter().find(|condition| condition.is_exact()).map(|condition| vec![condition])
    }
}

impl Engine {
    /// Finds people of the caller's app.
    ///
    /// # Errors
    /// `Forbidden` without the scope; those of storage.
    pub async fn search_users(&self, caller: &Caller, search: Search) -> Result<FoundPeople> {
        caller.require("user:read")?;
        let search = Search { limit: search.limit.clamp(1, MOST_ON_PAGE), ..search };
        let limit = search.limit as usize;
        if let Some(conditions) = search.narrow() {
            let mut people = self.candidates(caller, conditions).await?;
            people.retain(|person| search.holds(person));
            let total = people.len() as u64;
            if search.newest_first {
                people.reverse();
            }
            let is_after = |id: UserId, after: UserId| if search.newest_first { id < after } else { id > after };
            people.retain(|person| search.after.is_none_or(|after| is_after(person.user.id, after)));
            let next = (people.len() > limit).then(|| people[limit - 1].user.id);
            people.truncate(limit);
            return Ok(FoundPeople { people, total: Some(total), next });
        }
        let everybody = search.conditions.is_empty();
        let mut people: Vec<Person> = Vec::new();
        let mut after = search.after;
        let mut looked_at = 0;
        // One more than asked for tells whether there is a next page.
        let next = loop {
            let batch =
                self.store.list_people(caller.app.id, after, search.newest_first, BATCH.min(search.limit + 1).max(50)).await?;
            let Some(last) = batch.last().map(|person| person.user.id) else { break None };
            looked_at += batch.len();
            people.extend(batch.into_iter().filter(|person| search.holds(person)));
            if people.len() > limit {
                people.truncate(limit);
                break people.last().map(|person| person.user.id);
            }
            if looked_at >= MOST_LOOKED_AT {
                break Some(last);
            }
            after = Some(last);
        };
        let total = match (everybody, search.after, next) {
            (true, _, _) => Some(self.store.count_users(caller.app.id).await?),
            (false, None, None) => Some(people.len() as u64),
            _ => None,
        };
        Ok(FoundPeople { people, total, next })
    }

    async fn candidates(&self, caller: &Caller, conditions: Vec<&Condition>) -> Result<Vec<Person>> {
        let app = caller.app.id;
        let mut people = Vec::new();
        for condition in conditions {
            match condition {
                Condition::Ids(ids) => {
                    for id in ids {
                        people.extend(self.store.find_person(app, id.clone()).await?);
                    }
                }
                Condition::Emails(emails) => people.extend(self.with_addresses(app, emails, &[]).await?),
                Condition::Phones(phones) => people.extend(self.with_addresses(app, &[], phones).await?),
                Condition::Addresses(emails, phones) => people.extend(self.with_addresses(app, emails, phones).await?),
                Condition::Identifiers(_, ids) => {
                    for id in ids {
                        people.extend(self.store.find_person_by_identifier(app, *id).await?);
                    }
                }
                _ => {}
            }
        }
        people.sort_by_key(|person| person.user.id);
        people.dedup_by_key(|person| person.user.id);
        Ok(people)
    }

    async fn with_addresses(&self, app: AppId, emails: &[EmailAddress], phones: &[PhoneNumber]) -> Result<Vec<Person>> {
        let emails = emails.iter().cloned().map(Address::Email);
        let mut people = Vec::new();
        for address in emails.chain(phones.iter().cloned().map(Address::Phone)) {
            people.extend(self.store.find_person_by_address(app, &address).await?);
        }
        Ok(people)
    }
}
