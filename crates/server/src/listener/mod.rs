//! The listener: accepts connections, speaks TLS when there is a certificate, HTTP/1.1 and HTTP/2, and cuts off whoever only holds a place
//! (`security.md` 40).
//!
//! | file | keeps |
//! |---|---|
//! | [`accept`] | the loop, and the drain at the end (`security.md` 51) |
//! | [`capacity`] | how many connections one client has |
//! | [`connection`] | one connection from its first byte to its last |
//! | [`deaf`] | closing the port without cutting anybody off |
//! | [`pace`] | how long a connection may take for what it is doing |
//! | [`timed_body`] | how long the body of a request may take |
//! | [`tls`] | the certificate, and its renewal |

pub mod accept;
pub mod capacity;
pub mod connection;
pub mod deaf;
pub mod pace;
pub mod timed_body;
pub mod tls;

use std::time::Duration;

pub use accept::{Listener, bind};

use crate::network::Network;

/// What the listener puts up with.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// How long the headers of a request, or a TLS handshake, may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take, and how long a written answer may wait for its reader.
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long requests in progress may take to end after a stop.
    pub drain_timeout: Duration,
    /// How many bytes the headers of a request may have.
    pub max_header_bytes: u32,
    /// How many connections one client may have open.
    pub connections_per_client: usize,
    /// Whose connections are not counted.
    pub uncounted: Vec<Network>,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            max_header_bytes: 32_768,
            connections_per_client: 200,
            uncounted: Network::loopback(),
        }
    }
}
