//! Mail that clients ask for: a link or a code to a user's address, for users that exist, come to be or are invited.
//!
//! The app's own server exchanges what the person brings back ([`super::exchange`]); the exchange proves the address.

use super::issue::{Carries, Carry, IssueLink, LandingPage, Together, not_registered};
use super::{Handover, Purpose};
use crate::Engine;
use crate::caller::Caller;
use crate::email_address::EmailAddress;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::{IdentifierId, UserId};
use crate::ports::Draw;
use crate::redirects::{ChosenBy, LandingUrl};
use crate::sessions::ClientFacts;
use crate::time::{Lifetime, Timestamp};
use crate::users::manage::taken;
use crate::users::profile::ProfileChange;
use crate::users::store::{NewAddress, NewUser};
use crate::users::{Address, Person, Profile, UserRef, WrittenBy};

/// For whom it is.
#[derive(Clone, Debug)]
pub enum Whom {
    /// The user who has the address.
    Known,
    /// The same, or a new user.
    KnownOrNew {
        /// A new user is pending until the first sign-in.
        pending: bool,
    },
    /// A new or pending user, who is invited.
    Invited(Box<ProfileChange>),
    /// This user, to whom the address is added; it stays only if it is proven in time.
    Of(UserRef),
}

/// A page that receives the token, and how long the link lives.
#[derive(Clone, Debug)]
pub struct Landing {
    /// The page; the app's first one when not given.
    pub url: Option<LandingUrl>,
    /// How long.
    pub lifetime: Lifetime,
}

/// What is mailed.
#[derive(Clone, Debug)]
pub enum Mailed {
    /// A link.
    Link(Box<MailedPages>),
    /// A code that lives so long.
    Code(Lifetime),
}

/// Where a mailed link leads.
#[derive(Clone, Debug)]
pub struct MailedPages {
    /// For active users, and invitations.
    pub sign_in: Landing,
    /// For new and pending users.
    pub sign_up: Landing,
    /// The path, up to the token, at which it opens.
    pub door: String,
    /// Only pages by https count.
    pub secure: bool,
}

/// Asks for a mail.
#[derive(Clone, Debug)]
pub struct MailLink {
    /// Where to.
    pub email: EmailAddress,
    /// For whom.
    pub whom: Whom,
    /// What.
    pub what: Mailed,
    /// PKCE code challenge.
    pub code_challenge: Option<String>,
    /// The device it is asked for.
    pub client: ClientFacts,
}

/// It waits to be sent.
#[derive(Clone, Copy, Debug)]
pub struct MailedLink {
    /// Whose it is.
    pub user: UserId,
    /// The address.
    pub identifier: IdentifierId,
    /// The user came to be just now.
    pub created: bool,
}

/// Which of the app's pages are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SignIn,
    SignUp,
    Invite,
}

struct Recipient {
    user: UserId,
    identifier: IdentifierId,
    is_pending: bool,
    together: Together,
}

impl Engine {
    /// How long an added address has to be proven.
    const ADDRESS_PROVISIONAL: Lifetime = Lifetime::from_minutes(5);

    /// Mails a link or a code for a client.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` about `email` when a known user is meant and there is none, or about `user`; `Invalid` naming `email` (taken: another
    /// user's, or of an invited user who is active), `lifetime` or `code_challenge`; `RedirectRequired` or `RedirectNotAllowed` about `sign_in`, `sign_up` or `invite`;
    /// `NotConfigured`; `RateLimited`.
    pub async fn mail_link(&self, caller: &Caller, command: MailLink) -> Result<MailedLink> {
        caller.require("link:create")?;
        if command.code_challenge.as_deref().is_some_and(|challenge| !super::pkce::is_challenge(challenge)) {
            let message = "must be the base64url of a SHA-256 digest, without padding";
            return Err(Error::invalid("code_challenge", message));
        }
        match self.mail_once(caller, command.clone()).await {
            // Somebody may have come to have the address since we looked: then it is theirs, and they get the mail.
            Err(error) if error.is_taken() => self.mail_once(caller, command).await,
            mailed => mailed,
        }
    }

    async fn mail_once(&self, caller: &Caller, command: MailLink) -> Result<MailedLink> {
        let now = self.clock.now();
        let recipient = self.recipient(caller, &command, now).await?;
        let purpose = if matches!(command.whom, Whom::Invited(_)) { Purpose::Invite } else { Purpose::SignIn };
        let (landing, lifetime, carries, door) = match command.what {
            Mailed::Code(lifetime) => (None, lifetime, Carries::Code, None),
            Mailed::Link(pages) => {
                let MailedPages { sign_in, sign_up, door, secure } = *pages;
                let (kind, chosen) = match (purpose, recipient.is_pending) {
                    (Purpose::Invite, _) => (Kind::Invite, sign_in),
                    (_, true) => (Kind::SignUp, sign_up),
                    (_, false) => (Kind::SignIn, sign_in),
                };
                let page = LandingPage { url: landing(caller, kind, chosen.url, secure)?, is_sign_up: kind == Kind::SignUp };
                (Some(page), chosen.lifetime, Carries::Link, Some(door))
            }
        };
        let created = matches!(recipient.together, Together::User(_));
        // What is asked for together with an address lives no longer than that does.
        let lifetime = match recipient.together {
            Together::Address(_) => lifetime.min(Self::ADDRESS_PROVISIONAL),
            _ => lifetime,
        };
        let issue = IssueLink {
            purpose,
            address: Some(command.email),
            user: Some(recipient.user),
            redirect: None,
            handover: Handover::Client,
            lifetime: Some(lifetime),
            session_lifetime: None,
            requester: None,
            carry: Carry::Mail,
            carries,
            alphanumeric: false,
            plan: None,
            redirect_by: ChosenBy::Page,
            door,
            landing,
            together: recipient.together,
            code_challenge: command.code_challenge,
            data: None,
            client: command.client,
        };
        self.issue_link(caller, issue).await?;
        Ok(MailedLink { user: recipient.user, identifier: recipient.identifier, created })
    }

