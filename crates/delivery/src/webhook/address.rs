//! Which addresses a webhook may be sent to.
//!
//! The ranges are those of the IANA special-purpose registries (IPv4 and IPv6, read November 2026).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, as far as this matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    Loopback,
    /// Never a place to send to: link-local (where clouds keep their metadata), multicast, reserved, documentation, tunnels.
    Special,
}

/// The addresses that may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Only addresses of the public Internet.
    Public,
    /// Those, private networks and this machine.
    PublicAndPrivate,
    /// Only this machine.
    Loopback,
}

impl Allowed {
    /// Whether this address may be connected to.
    pub(super) fn contains(self, ip: IpAddr) -> bool {
        match (kind(ip), self) {
            (Kind::Public, Self::Public | Self::PublicAndPrivate) => true,
            (Kind::Private, Self::PublicAndPrivate) => true,
            (Kind::Loopback, Self::PublicAndPrivate | Self::Loopback) => true,
            (Kind::Public | Kind::Private | Kind::Loopback | Kind::Special, _) => false,
        }
    }
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

fn kind_v4(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Kind::Private,
        // "This network", link-local, protocol assignments, documentation, 6to4 relays, AS112, benchmarking, multicast, reserved.
        [0, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 88, 99, _] => Kind::Special,
        [192, 175, 48, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => Kind::Special,
        _ => Kind::Public,
    }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    if ip.is_loopback() {
        return Kind::Loopback;
    }
    match ip.segments() {
        // IPv4 in IPv6: mapped, and as translated by NAT64 (RFC 6052). The embedded address counts.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            kind_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // The metadata service of one cloud lives in a private range.
        [0xfd00, 0xec2, ..] => Kind::Special,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // Protocol assignments with Teredo, documentation, 6to4, documentation, AS112.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] | [0x2620, 0x4f, 0x8000, ..] => {
            Kind::Special
        }
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> [bool; 3] {
        let ip = text.parse().expect(text);
        [Allowed::Public, Allowed::PublicAndPrivate, Allowed::Loopback].map(|allowed| allowed.contains(ip))
    }

    #[test]
    fn sec_38_private_and_special_addresses() {
        for public in
            ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
        {
            assert_eq!(allowed(public), [true, true, false], "{public}");
        }
        for private in
            ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "fc00::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(allowed(private), [false, true, false], "{private}");
        }
        for loopback in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert_eq!(allowed(loopback), [false, true, true], "{loopback}");
        }
        let special = "0.0.0.0 0.1.2.3 169.254.169.254 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 \
                       224.0.0.1 239.1.2.3 240.0.0.1 255.255.255.255 :: ::7f00:1 fe80::1 febf::1 fec0::1 ff02::1 100::1 2001::1 2001:db8::1 \
                       2002:7f00:1:: 3fff::1 5f00::1 64:ff9b:1::7f00:1 fd00:ec2::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe";
        for special in special.split_whitespace() {
            assert_eq!(allowed(special), [false, false, false], "{special}");
        }
    }
}
