//! Who asks, for which app, and in which request.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::apps::App;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{GroupId, UserId};

/// Facts about the request that are kept with events and links. Nothing here is a secret.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The id by which operators find the request in the logs.
    pub request_id: String,
    /// The client's address, after the trusted proxies were taken away.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, cut to 300 characters.
    pub user_agent: Option<String>,
    /// The `Accept-Language` header, cut to 200 characters.
    pub languages: Option<String>,
}

impl RequestContext {
    /// The client's network as a limit key: an IPv4 address, or the /64 of an IPv6 address (one subscriber, `security.md` 24).
    pub fn network(&self) -> String {
        match self.address {
            Some(IpAddr::V4(v4)) => v4.to_string(),
            Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
                Some(v4) => v4.to_string(),
                None => {
                    let s = v6.segments();
                    format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
                }
            },
            None => "unknown".to_owned(),
        }
    }
}

/// What a caller may do; `resource:action` strings as stored with a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Every scope, as trusted local commands have.
    pub const ALL: &'static str = "*";

    /// Reads a list separated by spaces.
    pub fn parse(text: &str) -> Self {
        Self(text.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Whether the scope, or every scope, was granted.
    pub fn grants(&self, scope: &str) -> bool {
        self.0.contains(scope) || self.0.contains(Self::ALL)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// How the caller proved itself.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Not at all: a public call or a page.
    Anonymous,
    /// With client credentials.
    Client {
        /// The public client id.
        client_id: String,
        /// What it may do.
        scopes: Scopes,
    },
    /// With client credentials, to act for one group and nothing else: what does not know of groups refuses such a caller.
    Confined {
        /// The public client id.
        client_id: String,
        /// What it may do for the group.
        scopes: Scopes,
        /// The group.
        group: GroupId,
    },
    /// With a live session.
    User(UserId),
    /// The operator, at the command line or through the configuration file.
    Operator,
}

/// Who is asking now, and for which app.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The app everything is confined to.
    pub app: Arc<App>,
    /// How the caller proved itself.
    pub authority: Authority,
    /// The request.
    pub context: RequestContext,
}

impl Caller {
    /// A caller without credentials.
    pub fn anonymous(app: Arc<App>, context: RequestContext) -> Self {
        Self { app, authority: Authority::Anonymous, context }
    }

    /// Refuses callers that may not do what `scope` names.
    ///
    /// # Errors
    /// `Unauthenticated` without credentials, `Forbidden` without the scope.
    pub fn require(&self, scope: &str) -> Result<()> {
        match &self.authority {
            Authority::Operator => Ok(()),
            Authority::Client { scopes, .. } if scopes.grants(scope) => Ok(()),
            Authority::Anonymous => Err(Error::new(ErrorKind::Unauthenticated, "Credentials are required")),
            _ => Err(Error::new(ErrorKind::Forbidden, "These credentials do not allow this")),
        }
    }

    /// The same for what is done to a group: callers that are confined to one may do it there, and the use case sees to that.
    ///
    /// # Errors
    /// As [`Caller::require`].
    pub fn require_for_group(&self, scope: &str) -> Result<()> {
        match &self.authority {
            Authority::Confined { scopes, .. } if scopes.grants(scope) => Ok(()),
            _ => self.require(scope),
        }
    }

    /// The one group that the caller is confined to.
    pub const fn confined_to(&self) -> Option<GroupId> {
        match self.authority {
            Authority::Confined { group, .. } => Some(group),
            _ => None,
        }
    }

    /// The person who asks, by a session of their own.
    ///
    /// # Errors
    /// `Unauthenticated` without credentials, `Forbidden` for callers that are nobody in particular.
    pub fn person(&self) -> Result<UserId> {
        match &self.authority {
            Authority::User(id) => Ok(*id),
            Authority::Anonymous => Err(Error::new(ErrorKind::Unauthenticated, "A session is required")),
            Authority::Client { .. } | Authority::Confined { .. } | Authority::Operator => {
                Err(Error::new(ErrorKind::Forbidden, "Only a signed-in person may do this"))
            }
        }
    }

    /// Who, for events: `anonymous`, `client:<id>`, `user:<id>`, `operator`.
    pub fn actor(&self) -> String {
        match &self.authority {
            Authority::Anonymous => "anonymous".to_owned(),
            Authority::Client { client_id, .. } | Authority::Confined { client_id, .. } => format!("client:{client_id}"),
            Authority::User(id) => format!("user:{id}"),
            Authority::Operator => "operator".to_owned(),
        }
    }
}
