//! Owns how many connections each address has, and how many of them have not shaken hands, so that one client cannot take
//! the places of all others. An IPv6 address counts as its network of 64 bits, which is what one client has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What every address may have.
#[derive(Debug)]
pub(crate) struct Addresses {
    connections: u64,
    handshakes: u64,
    taken: Mutex<HashMap<IpAddr, Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: u64,
    handshakes: u64,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    addresses: Arc<Addresses>,
    key: IpAddr,
    has_shaken_hands: AtomicBool,
}

impl Addresses {
    /// So many connections and handshakes for each.
    pub(crate) fn new(connections: u64, handshakes: u64) -> Arc<Self> {
        Arc::new(Self {
            connections,
            handshakes,
            taken: Mutex::default(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let a connection of this address in; `None` if it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let key = key(address);
        let mut all = self.taken();
        let taken = all.entry(key).or_default();
        if taken.connections >= self.connections || taken.handshakes >= self.handshakes {
            return None;
        }
        taken.connections += 1;
        taken.handshakes += 1;
        Some(Entered {
            addresses: Arc::clone(self),
            key,
            has_shaken_hands: AtomicBool::new(false),
        })
    }
}

impl Entered {
    /// The client has said what it wants.
    pub(crate) fn shake_hands(&self) {
        if !self.has_shaken_hands.swap(true, Ordering::Relaxed)
            && let Some(taken) = self.addresses.taken().get_mut(&self.key)
        {
            taken.handshakes -= 1;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shake_hands();
        let mut all = self.addresses.taken();
        if let Some(taken) = all.get_mut(&self.key) {
            taken.connections -= 1;
            if taken.connections == 0 {
                all.remove(&self.key);
                // A wave of addresses leaves no table behind.
                if all.is_empty() {
                    all.shrink_to_fit();
                }
            }
        }
    }
}

fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_others_have_theirs() {
        let addresses = Addresses::new(2, 9);
        let first = addresses.enter(ip("192.0.2.1")).unwrap();
        let _second = addresses.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert!(addresses.enter(ip("192.0.2.1")).is_none());
        let _other = addresses.enter(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(addresses.enter(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one_address() {
        let addresses = Addresses::new(1, 9);
        let _first = addresses.enter(ip("2001:db8::1")).unwrap();
        assert!(addresses.enter(ip("2001:db8::ffff:0:0:1")).is_none());
        assert!(addresses.enter(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn those_that_have_not_shaken_hands_are_fewer() {
        let addresses = Addresses::new(9, 1);
        let first = addresses.enter(ip("192.0.2.1")).unwrap();
        assert!(addresses.enter(ip("192.0.2.1")).is_none());
        first.shake_hands();
        first.shake_hands();
        let second = addresses.enter(ip("192.0.2.1")).unwrap();
        drop(second);
        assert!(addresses.enter(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn nothing_is_kept_of_an_address_that_has_left() {
        let addresses = Addresses::new(9, 9);
        drop(addresses.enter(ip("192.0.2.1")));
        assert!(addresses.taken().is_empty());
    }
}
