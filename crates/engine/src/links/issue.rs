//! Making a link, and the mail that carries it.

use serde_json::Value;

use super::handoff::ChildOf;
use super::plan::SignInPlan;
use super::store::{InsertOutcome, Mailbox, NewLink};
use super::{Handover, Link, LinkOptions, Minter, Purpose, RequesterProof};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::email_address::EmailAddress;
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::groups::invites::NewInvite;
use crate::ids::{LinkId, UserId};
use crate::limits::Want;
use crate::messages::payload::Payload;
use crate::messages::store::{MessageState, NewMessage};
use crate::ports::Draw;
use crate::redirects::{ChosenBy, LandingUrl, RedirectTarget, is_allowed, not_allowed};
use crate::secret::{Secret, Token};
use crate::sessions::ClientFacts;
use crate::time::{Lifetime, Timestamp};
use crate::users::manage::taken;
use crate::users::store::{NewAddress, NewUser};

/// How a link reaches the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// By mail, through the app's sender.
    Mail,
    /// By the caller, who gets it in the answer: only for callers with credentials.
    Return,
}

/// What a mail carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    /// A link and a code: one credential, two doors.
    #[default]
    LinkAndCode,
    /// A link alone.
    Link,
    /// A code alone.
    Code,
}

/// What comes to be together with a link.
#[derive(Clone, Debug, Default)]
pub enum Together {
    /// Nothing else.
    #[default]
    Nothing,
    /// Its user.
    User(Box<NewUser>),
    /// An address of its user.
    Address(Box<NewAddress>),
    /// An invitation that redeeming accepts.
    Invite(Box<NewInvite>),
}

/// The browser that asks, and whether it is known to keep its proof.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The proof it holds, or is given with the answer.
    pub proof: Token,
    /// It showed the proof, or asks from one of our own pages: other browsers may then only approve.
    pub bound: bool,
    /// Its screen shows the number.
    pub number_shown: bool,
}

/// The app's page that a client's link leads to.
#[derive(Clone, Debug)]
pub struct LandingPage {
    /// Its registered address.
    pub url: LandingUrl,
    /// It is the one for those who sign up.
    pub is_sign_up: bool,
}

/// Asks for a link.
#[derive(Clone, Debug)]
pub struct IssueLink {
    /// What redeeming does.
    pub purpose: Purpose,
    /// The address to mail to and to prove. Left out of a link that a client both delivers and exchanges: that proves none.
    pub address: Option<EmailAddress>,
    /// The user it is for, when not found by address.
    pub user: Option<UserId>,
    /// Where the browser goes afterwards.
    pub redirect: Option<RedirectTarget>,
    /// How the session gets there.
    pub handover: Handover,
    /// How long it lives; the app's default when not given.
    pub lifetime: Option<Lifetime>,
    /// How long its session lives; the app's default when not given.
    pub session_lifetime: Option<Lifetime>,
    /// The browser that asks.
    pub requester: Option<Requester>,
    /// How it reaches the person.
    pub carry: Carry,
    /// What a mail carries.
    pub carries: Carries,
    /// Its token is letters and digits alone.
    pub alphanumeric: bool,
    /// Whom it signs in, where that is more than an address or a user.
    pub plan: Option<SignInPlan>,
    /// Who chose the redirect target.
    pub redirect_by: ChosenBy,
    /// The path, up to the token, at which the link opens; `/l/` when not given.
    pub door: Option<String>,
    /// The app's page that receives the token, for a client's link.
    pub landing: Option<LandingPage>,
    /// What comes to be in the same transaction.
    pub together: Together,
    /// PKCE code challenge (RFC 7636, S256).
    pub code_challenge: Option<String>,
    /// What to hand back at redemption.
    pub data: Option<Value>,
    /// The device the caller asks for, to be compared at redemption.
    pub client: ClientFacts,
}

impl IssueLink {
    /// A link for nobody yet and with nothing chosen; what it is for, is filled in.
    pub fn nobody() -> Self {
        Self {
            purpose: Purpose::SignIn,
            address: None,
            user: None,
            redirect: None,
            handover: Handover::Cookie,
            lifetime: None,
            session_lifetime: None,
            requester: None,
            carry: Carry::Return,
            carries: Carries::LinkAndCode,
            alphanumeric: false,
            plan: None,
            redirect_by: ChosenBy::Page,
            door: None,
            landing: None,
            together: Together::Nothing,
            code_challenge: None,
            data: None,
            client: ClientFacts::default(),
        }
    }

