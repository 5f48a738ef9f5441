//! The client's address: the peer, unless the peer is a proxy that the operator trusts (`security.md` 24).

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose word about the client is believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads single addresses and networks; answers the first text that is neither.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| {
            let text = text.trim();
            text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| text.to_owned())
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The right-most address of the forwarding header that is not a trusted proxy. A malformed entry ends the search: what stands
    /// left of it was written by somebody unknown.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = plain(peer);
        for entry in entries(headers).iter().rev() {
            if !self.contains(client) {
                break;
            }
            let Some(address) = address(entry) else { break };
            client = plain(address);
        }
        client
    }
}

/// IPv4 that came in an IPv6 socket is IPv4.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The entries of `X-Forwarded-For`, or of `Forwarded` (RFC 7239) when that is missing, in order over all header lines.
fn entries(headers: &HeaderMap) -> Vec<String> {
    let list = |name: &str| -> Vec<String> {
        let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
        lines.flat_map(|line| line.split(',')).map(|entry| entry.trim().to_owned()).collect()
    };
    let simple = list("x-forwarded-for");
    if !simple.is_empty() {
        return simple;
    }
    let node = |entry: String| {
        let pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
        let node = pairs
            .into_iter()
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
            .map(|(_, value)| value.trim().trim_matches('"').to_owned());
        node.unwrap_or_default()
    };
    list("forwarded").into_iter().map(node).collect()
}

/// An address with or without port and brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = TrustedProxies::parse(&["10.0.0.0/8".into(), "fd00::1".into(), "127.0.0.1".into()]).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn sec_24_only_trusted_proxies_are_believed() {
        let xff = "x-forwarded-for";
        for (peer, headers, expected) in [
            ("203.0.113.9", vec![], "203.0.113.9"),
            ("203.0.113.9", vec![(xff, "198.51.100.1")], "203.0.113.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "6.6.6.6, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "6.6.6.6, 198.51.100.1, 10.9.9.9")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "6.6.6.6"), (xff, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
            ("10.0.0.1", vec![(xff, "6.6.6.6, nonsense, 10.2.2.2")], "10.2.2.2"),
            ("10.0.0.1", vec![(xff, "nonsense")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "6.6.6.6,")], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "[2001:db8::7]:4711")], "2001:db8::7"),
            ("10.0.0.1", vec![(xff, "2001:db8::7")], "2001:db8::7"),
            ("10.0.0.1", vec![(xff, "\u{ff11}")], "10.0.0.1"),
            ("::ffff:10.0.0.1", vec![(xff, "198.51.100.1")], "198.51.100.1"),
            ("::ffff:203.0.113.9", vec![(xff, "198.51.100.1")], "203.0.113.9"),
            ("fd00::1", vec![(xff, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("fd00::2", vec![(xff, "198.51.100.1")], "fd00::2"),
            ("10.0.0.1", vec![("forwarded", "for=198.51.100.1;proto=https")], "198.51.100.1"),
            ("10.0.0.1", vec![("forwarded", "for=6.6.6.6, For=\"[2001:db8::7]:99\"")], "2001:db8::7"),
            ("10.0.0.1", vec![("forwarded", "for=unknown")], "10.0.0.1"),
            ("10.0.0.1", vec![("forwarded", "for=6.6.6.6"), (xff, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", vec![("x-real-ip", "6.6.6.6"), ("client-ip", "6.6.6.6")], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, &headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        assert_eq!(TrustedProxies::parse(&["10.0.0.0/8".into(), "10.0.0.0/64".into()]).unwrap_err(), "10.0.0.0/64");
    }
}
