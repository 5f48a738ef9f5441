//! Resolving a host once, and connecting only to addresses that were looked at.
//!
//! The client connects to exactly the addresses that come from here; nothing is resolved a second time between the check and
//! the connection, so a name that changes its address in between gains nothing.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Allowed;

/// A source of addresses for host names.
#[async_trait::async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of a host.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait::async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Why a host is not connected to. A single forbidden address among several is enough.
#[derive(Debug)]
pub(super) struct AddressRefused(IpAddr);

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leads to {}, which is not allowed here; use a public host, or set `allow_private_addresses = true`", self.0)
    }
}

impl Error for AddressRefused {}

/// Passes on what the lookup finds, if all of it is allowed.
pub(super) struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    allowed: Allowed,
}

impl GuardedResolver {
    pub(super) fn new(lookup: Arc<dyn Lookup>, allowed: Allowed) -> Self {
        Self { lookup, allowed }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (self.lookup.clone(), self.allowed);
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            if let Some(&forbidden) = found.iter().find(|&&ip| !allowed.contains(ip)) {
                return Err(AddressRefused(forbidden).into());
            }
            // Port 0 stands for the URL's own.
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// The refusal somewhere in a chain of causes.
pub(super) fn refused<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a AddressRefused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<AddressRefused>() {
            return Some(refused);
        }
        next = error.source();
    }
    None
}
