//! Closing a port without cutting anybody off.
//!
//! The system completes handshakes on our behalf. Whoever connects between our last look and the close believes that they are heard, sends a request, and
//! is reset. So, on Linux, the socket first passes over new handshakes (the client tries again a second later, and is then refused or heard by our
//! successor), handshakes under way are let through, and only then is it closed.

use tokio::net::TcpListener;

/// Begins no more handshakes, and answers whether that is so: elsewhere than on Linux, or where filters are forbidden, nothing changes.
#[cfg(target_os = "linux")]
pub fn begin_no_more(listener: &TcpListener) -> bool {
    use socket2::{SockFilter, SockRef};
    // Classic BPF over the TCP header; numbers from linux/bpf_common.h. Its byte 13 holds the flags, and SYN is the bit 2 of them (RFC 9293, 3.1).
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_ANY_BIT, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    let attached = SockRef::from(listener).attach_filter(&filter);
    if let Err(error) = &attached {
        tracing::debug!(%error, "the port is closed without a filter");
    }
    attached.is_ok()
}

/// There is no way to say so here.
#[cfg(not(target_os = "linux"))]
pub fn begin_no_more(_: &TcpListener) -> bool {
    false
}
