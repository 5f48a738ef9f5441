//! Sending what waits: claim, render, send, report. At least once; a crash between sending and reporting sends twice, never not at all.

use futures_util::future::join_all;

use super::inbox::INBOX;
use super::payload::Payload;
use super::sender::{Mailbox, OutgoingMessage, SendOutcome, Sender};
use super::store::{ClaimedMessage, Finish, MessageInfo, MessageState};
use super::templates::{TemplateContext, readable_on};
use crate::Engine;
use crate::apps::{App, SignUp};
use crate::caller::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::MessageId;
use crate::ports::Draw;
use crate::secret::Secret;
use crate::time::{Lifetime, Timestamp};
use std::sync::Arc;

/// What one round of dispatching did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Messages claimed.
    pub claimed: usize,
    /// Of these, sent.
    pub sent: usize,
}

/// Which of an app's senders.
pub(crate) enum Route {
    Inbox,
    Sender(Arc<dyn Sender>),
}

impl Engine {
    /// How long a worker may hold a message; longer than any sender may take.
    pub const LEASE: Lifetime = Lifetime::from_secs(60);
    /// The first pause after a failure; it doubles with each further one.
    const FIRST_PAUSE_MILLIS: i64 = 2_000;
    /// The longest pause.
    const LONGEST_PAUSE_MILLIS: i64 = 120_000;

    pub(crate) fn sender_of(&self, app: &App) -> Option<Route> {
        self.route(app.settings.sender.as_deref()?)
    }

    fn route(&self, name: &str) -> Option<Route> {
        match name {
            INBOX => Some(Route::Inbox),
            name => self.senders.get(name).cloned().map(Route::Sender),
        }
    }