    async fn recipient(&self, caller: &Caller, command: &MailLink, now: Timestamp) -> Result<Recipient> {
        let address = Address::Email(command.email.clone());
        let known = self.find_owner(caller.app.id, &address, now).await?.and_then(|person| {
            let identifier = person.identifiers.iter().find(|identifier| identifier.address == address)?.id;
            Some((person, identifier))
        });
        let of = |person: &Person, identifier| Recipient {
            user: person.user.id,
            identifier,
            is_pending: person.user.is_pending,
            together: Together::Nothing,
        };
        match (&command.whom, known) {
            (Whom::Known, None) => Err(Error::not_found("email", "No user has this e-mail address")),
            (Whom::Invited(_), Some((person, _))) if !person.user.is_pending => {
                Err(taken("email", "The user with this e-mail address is active already"))
            }
            (Whom::Of(user), known) => {
                let person = self.person(caller, user.clone()).await?;
                match known {
                    Some((owner, identifier)) if owner.user.id == person.user.id => Ok(of(&owner, identifier)),
                    Some(_) => Err(taken("email", "Another user has this e-mail address")),
                    None => self.added(caller, &person, address, now),
                }
            }
            (_, Some((person, identifier))) => Ok(of(&person, identifier)),
            (Whom::KnownOrNew { pending }, None) => self.newcomer(caller, address, *pending, &ProfileChange::default(), now),
            (Whom::Invited(profile), None) => self.newcomer(caller, address, true, profile, now),
        }
    }

    fn added(&self, caller: &Caller, person: &Person, address: Address, now: Timestamp) -> Result<Recipient> {
        caller.require("user:write")?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let identifier = draw.identifier_id();
        let until = now.plus(Self::ADDRESS_PROVISIONAL);
        let new = NewAddress { id: identifier, user: person.user.id, address, until };
        let is_pending = person.user.is_pending;
        Ok(Recipient { user: person.user.id, identifier, is_pending, together: Together::Address(Box::new(new)) })
    }

    fn newcomer(
        &self,
        caller: &Caller,
        address: Address,
        is_pending: bool,
        profile: &ProfileChange,
        now: Timestamp,
    ) -> Result<Recipient> {
        caller.require("user:write")?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let (user, identifier) = (draw.user_id(), draw.identifier_id());
        let new = NewUser {
            id: user,
            app: caller.app.id,
            now,
            created_at: now,
            addresses: vec![(identifier, address, None)],
            written_by: WrittenBy::Client,
            is_pending,
            external_id: None,
            profile: profile.apply(&Profile::default()).map_err(Error::invalid_fields)?,
            unique: Vec::new(),
            disabled_at: None,
            members: Vec::new(),
            event: Event::new(EventKind::UserCreated, caller, &mut draw, now).user(user),
        };
        // A new user gets the link of a sign-up, whether pending or not.
        Ok(Recipient { user, identifier, is_pending: true, together: Together::User(Box::new(new)) })
    }

    /// Ends the invitations to an address.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` about `email` when there is none.
    pub async fn revoke_invite(&self, caller: &Caller, email: &EmailAddress) -> Result<()> {
        caller.require("link:create")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::LinkRevoked, caller, &mut draw, now).with("address", email.masked());
        match self.store.revoke_links_to(caller.app.id, email, Purpose::Invite, event).await? {
            0 => Err(Error::not_found("email", "No invitation to this e-mail address is open")),
            _ => Ok(()),
        }
    }
}

/// The page that receives the token.
fn landing(caller: &Caller, kind: Kind, wanted: Option<LandingUrl>, secure: bool) -> Result<LandingUrl> {
    let settings = &caller.app.settings;
    let (registered, about) = match kind {
        Kind::SignIn => (&settings.sign_in_urls, "sign_in"),
        Kind::SignUp => (&settings.sign_up_urls, "sign_up"),
        Kind::Invite => (&settings.invite_urls, "invite"),
    };
    match wanted {
        Some(wanted) => {
            // What is sent is what was registered, `www.` included as it was asked for.
            let found = registered.iter().any(|known| known.matches(&wanted));
            if found { Ok(wanted) } else { Err(not_registered().about(about)) }
        }
        None => registered
            .iter()
            .find(|url| !secure || url.as_url().scheme() == "https")
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::RedirectRequired, "No URL is registered for this kind of link").about(about)),
    }
}
