//! Redeeming a link that was asked for with more than an address: who it is, what is written down, which group is joined, decided in the transaction that uses it up.

use passlink_engine::Result;
use passlink_engine::ids::UserId;
use passlink_engine::links::plan::method_word;
use passlink_engine::links::store::{RedeemLink, RedeemOutcome, RedeemPlan};
use passlink_engine::users::schema::address_field;
use passlink_engine::users::writing::{self, Written};
use passlink_engine::users::{Person, UserRef};
use passlink_engine::{Error, users::writing::AddressChange};

use crate::redeem::{Arrived, about, first_proof, use_up, write_session};
use crate::tx::Tx;
use crate::{events, invites, links, members, people, redeem, users};

/// Who a plan signs in.
enum Found {
    Somebody(Box<Person>),
    Nobody,
    /// The address by which they were found is theirs no more.
    GivenUp,
    /// The address in this field is another user's than those before it.
    TwoPeople(&'static str),
}

async fn find(tx: &mut Tx, r: &RedeemLink, p: &RedeemPlan) -> Result<Found> {
    let mut owner: Option<UserId> = None;
    for address in p.plan.addresses() {
        let Some(id) = people::owner(tx, r.app, &address, r.now).await? else { continue };
        if owner.is_some_and(|known| known != id) {
            return Ok(Found::TwoPeople(address_field(address.kind())));
        }
        owner = Some(id);
    }
    let by_address = owner.is_some();
    if !by_address && p.plan.only_by_address {
        return Ok(Found::GivenUp);
    }
    let user = owner.map_or_else(|| p.plan.otherwise.user_ref(), UserRef::Id);
    match users::find_person(tx, r.app, &user).await? {
        Some(person) => Ok(Found::Somebody(Box::new(person.at(r.now)))),
        None if by_address => Err(Error::unavailable("a user was removed a moment ago")),
        None => Ok(Found::Nobody),
    }
}

/// What redeeming writes down: the values, the address that it proves, and that they signed in.
fn written(r: &RedeemLink, p: &RedeemPlan, person: &Person, is_new: bool) -> Result<Written> {
    let mut writing = p.plan.writing(&p.schema, is_new);
    let proves = p.plan.proves();
    if let Some(address) = &proves {
        let name = address_field(address.kind());
        if p.schema.field(name).is_some() {
            writing.values.insert(name.to_owned(), address.as_str().into());
        }
    }
    let mut written = writing::write(person, &p.schema, &writing, r.now)
        .map_err(|_| Error::internal("what fits a schema was refused by it"))?;
    // Also where the schema does not show it.
    if let Some(address) = proves {
        let is_theirs = person.identifiers.iter().any(|identifier| identifier.address == address);
        let is_set = written.addresses.iter().any(|change| *change == AddressChange::Set(address.clone()));
        if !is_theirs && !is_set {
            written.addresses.push(AddressChange::Set(address));
        }
    }
    let activity = &mut written.profile.activity;
    let by_address = p.plan.addresses().next().map(|address| method_word(address.kind()));
    let before = activity.last_sign_in.as_ref().map(|(_, method)| method.clone());
    let proven = p.plan.proves().map(|address| method_word(address.kind()).to_owned());
    let method = proven.or(before).or_else(|| by_address.map(str::to_owned)).unwrap_or_else(|| "link".to_owned());
    let moment = (r.now, method);
    activity.first_sign_in.get_or_insert_with(|| moment.clone());
    activity.last_sign_in = Some(moment);
    Ok(written)
}

pub(crate) async fn redeem(tx: &mut Tx, r: &RedeemLink, p: &RedeemPlan) -> Result<RedeemOutcome> {
    let ready = match look(tx, r, p).await? {
        Ok(ready) => ready,
        Err(refused) => return not_live_or(tx, r, refused).await,
    };
    let Some(link) = use_up(tx, r).await? else {
        return Ok(RedeemOutcome::NotLive(links::find(tx, r.app, r.key).await?.map(Box::new)));
    };
    let is_new = ready.created;
    let mut ready = ready;
    for _ in 0..16 {
        if ready.created {
            people::insert(tx, &ready.person).await?;
        }
        if people::apply(tx, &ready.person, &ready.written, p.identifiers, r.now).await? {
            return arrive(tx, r, p, link, ready.person, is_new).await;
        }
        // Somebody changed the person since we looked, and is done. What would be refused now is undone with the use of the link, and said the next time.
        ready = look(tx, r, p).await?.map_err(|_| Error::unavailable("a user was changed a moment ago"))?;
    }
    Err(Error::unavailable("a user is changed by too many at once"))
}

/// Everything that can be known before the link is used up.
struct Ready {
    person: Person,
    created: bool,
    written: Written,
}

async fn look(tx: &mut Tx, r: &RedeemLink, p: &RedeemPlan) -> Result<std::result::Result<Ready, RedeemOutcome>> {
    for _ in 0..16 {
        let (person, created) = match find(tx, r, p).await? {
            Found::Somebody(person) => (*person, false),
            Found::Nobody => (people::nobody(r.app, &p.plan.otherwise, r.now), true),
            Found::GivenUp => return Ok(Err(RedeemOutcome::UserRefused)),
            Found::TwoPeople(field) => return Ok(Err(RedeemOutcome::Taken(field.to_owned()))),
        };
        // A mailed link is what anybody may ask for; a client's own is the app's wish to have this user.
        let is_uninvited = created && r.address.is_some() && !r.sign_up_open;
        if person.user.disabled_at.is_some() || is_uninvited {
            return Ok(Err(RedeemOutcome::UserRefused));
        }
        let written = written(r, p, &person, created)?;
        match people::taken(tx, &person, &written, r.now).await? {
            None => return Ok(Ok(Ready { person, created, written })),
            // It was nobody's a moment ago, else its owner had been found by it: whoever has it now is who this is.
            Some(field) if p.plan.addresses().any(|address| address_field(address.kind()) == field) => {}
            Some(field) => return Ok(Err(RedeemOutcome::Taken(field))),
        }
    }
    Err(Error::unavailable("an address changes hands too often"))
}

/// A dead link is dead before anything else is said about it.
async fn not_live_or(tx: &mut Tx, r: &RedeemLink, otherwise: RedeemOutcome) -> Result<RedeemOutcome> {
    match links::find(tx, r.app, r.key).await? {
        Some(link) if is_live(r, &link) => Ok(otherwise),
        link => Ok(RedeemOutcome::NotLive(link.map(Box::new))),
    }
}

fn is_live(r: &RedeemLink, link: &passlink_engine::links::Link) -> bool {
    link.state(r.now, r.pending_links) == passlink_engine::links::LinkState::Live
}

async fn arrive(
    tx: &mut Tx,
    r: &RedeemLink,
    p: &RedeemPlan,
    link: passlink_engine::ids::LinkId,
    before: Person,
    created: bool,
) -> Result<RedeemOutcome> {
    let mut ended = Vec::new();
    if let Some(address) = p.plan.proves()
        && people::prove(tx, &before, &address, r.now).await?
    {
        if before.is_verified() || created {
            events::write(tx, &about(&r.events.address_verified, &before.user, None))?;
        } else {
            ended = first_proof(tx, r, &before.user).await?;
        }
    }
    if let Some(address) = &r.address {
        redeem::end_others(tx, r.app, address, r.now).await?;
    }
    for address in p.plan.addresses() {
        people::release(tx, r.app, &address).await?;
    }
    let now = users::find(tx, r.app, before.user.id).await?;
    let user = now.ok_or_else(|| Error::unavailable("a user was removed a moment ago"))?;
    if let Some(group) = p.plan.group {
        let join = members::Join {
            app: r.app,
            group,
            user: user.id,
            user_is_new: false,
            member: p.member,
            roles: &["member".to_owned()],
            event: &p.joined,
        };
        members::join(tx, join).await?;
    }
    if let Some(invite) = p.plan.invite {
        invites::accept_by_link(tx, r.app, invite, user.id, &p.joined).await?;
    }
    write_session(tx, r, link, Arrived { user, created, ended }).await
}
