//! Owns the list of hosts that a worker may reach, `outbound.allowed_hosts`: what its entries mean, and what they let
//! through. Pure: whoever connects has the addresses looked up, and shows them here first.
//!
//! An entry is `scheme://host[:port]`:
//!
//! - scheme: `ws`, `wss`, `http`, `https`, or `*`. A `fetch` that asks for an upgrade is `http` or `https`.
//! - host: a name; `*.` and a name, for all names below it at any depth but not for itself; an address (IPv6 in
//!   brackets); or `*`.
//! - port: a number, or `*`. Without one, the port of the URL's scheme: 80 or 443.
//!
//! An address that is not public (`address.rs`) is off limits to wildcards: they would let a worker, or whoever
//! answers for a name, into the networks that only the host is in. What lets it through is
//!
//! - for loopback, private, shared and unique local addresses: an entry with the very name or address of the URL. So
//!   `ws://localhost:*` and `http://db.internal:8080` work.
//! - for all others (link-local with the metadata services of clouds, multicast, unspecified, documentation,
//!   IPv4-mapped, reserved): only an entry with the very address. No name leads there honestly.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::address::Kind;
use super::error::{Failed, Refusal};
use super::url::explain;
use crate::error::Error;

/// The hosts that a worker may reach. `Default` is the empty list, which allows nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowList {
    rules: Vec<Rule>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// `None` for every scheme.
    scheme: Option<&'static str>,
    host: HostRule,
    port: PortRule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostRule {
    Any,
    /// A dot and a name: every name that ends like this.
    Below(String),
    Name(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortRule {
    OfScheme,
    Any,
    Is(u16),
}

/// How far into networks that are not public an entry leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Not at all: a wildcard.
    Public,
    /// Where hosts have names of their own: the very name.
    Internal,
    /// Anywhere: the very address.
    Anywhere,
}

/// A URL that the list allows, with what it allows of the addresses behind it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
    reach: Reach,
}

impl AllowList {
    /// Read the entries of `outbound.allowed_hosts`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the entry and says what is wrong with it.
    pub(crate) fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, Error> {
        let parse = |entry: &T| {
            let entry = entry.as_ref();
            Rule::parse(entry).map_err(|wrong| {
                Error::Config(format!("outbound.allowed_hosts: {entry:?} {wrong}"))
            })
        };
        let rules = entries.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether an entry allows TLS, so that certificate authorities are needed.
    pub(super) fn has_tls(&self) -> bool {
        self.rules.iter().any(|rule| {
            rule.scheme
                .is_none_or(|scheme| matches!(scheme, "wss" | "https"))
        })
    }

    /// Hold a URL against the list.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAllowed`] if no entry matches, or if the host is an address that those which match do not reach.
    pub(crate) fn check(&self, url: Url) -> Result<Target, Refusal> {
        let matching = self.rules.iter().filter_map(|rule| rule.reach(&url));
        let Some(reach) = matching.max() else {
            let origin = &url[..url::Position::AfterPort];
            return Err(Refusal::NotAllowed(format!(
                "{origin} is not among the hosts that this worker may reach (outbound.allowed_hosts)"
            )));
        };
        let target = Target { url, reach };
        if let Some(address) = target.address() {
            target
                .admit(&[address])
                .map_err(|failed| Refusal::NotAllowed(failed.text))?;
        }
        Ok(target)
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err(
                "has no scheme: write `wss://` before it, or `*://` for every scheme".to_owned(),
            );
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "*" => None,
            "ws" => Some("ws"),
            "wss" => Some("wss"),
            "http" => Some("http"),
            "https" => Some("https"),
            _ => {
                return Err(format!(
                    "has the scheme {scheme:?}: there are ws, wss, http, https and *"
                ));
            }
        };
        if let Some(found) = rest
            .chars()
            .find(|c| matches!(c, '/' | '?' | '#' | '@' | '\\'))
        {
            return Err(format!(
                "has a {found:?}: an entry is only scheme, host and port"
            ));
        }
        let (host, port) = split_port(rest)?;
        Ok(Self {
            scheme,
            host: HostRule::parse(host)?,
            port: PortRule::parse(port)?,
        })
    }

    /// How far the entry leads with this URL; `None` if it does not match.
    fn reach(&self, url: &Url) -> Option<Reach> {
        let port = url.port_or_known_default()?;
        let is_port = match self.port {
            PortRule::OfScheme => url.port().is_none(),
            PortRule::Any => true,
            PortRule::Is(number) => port == number,
        };
        let is_scheme = self.scheme.is_none_or(|scheme| scheme == url.scheme());
        (is_port && is_scheme)
            .then(|| self.host.reach(url))
            .flatten()
    }
}

