//! What a person may do in another browser than the one that asked: repeat the number shown there, or say that it was not them.

use std::sync::Arc;

use super::open::{BrowserProof, DeadReason, MayDo};
use super::store::{ApproveLink, ApproveOutcome};
use crate::Engine;
use crate::apps::App;
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::ports::Draw;

/// What became of an approval.
#[derive(Clone, Debug)]
pub enum Approval {
    /// The requester's browser goes on by itself.
    Approved(Arc<App>),
    /// Not the number on the screen.
    WrongNumber {
        /// Tries left; at 0 only the code remains.
        left: u32,
    },
    /// The link does not work any more.
    Dead(DeadReason),
}

impl Engine {
    /// Approves the request of a link, if `number` is the one on the requester's screen.
    ///
    /// # Errors
    /// `Invalid` naming `number` unless it is two digits; `RateLimited`, `Unavailable`.
    pub async fn approve_link(
        &self,
        context: &RequestContext,
        token: &str,
        number: &str,
        browser: &BrowserProof,
    ) -> Result<Approval> {
        let number: u8 = Some(number.trim())
            .filter(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| Error::invalid("number", "The number is the two digits on the other screen"))?;
        let now = self.clock.now();
        let found = self.find_by_token(token).await?;
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        self.count_attempt(&caller).await?;
        let Some(link) = &found.link else { return Ok(Approval::Dead(DeadReason::Unknown)) };
        match self.judge(&found, browser, now).may {
            MayDo::ProveElsewhere { number: true } => {}
            MayDo::Nothing(reason) => return Ok(Approval::Dead(reason)),
            _ => return Ok(Approval::WrongNumber { left: 0 }),
        }
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let approved = Event::new(EventKind::LinkApproved, &caller, &mut draw, now).link(link.id);
        let refused = Event::new(EventKind::LinkRefused, &caller, &mut draw, now).link(link.id).with("reason", "wrong_number");
        let matches = number == self.keys.number(link.id);
        let pending = caller.app.settings.pending_links;
        let approve = ApproveLink { app: link.app, hash: link.hash, now, pending_links: pending, matches, approved, refused };
        match self.store.approve_link(approve).await? {
            ApproveOutcome::Approved => Ok(Approval::Approved(found.app)),
            ApproveOutcome::Wrong { left } => Ok(Approval::WrongNumber { left }),
            ApproveOutcome::NotLive(link) => {
                let reason = link.and_then(|link| DeadReason::of(link.state(now, pending)));
                Ok(reason.map_or(Approval::WrongNumber { left: 0 }, Approval::Dead))
            }
        }
    }

    /// Records that the person did not ask for the link. The link stays: nobody but the requester's own browser or the holder of the mail can use
    /// it, and a machine that presses every button must not be able to burn it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn disown_link(&self, context: &RequestContext, token: &str) -> Result<Arc<App>> {
        let now = self.clock.now();
        let found = self.find_by_token(token).await?;
        if let Some(link) = &found.link {
            let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
            let mut draw = Draw::new(self.entropy.as_ref(), now)?;
            let event = Event::new(EventKind::LinkDisowned, &caller, &mut draw, now).link(link.id);
            self.store.append_opened(event, 5).await?;
        }
        Ok(found.app)
    }
}
