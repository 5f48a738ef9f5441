//! Who a signed access token names: its signature and claims were verified by the dialect that signed it.

use std::sync::Arc;

use super::SignedIn;
use crate::Engine;
use crate::apps::App;
use crate::caller::{Authority, Caller, RequestContext};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::SessionId;
use crate::users::{Person, UserRef};

/// A person and the session by which they ask.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// As whom they ask.
    pub caller: Caller,
    /// Who they are.
    pub person: Person,
    /// Their session.
    pub session: Arc<SignedIn>,
}

impl Engine {
    /// The person whom a verified access token names, by an id of theirs and the id of their session.
    ///
    /// # Errors
    /// In this order: `NotFound` about `user` when they are gone; `Forbidden` about `user` when they are disabled; `Unauthenticated` when the session has ended or is
    /// another person's.
    pub async fn admit_bearer(
        &self,
        context: &RequestContext,
        app: Arc<App>,
        users: &[UserRef],
        session: SessionId,
    ) -> Result<Bearer> {
        let mut found = None;
        for user in users {
            found = self.store.find_person(app.id, user.clone()).await?;
            if found.is_some() {
                break;
            }
        }
        let person = found.ok_or_else(crate::users::manage::no_user)?.at(self.clock.now());
        if person.user.disabled_at.is_some() {
            return Err(Error::new(ErrorKind::Forbidden, "This user is disabled").about("user"));
        }
        let session = self.authenticate_session(app.id, session).await?.signed_in;
        if session.user.id != person.user.id {
            return Err(Error::new(ErrorKind::Unauthenticated, "This session is another user's"));
        }
        let caller = Caller { app, authority: Authority::User(person.user.id), context: context.clone() };
        Ok(Bearer { caller, person, session })
    }

    /// Ends the session by which a person asks, or all of theirs.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn sign_out(&self, bearer: &Bearer, everywhere: bool) -> Result<()> {
        if everywhere {
            return self.end_sessions_of(&bearer.caller, bearer.person.user.id, None).await;
        }
        self.revoke_session(&bearer.caller, bearer.session.session.id).await.map(|_| ())
    }

    /// A person removes themselves: see [`Engine::delete_user`].
    ///
    /// # Errors
    /// `NotFound` about `user`.
    pub async fn delete_own_user(&self, bearer: &Bearer) -> Result<()> {
        self.remove_user(&bearer.caller, bearer.person.user.id).await
    }
}
