//! Owns what an IP address is: public, or what else by IANA's registries of special-purpose addresses. Pure; what
//! follows from it is `allow.rs`'s to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The Internet at large.
    Public,
    /// This machine.
    Loopback,
    /// A network of its owner's: RFC 1918, and the like for NAT64.
    Private,
    /// Between a provider and its customers (RFC 6598), and in overlay networks.
    Shared,
    /// IPv6's private networks.
    UniqueLocal,
    /// The next hop only. Clouds keep their metadata services here.
    LinkLocal,
    Multicast,
    Broadcast,
    /// No address, which systems take for this machine.
    Unspecified,
    /// For examples in texts.
    Documentation,
    /// IPv4 in the guise of IPv6: no name has an honest use for it.
    Mapped,
    /// Everything else that is not for traffic between strangers: benchmarks, protocol assignments, the future.
    Reserved,
}

impl Kind {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether it is part of a network in which hosts have names of their own.
    pub(super) fn is_internal(self) -> bool {
        match self {
            Self::Loopback | Self::Private | Self::Shared | Self::UniqueLocal => true,
            Self::Public
            | Self::LinkLocal
            | Self::Multicast
            | Self::Broadcast
            | Self::Unspecified
            | Self::Documentation
            | Self::Mapped
            | Self::Reserved => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address of the shared space of providers (100.64.0.0/10)",
            Self::UniqueLocal => "a unique local address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Unspecified => "an unspecified address",
            Self::Documentation => "an address for documentation",
            Self::Mapped => "an IPv4-mapped address",
            Self::Reserved => "a reserved address",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [0, ..] => Kind::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [100, 64..=127, ..] => Kind::Shared,
        [127, ..] => Kind::Loopback,
        [169, 254, ..] => Kind::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        // Protocol assignments, the relays of 6to4, benchmarks.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Kind::Reserved,
        [224..=239, ..] => Kind::Multicast,
        [255, 255, 255, 255] => Kind::Broadcast,
        [240..=255, ..] => Kind::Reserved,
        [1..=223, ..] => Kind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Kind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [0, 0, 0, 0, 0, 0xffff, ..] => Kind::Mapped,
        // NAT64 (RFC 6052): how a network without IPv4 reaches an IPv4 host, so it is what that host is.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            of_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        [0xfc00..=0xfdff, ..] => Kind::UniqueLocal,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Documentation,
        // Protocol assignments, Teredo among them, and 6to4: tunnels to addresses that are not seen.
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => Kind::Reserved,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> Kind {
        Kind::of(address.parse().unwrap())
    }

    #[test]
    fn ipv4_follows_the_registry_at_the_edges_of_each_block() {
        for (address, expected) in [
            ("0.0.0.0", Kind::Unspecified),
            ("0.255.255.255", Kind::Unspecified),
            ("1.1.1.1", Kind::Public),
            ("9.255.255.255", Kind::Public),
            ("10.0.0.0", Kind::Private),
            ("10.255.255.255", Kind::Private),
            ("11.0.0.0", Kind::Public),
            ("100.63.255.255", Kind::Public),
            ("100.64.0.0", Kind::Shared),
            ("100.127.255.255", Kind::Shared),
            ("100.128.0.0", Kind::Public),
            ("127.0.0.1", Kind::Loopback),
            ("127.255.255.255", Kind::Loopback),
            ("169.253.255.255", Kind::Public),
            ("169.254.169.254", Kind::LinkLocal),
            ("172.15.255.255", Kind::Public),
            ("172.16.0.0", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("172.32.0.0", Kind::Public),
            ("192.0.0.9", Kind::Reserved),
            ("192.0.1.0", Kind::Public),
            ("192.0.2.1", Kind::Documentation),
            ("192.88.99.1", Kind::Reserved),
            ("192.168.0.0", Kind::Private),
            ("192.169.0.0", Kind::Public),
            ("198.17.255.255", Kind::Public),
            ("198.18.0.0", Kind::Reserved),
            ("198.19.255.255", Kind::Reserved),
            ("198.51.100.7", Kind::Documentation),
            ("203.0.113.7", Kind::Documentation),
            ("223.255.255.255", Kind::Public),
            ("224.0.0.1", Kind::Multicast),
            ("239.255.255.255", Kind::Multicast),
            ("240.0.0.0", Kind::Reserved),
            ("255.255.255.254", Kind::Reserved),
            ("255.255.255.255", Kind::Broadcast),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn ipv6_follows_the_registry_at_the_edges_of_each_block() {
        for (address, expected) in [
            ("::", Kind::Unspecified),
            ("::1", Kind::Loopback),
            ("::2", Kind::Reserved),
            ("::127.0.0.1", Kind::Reserved),
            ("::ffff:127.0.0.1", Kind::Mapped),
            ("::ffff:8.8.8.8", Kind::Mapped),
            ("64:ff9b::8.8.8.8", Kind::Public),
            ("64:ff9b::10.0.0.1", Kind::Private),
            ("64:ff9b::127.0.0.1", Kind::Loopback),
            ("64:ff9b::169.254.169.254", Kind::LinkLocal),
            ("64:ff9b:1::1", Kind::Private),
            ("100::1", Kind::Reserved),
            ("1fff::1", Kind::Reserved),
            ("2000::1", Kind::Public),
            ("2001::1", Kind::Reserved),
            ("2001:1ff:ffff::1", Kind::Reserved),
            ("2001:200::1", Kind::Public),
            ("2001:db8::1", Kind::Documentation),
            ("2001:db9::1", Kind::Public),
            ("2002:7f00:1::1", Kind::Reserved),
            ("2606:4700::1111", Kind::Public),
            ("3fff:fff::1", Kind::Documentation),
            ("3fff:1000::1", Kind::Public),
            ("4000::1", Kind::Reserved),
            ("5f00::1", Kind::Reserved),
            ("fbff::1", Kind::Reserved),
            ("fc00::1", Kind::UniqueLocal),
            ("fdff::1", Kind::UniqueLocal),
            ("fe00::1", Kind::Reserved),
            ("fe80::1", Kind::LinkLocal),
            ("febf::1", Kind::LinkLocal),
            ("fec0::1", Kind::Reserved),
            ("ff02::1", Kind::Multicast),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }
}