/// Host and port apart; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[end_of_host..].split_once(':') {
        None => Ok((authority, None)),
        Some((_, port)) if port.contains(':') => Err(
            "has several colons: an IPv6 address stands in brackets, as in ws://[::1]:80"
                .to_owned(),
        ),
        Some((before, port)) => Ok((&authority[..end_of_host + before.len()], Some(port))),
    }
}

impl HostRule {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.is_empty() {
            return Err("has no host".to_owned());
        }
        if name.contains('*') {
            return Err("has a `*` in its host: that stands alone, or for the first labels as in *.example.com".to_owned());
        }
        // The same rules as for URLs, so that both sides are written alike.
        match Host::parse(name) {
            Ok(Host::Domain(name)) if is_below => Ok(Self::Below(format!(".{name}"))),
            Ok(_) if is_below => {
                Err("has a wildcard before an address: only names have labels".to_owned())
            }
            Ok(Host::Domain(name)) => Ok(Self::Name(name)),
            Ok(Host::Ipv4(address)) => Ok(Self::Address(address.into())),
            Ok(Host::Ipv6(address)) => Ok(Self::Address(address.into())),
            Err(error) => Err(format!("has a host that is none: {}", explain(error))),
        }
    }

    fn reach(&self, url: &Url) -> Option<Reach> {
        let host = url.host()?;
        let (is_match, reach) = match self {
            Self::Any => (true, Reach::Public),
            Self::Below(end) => (
                matches!(host, Host::Domain(name) if name.len() > end.len() && name.ends_with(end)),
                Reach::Public,
            ),
            Self::Name(own) => (
                matches!(host, Host::Domain(name) if name == own),
                Reach::Internal,
            ),
            Self::Address(own) => (address(&host) == Some(*own), Reach::Anywhere),
        };
        is_match.then_some(reach)
    }
}

impl PortRule {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None => Ok(Self::OfScheme),
            Some("*") => Ok(Self::Any),
            Some(text) => match text.parse() {
                Ok(0) | Err(_) => Err(format!(
                    "has the port {text:?}: a number from 1 to 65535, or *"
                )),
                Ok(number) => Ok(Self::Is(number)),
            },
        }
    }
}

impl Reach {
    fn permits(self, kind: Kind) -> bool {
        match self {
            Self::Public => kind == Kind::Public,
            Self::Internal => kind == Kind::Public || kind.is_internal(),
            Self::Anywhere => true,
        }
    }
}

impl Target {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The host, for texts and for TLS; an IPv6 address in brackets.
    pub(super) fn host(&self) -> &str {
        self.url
            .host_str()
            .expect("a URL of these schemes has a host")
    }

    pub(super) fn port(&self) -> u16 {
        self.url
            .port_or_known_default()
            .expect("these schemes have ports")
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.url.scheme(), "wss" | "https")
    }

    /// The address, if the host is one and needs no looking up.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let host = self.url.host()?;
        Some(SocketAddr::new(address(&host)?, self.port()))
    }

    /// Check the addresses that the host's name leads to, all of them: a name that leads both out and in is what DNS
    /// rebinding looks like.
    ///
    /// # Errors
    ///
    /// Says which address is off limits, and what an entry would have to name.
    pub(super) fn admit(&self, addresses: &[SocketAddr]) -> Result<(), Failed> {
        let refused = addresses
            .iter()
            .map(|address| (address.ip(), Kind::of(address.ip())))
            .find(|(_, kind)| !self.reach.permits(*kind));
        let Some((ip, kind)) = refused else {
            return Ok(());
        };
        let host = self.host();
        let what = match self.address() {
            Some(_) => format!("{host} is {kind}"),
            None => format!("{host} leads to {ip}, {kind}"),
        };
        let needed = match (self.address(), kind.is_internal()) {
            (None, true) => {
                format!("only an entry with the full name {host} or that address reaches it")
            }
            (None, false) | (Some(_), _) => {
                "only an entry with that very address reaches it".to_owned()
            }
        };
        Err(Failed::not_allowed(format!(
            "{what}: {needed} (outbound.allowed_hosts)"
        )))
    }
}

fn address(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
    }
}

#[cfg(test)]
#[path = "allow_tests.rs"]
mod tests;