    /// A mailed link that signs in whoever holds this address.
    pub fn sign_in_by_mail(
        address: EmailAddress,
        redirect: Option<RedirectTarget>,
        handover: Handover,
        requester: Option<Requester>,
    ) -> Self {
        Self { address: Some(address), redirect, handover, requester, carry: Carry::Mail, ..Self::nobody() }
    }
}

/// A link that was asked for. For callers without credentials it looks the same whether a mail goes out or not.
#[derive(Clone, Debug)]
pub struct IssuedLink {
    /// The public id of the request.
    pub id: LinkId,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The link itself, under [`Carry::Return`] only.
    pub url: Option<Secret>,
    /// Its token alone, likewise.
    pub token: Option<Secret>,
}

impl Engine {
    /// Makes a link.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden` when the caller may not have links returned; `NotFound` about `user`; `RedirectNotAllowed`; `Invalid` for a lifetime over the ceiling;
    /// `NotConfigured` when the app has no sender; `RateLimited`; `Unavailable`.
    pub async fn issue_link(&self, caller: &Caller, command: IssueLink) -> Result<IssuedLink> {
        // A link for a user that is named, or that the caller carries itself, proves nothing about an address: only trusted callers may ask for it.
        if command.carry == Carry::Return || command.user.is_some() {
            caller.require("link:create")?;
        }
        self.issue(caller, command).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn issue(&self, caller: &Caller, command: IssueLink) -> Result<IssuedLink> {
        self.issue_for(caller, command, None).await
    }

    /// The same, for the child of a session. Which one is nothing a caller can choose, so it is no part of the command.
    pub(crate) async fn issue_for(
        &self,
        caller: &Caller,
        mut command: IssueLink,
        child_of: Option<ChildOf>,
    ) -> Result<IssuedLink> {
        let app = &caller.app;
        if command.carry == Carry::Mail && self.sender_of(app).is_none() {
            return Err(Error::new(ErrorKind::NotConfigured, "Sending links is not set up for this app"));
        }
        // What a client delivers and then exchanges by itself never went to an address, so it must not prove one (`security.md` 32).
        if command.carry == Carry::Return && command.handover == Handover::Client {
            command.address = None;
        }
        if command.address.is_none() && command.user.is_none() && command.plan.is_none() {
            return Err(Error::invalid("email", "An e-mail address is required"));
        }
        if let (Some(user), Together::Nothing | Together::Address(_) | Together::Invite(_)) = (command.user, &command.together)
            && self.store.find_user(app.id, user).await?.is_none()
        {
            return Err(crate::users::manage::no_user());
        }
        if let Some(redirect) = &command.redirect
            && !is_allowed(app, redirect.as_url(), command.redirect_by)
        {
            return Err(not_allowed());
        }
        if let Some(landing) = &command.landing
            && !app.settings.is_landing(&landing.url)
        {
            return Err(not_registered());
        }
        let lifetime = command.lifetime.unwrap_or(app.settings.link_lifetime);
        check_lifetime(caller, command.purpose, lifetime)?;
        let now = self.clock.now();
        let expires_at = now.plus(lifetime);
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = draw.link_id();

        self.take_issue_limits(caller, &command).await?;
        let token = match command.handover {
            _ if command.alphanumeric => draw.alphanumeric_token(command.purpose.token_kind(), app.tag),
            Handover::Client => draw.compact_token(command.purpose.token_kind(), app.tag),
            Handover::Cookie | Handover::Fragment | Handover::Signed => draw.token(command.purpose.token_kind(), app.tag),
        };
        let door = command.door.as_deref().unwrap_or("/l/");
        let url = Secret::new(format!("{}{door}{}", self.settings.public_origin, token.expose().expose()));
        let code = (command.carry == Carry::Mail && command.carries != Carries::Link).then(|| draw.code());
        let link = Link {
            id,
            app: app.id,
            hash: self.keys.token_hash(&token),
            purpose: command.purpose,
            address: command.address.clone(),
            user: command.user,
            redirect: match (command.redirect, &command.landing) {
                (Some(target), _) => Some(target.as_url().to_string()),
                (None, landing) => landing.as_ref().map(|landing| landing.url.to_string()),
            },
            handover: command.handover,
            requester: command
                .requester
                .as_ref()
                .map(|r| RequesterProof { hash: self.keys.token_hash(&r.proof), bound: r.bound }),
            code_hash: code.as_deref().map(|code| self.keys.code_hash(id, code)),
            code_attempts: 0,
            number_attempts: 0,
            issued_at: now,
            expires_at,
            approved_at: None,
            redeemed_at: None,
            redeemer: None,
            revoked: None,
            session: None,
            replay: None,
            session_lifetime: command.session_lifetime,
            minter: child_of.as_ref().map(|child| Minter { session: child.parent, ends_at: None }),
            sealed: child_of.is_some().then(|| self.seal_handoff(id, &url)).transpose()?,
            options: LinkOptions {
                requested_with: matches!(caller.authority, Authority::Anonymous)
                    .then(|| caller.context.user_agent.as_deref().and_then(crate::device::describe))
                    .flatten(),
                language: caller.context.languages.clone(),
                number_shown: command.requester.as_ref().is_some_and(|r| r.number_shown),
                withheld_for: None,
                code_challenge: command.code_challenge,
                data: command.data,
                is_sign_up: command.landing.is_some_and(|landing| landing.is_sign_up),
                redirect_by: command.redirect_by,
                plan: command.plan,
                client: command.client,
                of_group: None,
                label: child_of.and_then(|child| child.label).map(|label| label.to_string()),
            },
            opens: 0,
            newer: 0,
        };
        let mut events = vec![self.requested(caller, &link, &mut draw, now)];
        let mut message = None;
        if command.carry == Carry::Mail {
            let shown = (command.carries != Carries::Code).then_some(&url);
            let mail = self.compose_message(&link, shown, code.as_deref(), &mut draw, now)?;
            events.push(Event::new(EventKind::MessageQueued, caller, &mut draw, now).link(id).message(mail.id));
            message = Some(mail);
        }
        let mailbox = (command.carry == Carry::Mail).then(|| self.mailbox(caller, &link, &mut draw, now)).flatten();
        let queued = message.is_some();
        let new = NewLink { link, message, events, mailbox, together: command.together };
        match self.store.insert_link(new).await? {
            InsertOutcome::Made => {
                if queued {
                    (self.wake)();
                }
            }
            // Nobody without credentials learns that a mailbox is full; a client has a right to know why nothing is sent.
            InsertOutcome::Withheld if matches!(caller.authority, Authority::Client { .. }) => {
                let window = app.settings.limit_per_mailbox.retry_after();
                let kind = ErrorKind::RateLimited { limit: "per_mailbox", retry_after: window };
                return Err(Error::new(kind, "This address has been sent too many mails; try again later"));
            }
            InsertOutcome::Withheld => {}
            refused @ InsertOutcome::Member(_) => return Err(crate::groups::invites::refused(refused)),
            InsertOutcome::AddressTaken => return Err(taken("email", "A user with this e-mail address exists")),
        }
        let returned = command.carry == Carry::Return;
        Ok(IssuedLink { id, expires_at, url: returned.then_some(url), token: returned.then(|| token.expose()) })
    }

    fn requested(&self, caller: &Caller, link: &Link, draw: &mut Draw, now: Timestamp) -> Event {
        let mut event = match &link.options.withheld_for {
            Some(address) => Event::new(EventKind::LinkWithheld, caller, draw, now)
                .with("address", address.masked())
                .with("limit", "per_mailbox"),
            None => Event::new(EventKind::LinkRequested, caller, draw, now),
        }
        .link(link.id);
        if let Some(address) = &link.address {
            event = event.with("address", address.masked());
        }
        if let Some(minter) = &link.minter {
            event = event.session(minter.session).with("handoff", true);
        }
        if let Some(device) = &link.options.requested_with {
            event = event.with("device", device.as_str());
        }
        event
    }

    fn compose_message(
        &self,
        link: &Link,
        url: Option<&Secret>,
        code: Option<&str>,
        draw: &mut Draw,
        now: Timestamp,
    ) -> Result<NewMessage> {
        let to = link.address.clone().ok_or_else(|| Error::invalid("email", "An e-mail address is required"))?;
        let id = draw.message_id();
        let payload = Payload {
            to,
            link: url.map(Secret::expose).unwrap_or_default().to_owned(),
            code: code.unwrap_or_default().to_owned(),
            invite: link.purpose == Purpose::Invite,
            minutes: Lifetime::from_millis(link.expires_at.millis_since(now)).as_minutes_up(),
            requested_with: link.options.requested_with.clone(),
            language: link.options.language.clone(),
        };
        let sealed = payload.seal(&self.keys, self.entropy.as_ref(), id)?;
        Ok(NewMessage { id, app: link.app, link: link.id, created_at: now, expires_at: link.expires_at, payload: sealed })
    }

    async fn take_issue_limits(&self, caller: &Caller, command: &IssueLink) -> Result<()> {
        let app = &caller.app;
        let network = caller.context.network();
        let settings = &app.settings;
        let mut wants = Vec::with_capacity(3);
        let by_network: [&[u8]; 2] = [app.id.as_bytes(), network.as_bytes()];
        if matches!(caller.authority, Authority::Anonymous) {
            wants.push(Want { name: "per_network", subject: &by_network, limit: settings.limit_per_network });
        }
        let by_app: [&[u8]; 1] = [app.id.as_bytes()];
        if command.carry == Carry::Mail {
            wants.push(Want { name: "per_app", subject: &by_app, limit: settings.limit_per_app });
            wants.push(Want { name: "per_server", subject: &[], limit: self.settings.limit_per_server });
        }
        for want in wants {
            self.take_limit(caller, want).await?;
        }
        Ok(())
    }

    /// The limit of the link's mailbox, over all apps: a stranger must not fill it by spreading requests (`user-pains.md` P13). The answer must tell
    /// nothing about the address, so a full mailbox gives a request like any other, without mail and without address.
    fn mailbox(&self, caller: &Caller, link: &Link, draw: &mut Draw, now: Timestamp) -> Option<Mailbox> {
        let address = link.address.clone()?;
        let key = self.keys.digest("per_mailbox", &[address.as_str().as_bytes()]);
        let take = caller.app.settings.limit_per_mailbox.take(key, 1);
        if matches!(caller.authority, Authority::Client { .. }) {
            return Some(Mailbox { take, withheld: None });
        }
        let mut withheld = Link { address: None, user: None, code_hash: None, ..link.clone() };
        withheld.options.withheld_for = Some(address);
        let event = self.requested(caller, &withheld, draw, now);
        Some(Mailbox { take, withheld: Some(Box::new((withheld, event))) })
    }

    /// Counts a request that was refused for bad input against the client's network.
    ///
    /// # Errors
    /// `RateLimited` when the network sends too many of them.
    pub async fn count_refused(&self, caller: &Caller) -> Result<()> {
        let network = caller.context.network();
        let want = Want {
            name: "refused_per_network",
            subject: &[caller.app.id.as_bytes(), network.as_bytes()],
            limit: caller.app.settings.limit_refused_per_network,
        };
        self.take_limit(caller, want).await
    }

    /// Where the mail of a link is: for dialects that report failures to send.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn message_state(&self, link: LinkId) -> Result<Option<MessageState>> {
        Ok(self.store.find_message_of_link(link).await?.map(|(_, state)| state))
    }
}

/// Refuses lifetimes over the caller's ceiling.
pub(crate) fn check_lifetime(caller: &Caller, purpose: Purpose, lifetime: Lifetime) -> Result<()> {
    let settings = &caller.app.settings;
    let ceiling = match (&caller.authority, purpose) {
        // Whoever may invite was trusted with it, and people answer invitations when they find the time.
        (Authority::Client { .. }, _) | (Authority::User(_), Purpose::Invite) => settings.client_link_lifetime_ceiling,
        _ => settings.link_lifetime_ceiling,
    };
    if lifetime <= ceiling {
        return Ok(());
    }
    let field = FieldError::new("lifetime", format!("must be at most {ceiling}"));
    Err(Error::invalid_fields(vec![field.because(Problem::OverCeiling)]))
}

pub(crate) fn not_registered() -> Error {
    Error::new(ErrorKind::RedirectNotAllowed, "This URL is not registered for the app").about("landing")
}
