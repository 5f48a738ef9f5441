//! Ending sessions, and with them those that they handed off.

use super::store::RevokeSession;
use crate::Engine;
use crate::apps::HandoffRevocation;
use crate::caller::Caller;
use crate::error::Result;
use crate::events::{Event, EventKind};
use crate::ids::SessionId;
use crate::ports::Draw;

impl Engine {
    /// Ends a session: all its tokens are dead at once on this replica, and within two seconds on others. Under the app's policy `cascade`, the sessions
    /// that were handed off by it end in the same transaction. `false` when it had ended already.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn revoke_session(&self, caller: &Caller, id: SessionId) -> Result<bool> {
        Ok(!self.revoke_with_children(caller, id).await?.is_empty())
    }

    /// The same; answers all that ended.
    pub(crate) async fn revoke_with_children(&self, caller: &Caller, id: SessionId) -> Result<Vec<SessionId>> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::SessionRevoked, caller, &mut draw, now).session(id);
        let cascade = caller.app.settings.handoff_revocation == HandoffRevocation::Cascade;
        let ended = self.store.revoke_session(RevokeSession { app: caller.app.id, id, cascade, event }).await?;
        self.sessions.forget(id);
        ended.iter().for_each(|session| self.sessions.forget(*session));
        Ok(ended)
    }
}
