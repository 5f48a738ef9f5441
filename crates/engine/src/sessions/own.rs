//! A person's own sessions, in the person's own hands: which devices are signed in, and signing one of them out.

use super::SignedIn;
use crate::Engine;
use crate::caller::Caller;
use crate::error::Result;
use crate::ids::SessionId;
use crate::sessions::handle::no_session;

impl Engine {
    /// The live sessions of the person who asks, oldest first. A child names its parent.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden` unless a person asks.
    pub async fn list_own_sessions(&self, caller: &Caller) -> Result<Vec<SignedIn>> {
        let user = caller.person()?;
        self.store.list_sessions(caller.app.id, user, self.clock.now()).await
    }

    /// Ends a session of the person who asks, and what the app's policy ends with it; answers all that ended.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden` unless a person asks; `NotFound` about `session` unless it is one of theirs and live.
    pub async fn end_own_session(&self, caller: &Caller, id: SessionId) -> Result<Vec<SessionId>> {
        let user = caller.person()?;
        let now = self.clock.now();
        let found = self.store.find_session(caller.app.id, id).await?;
        found.filter(|held| held.session.user == user && held.session.is_live(now)).ok_or_else(no_session)?;
        self.revoke_with_children(caller, id).await
    }
}