    /// Refuses settings that name senders which are not configured.
    pub(crate) fn check_senders(&self, settings: &crate::apps::AppSettings) -> Result<()> {
        for (field, name) in [("sender", &settings.sender), ("fallback_sender", &settings.fallback_sender)] {
            if let Some(name) = name.as_deref().filter(|name| self.route(name).is_none()) {
                let mut known: Vec<&str> = self.senders.keys().map(String::as_str).collect();
                known.push(INBOX);
                known.sort_unstable();
                return Err(Error::invalid(
                    field,
                    format!("\"{name}\" is not a configured sender; there are: {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// Sends up to `limit` due messages, all at once, and reports on each.
    ///
    /// # Errors
    /// Those of storage, when nothing could be claimed.
    pub async fn dispatch_due(&self, limit: u32) -> Result<Dispatched> {
        let now = self.clock.now();
        let claimed = self.store.claim_due(now, now.plus(Self::LEASE), limit).await?;
        let count = claimed.len();
        let results = join_all(claimed.into_iter().map(|message| self.dispatch(message))).await;
        let sent = results.iter().filter(|sent| **sent).count();
        Ok(Dispatched { claimed: count, sent })
    }

    async fn dispatch(&self, claimed: ClaimedMessage) -> bool {
        let id = claimed.message.id;
        let (kind, finish) = self.attempt(&claimed).await.unwrap_or_else(|error| {
            tracing::error!(message_id = %id, error = error.log_line(), "a message could not be prepared");
            let why = "it could not be prepared".to_owned();
            match error.kind() {
                // It was accepted, and what is away for a moment comes back.
                ErrorKind::Unavailable => self.later(&claimed, why, None),
                _ => (EventKind::MessageDead, Finish::Dead { why }),
            }
        });
        let sent = matches!(finish, Finish::Sent { .. });
        if let Err(error) = self.report(&claimed, kind, finish).await {
            // The lease runs out and another worker tries again: at least once.
            tracing::warn!(message_id = %id, error = error.log_line(), "the fate of a message could not be written");
        }
        sent
    }

    async fn attempt(&self, claimed: &ClaimedMessage) -> Result<(EventKind, Finish)> {
        let now = self.clock.now();
        let message = &claimed.message;
        if now >= message.expires_at {
            return Ok((EventKind::MessageExpired, Finish::Dropped { why: "the link expired first".to_owned() }));
        }
        if self.directory().app(message.app).is_none() {
            // Another replica may have made it a moment ago.
            self.refresh_directory().await?;
        }
        let Some(app) = self.directory().app(message.app) else {
            return Ok((EventKind::MessageDead, Finish::Dead { why: "its app is gone".to_owned() }));
        };
        let payload = Payload::open(&self.keys, message.id, &message.payload)?;
        // The look-up is here and not in the request, so that the answer's time tells nothing about the address (`security.md` 31).
        if app.settings.sign_up == SignUp::Closed && self.store.find_user_by_email(app.id, &payload.to).await?.is_none() {
            return Ok((EventKind::MessageWithheld, Finish::Dropped { why: "the app admits no new users".to_owned() }));
        }
        let fallback = app
            .settings
            .fallback_sender
            .as_deref()
            .filter(|_| claimed.attempt.is_multiple_of(2))
            .and_then(|name| self.route(name));
        let Some(route) = fallback.or_else(|| self.sender_of(&app)) else {
            return Ok((EventKind::MessageDead, Finish::Dead { why: "the app has no sender".to_owned() }));
        };
        let outgoing = self.render(&app, claimed, &payload)?;
        let sender = match route {
            Route::Inbox => {
                let inbox = Some(self.inbox_row(&outgoing, app.id, now)?);
                return Ok((EventKind::MessageSent, Finish::Sent { provider_id: None, inbox }));
            }
            Route::Sender(sender) => sender,
        };
        let outcome = sender.send(&outgoing).await;
        Ok(self.judge_outcome(claimed, sender.name(), app.settings.fallback_sender.is_some(), outcome))
    }

    fn judge_outcome(
        &self,
        claimed: &ClaimedMessage,
        sender: &str,
        has_fallback: bool,
        outcome: SendOutcome,
    ) -> (EventKind, Finish) {
        let id = claimed.message.id;
        let (why, wish) = match outcome {
            SendOutcome::Sent { provider_id } => return (EventKind::MessageSent, Finish::Sent { provider_id, inbox: None }),
            SendOutcome::Refused { why } if has_fallback && claimed.attempt == 1 => (why, None),
            SendOutcome::Refused { why } => {
                tracing::warn!(message_id = %id, sender, why, "a message was refused");
                return (EventKind::MessageDead, Finish::Dead { why });
            }
            SendOutcome::Retry { why, after } => (why, after),
            SendOutcome::Misconfigured { why } => {
                tracing::error!(message_id = %id, sender, why, "the sender is misconfigured: no mail goes out");
                (why, None)
            }
        };
        self.later(claimed, why, wish)
    }

    /// Another try after a pause, unless the link would have expired by then.
    fn later(&self, claimed: &ClaimedMessage, why: String, wish: Option<Lifetime>) -> (EventKind, Finish) {
        let next_at = self.clock.now().plus(self.pause(claimed.attempt, wish));
        if next_at >= claimed.message.expires_at {
            return (EventKind::MessageDead, Finish::Dead { why });
        }
        (EventKind::MessageDelayed, Finish::Later { next_at, why })
    }

    /// Doubling pauses, spread by up to a quarter so that messages that failed together do not come back together.
    fn pause(&self, attempt: u32, wish: Option<Lifetime>) -> Lifetime {
        let doubled =
            Self::FIRST_PAUSE_MILLIS.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(Self::LONGEST_PAUSE_MILLIS);
        let mut random = [0; 2];
        // Without randomness the pause is merely not spread.
        let _ = self.entropy.fill(&mut random);
        let spread = doubled / 4 * i64::from(u16::from_le_bytes(random)) / 65_536;
        Lifetime::from_millis((doubled + spread).max(wish.map_or(0, Lifetime::as_millis)))
    }

    fn render(&self, app: &App, claimed: &ClaimedMessage, payload: &Payload) -> Result<OutgoingMessage> {
        let settings = &app.settings;
        let language = "en";
        let context = TemplateContext {
            app_name: app.display_name(),
            link: &payload.link,
            code: &payload.code,
            invite: payload.invite,
            minutes: payload.minutes,
            colour: &settings.colour,
            on_colour: readable_on(&settings.colour),
            logo_url: settings.logo_url.as_deref(),
            requested_from: payload.requested_with.as_deref(),
            address: payload.to.as_str(),
            language,
        };
        let rendered = self.templates.render("sign_in", &context)?;
        let address =
            settings.from_address.clone().ok_or_else(|| Error::new(ErrorKind::NotConfigured, "the app has no from_address"))?;
        Ok(OutgoingMessage {
            id: claimed.message.id,
            to: payload.to.clone(),
            from: Mailbox { name: Some(settings.from_name.clone().unwrap_or_else(|| app.display_name().to_owned())), address },
            reply_to: settings.reply_to.clone(),
            subject: rendered.subject,
            text: Secret::new(rendered.text),
            html: Some(Secret::new(rendered.html)),
            date: claimed.message.created_at,
            expires_at: claimed.message.expires_at,
            tag: "magic-link".to_owned(),
            language: language.to_owned(),
            app: app.name.clone(),
            link: Some(payload.link.clone()).filter(|link| !link.is_empty()).map(Secret::new),
            code: Some(payload.code.clone()).filter(|code| !code.is_empty()).map(Secret::new),
        })
    }

    async fn report(&self, claimed: &ClaimedMessage, kind: EventKind, finish: Finish) -> Result<()> {
        let now = self.clock.now();
        let message = &claimed.message;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let mut event = Event::of_job(kind, "outbox", Some(message.app), &mut draw, now)
            .link(message.link)
            .message(message.id)
            .with("attempt", claimed.attempt);
        match &finish {
            Finish::Later { why, .. } | Finish::Dead { why } | Finish::Dropped { why } => {
                event = event.with("reason", why.as_str())
            }
            Finish::Sent { provider_id: Some(id), .. } => event = event.with("provider_id", id.as_str()),
            Finish::Sent { provider_id: None, .. } => {}
        }
        let held = self.store.finish_message(message.id, claimed.attempt, finish, event).await?;
        if !held {
            tracing::warn!(message_id = %message.id, "the lease of a message had passed to another worker");
        }
        Ok(())
    }

    /// Dead messages, newest first.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn dead_messages(&self, caller: &Caller, limit: u32) -> Result<Vec<MessageInfo>> {
        caller.require("message:read")?;
        self.store.list_messages(Some(caller.app.id), MessageState::Dead, limit).await
    }

    /// Puts a dead message back in the queue.
    ///
    /// # Errors
    /// `NotFound` unless it is of the caller's app, dead, and its link has time left.
    pub async fn requeue_message(&self, caller: &Caller, id: MessageId) -> Result<()> {
        caller.require("message:requeue")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::MessageRequeued, caller, &mut draw, now).message(id);
        match self.store.requeue_message(caller.app.id, id, now, event).await? {
            true => {
                (self.wake)();
                Ok(())
            }
            false => Err(Error::new(ErrorKind::NotFound, "There is no dead message with this id whose link still has time left")),
        }
    }

    /// How many messages wait, and for how long the oldest has.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn outbox_depth(&self) -> Result<(u64, Option<Timestamp>)> {
        self.store.outbox_depth().await
    }
}
