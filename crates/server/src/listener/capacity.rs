//! How many connections each client has open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::ListenerSettings;
use crate::network::{Network, client_of};

/// Counts connections by client.
#[derive(Debug)]
pub struct Capacity {
    most: usize,
    uncounted: Vec<Network>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Option<(Arc<Capacity>, IpAddr)>,
}

impl Capacity {
    /// With the listener's settings.
    pub fn new(settings: &ListenerSettings) -> Arc<Self> {
        Arc::new(Self { most: settings.connections_per_client, uncounted: settings.uncounted.clone(), open: Mutex::default() })
    }

    /// A place for one more connection of this peer; none when it has all it may have.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        if self.uncounted.iter().any(|network| network.contains(peer)) {
            return Some(Place { of: None });
        }
        let client = client_of(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of: Some((Arc::clone(self), client)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((capacity, client)) = &self.of else { return };
        let mut open = capacity.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                open.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_places_and_gets_them_back() {
        let settings = ListenerSettings { connections_per_client: 2, ..ListenerSettings::default() };
        let capacity = Capacity::new(&settings);
        let enter = |text: &str| capacity.enter(text.parse().expect(text));
        let (first, second) = (enter("2001:db8::1"), enter("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::3").is_none(), "the whole /64 is one client");
        assert!(enter("2001:db8:0:1::1").is_some(), "another /64 is another client");
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        let local: Vec<_> = (0..5).map(|_| enter("127.0.0.1")).collect();
        assert!(local.iter().all(Option::is_some), "this machine is not counted");
        drop((second, local));
        assert!(capacity.open.lock().unwrap().is_empty());
    }
}
