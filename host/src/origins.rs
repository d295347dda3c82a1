//! Owns which web pages may open WebSockets here: those of the origins in `allowed_origins`. Browsers send cookies along
//! with an upgrade whatever page asks for it, and only the server can tell (cross-site WebSocket hijacking). Pure.

use http::header::{self, HeaderMap};
use url::{Origin, Position, Url};

use crate::error::Error;

/// The origins whose pages may open WebSockets. Empty, it lets all in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    rules: Vec<Rule>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// A page without an origin.
    Null,
    Is(Site),
    /// All whose host has labels before this one's.
    Below(Site),
}

/// The parts of an origin, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    scheme: String,
    host: String,
    /// `None` for the scheme's own.
    port: Option<u16>,
}

impl Origins {
    /// Read the entries of `allowed_origins`: `https://example.com`, `http://localhost:3000`, `https://*.example.com`, or
    /// `null` for pages without an origin.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the entry and says what is wrong with it.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, Error> {
        let parse = |entry: &String| {
            Rule::parse(entry)
                .map_err(|wrong| Error::Config(format!("allowed_origins: {entry:?} {wrong}")))
        };
        let rules = entries.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether an upgrade with these headers may go on. One without `Origin` comes from no page: other clients are not
    /// made to do things by others.
    pub(crate) fn permit(&self, headers: &HeaderMap) -> bool {
        self.rules.is_empty()
            || headers
                .get_all(header::ORIGIN)
                .iter()
                .all(|origin| origin.to_str().is_ok_and(|origin| self.names(origin)))
    }

    fn names(&self, origin: &str) -> bool {
        let site = Site::of(origin);
        self.rules.iter().any(|rule| match (rule, &site) {
            (Rule::Null, _) => origin == "null",
            (Rule::Is(own), Some(site)) => own == site,
            (Rule::Below(own), Some(site)) => own.is_above(site),
            (Rule::Is(_) | Rule::Below(_), None) => false,
        })
    }
}

impl Site {
    /// Take an origin apart. `None` if the text is not the very one that a browser makes of some origin (RFC 6454, 6.2),
    /// but for the case of its letters: what only contains an origin is none.
    fn of(origin: &str) -> Option<Self> {
        let url = Url::parse(origin).ok()?;
        let text = match url.origin() {
            tuple @ Origin::Tuple(..) => tuple.ascii_serialization(),
            // Of a scheme that the URL Standard does not know, as those of extensions and of pages in an app.
            Origin::Opaque(_) => {
                let authority = &url[Position::BeforeHost..Position::AfterPort];
                format!("{}://{authority}", url.scheme())
            }
        };
        let is_whole = url.has_host() && text.eq_ignore_ascii_case(origin);
        is_whole.then(|| Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port(),
        })
    }

    /// Whether the host of the other is this one with further labels before it.
    fn is_above(&self, other: &Self) -> bool {
        let labels = other.host.strip_suffix(&self.host);
        self.scheme == other.scheme
            && self.port == other.port
            && labels
                .and_then(|labels| labels.strip_suffix('.'))
                .is_some_and(|labels| labels.split('.').all(|label| !label.is_empty()))
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no origin: that is scheme, host and port, without a path";
        if entry.eq_ignore_ascii_case("null") {
            return Ok(Self::Null);
        }
        let Some((scheme, host)) = entry.split_once("://") else {
            return Err("has no scheme: write `https://` before it");
        };
        if host.is_empty() || host.contains(['/', '?', '#', '@', '\\']) {
            return Err(WRONG);
        }
        if !host.is_ascii() {
            return Err("has a host that is not ASCII: write it in punycode (xn--…)");
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        if name.contains('*') || name.is_empty() {
            return Err(
                "has a `*` that does not stand for the first labels, as in https://*.example.com",
            );
        }
        // An entry may say the scheme's own port, which no origin does.
        let url = Url::parse(&format!("{scheme}://{name}")).map_err(|_| WRONG)?;
        match Site::of(&url[..Position::AfterPort]) {
            None => Err(WRONG),
            Some(site) if name.len() < host.len() => Ok(Self::Below(site)),
            Some(site) => Ok(Self::Is(site)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(entries: &[&str], origins: &[&'static str]) -> bool {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        Origins::parse(&entries).unwrap().permit(&headers)
    }

    #[test]
    fn an_empty_list_lets_every_page_in() {
        assert!(permits(&[], &["https://evil.example"]));
    }

    #[test]
    fn an_origin_is_matched_as_a_whole() {
        let list = ["https://app.example", "http://localhost:3000"];
        assert!(permits(&list, &["https://app.example"]));
        assert!(permits(&list, &["HTTPS://APP.EXAMPLE"]));
        assert!(permits(&list, &["http://localhost:3000"]));
        for other in [
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil",
            "https://evil-app.example",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!permits(&list, &[other]), "{other}");
        }
        assert!(!permits(
            &list,
            &["https://app.example", "https://evil.example"]
        ));
    }

    #[test]
    fn a_wildcard_stands_for_labels_and_not_for_none() {
        let list = ["https://*.app.example:8443"];
        assert!(permits(&list, &["https://a.app.example:8443"]));
        assert!(permits(&list, &["https://a.b.app.example:8443"]));
        for other in [
            "https://app.example:8443",
            "https://.app.example:8443",
            "https://evilapp.example:8443",
            "http://a.app.example:8443",
            "https://a.app.example",
            "https://a..app.example:8443",
            "https://..app.example:8443",
        ] {
            assert!(!permits(&list, &[other]), "{other}");
        }
    }

    #[test]
    fn a_text_that_only_contains_an_origin_is_none() {
        let list = ["https://*.sub.example", "https://app.example", "app://here"];
        assert!(permits(&list, &["https://a.sub.example"]));
        assert!(permits(&list, &["app://here"]));
        for other in [
            "https://evil/.sub.example",
            "https://evil?.sub.example",
            "https://evil#.sub.example",
            "https://a@b.sub.example",
            r"https://evil\.sub.example",
            "https://evil:80/.sub.example",
            "https://a%2eb.sub.example",
            "https://app.example/",
            "https://app.example:443",
            "https://me@app.example",
            "https:app.example",
            "https://app.example, https://evil.example",
            "app://me@here",
            "app://here/",
            "app://here:1",
        ] {
            assert!(!permits(&list, &[other]), "{other}");
        }
    }

    #[test]
    fn an_entry_may_say_the_schemes_own_port() {
        assert!(permits(
            &["https://App.example:443"],
            &["https://app.example"]
        ));
        assert!(permits(&["http://[::1]:80"], &["http://[::1]"]));
    }

    #[test]
    fn pages_without_an_origin_can_be_let_in_and_clients_that_are_no_pages_are() {
        assert!(permits(&["null"], &["null"]));
        assert!(permits(&["https://app.example"], &[]));
    }

    #[test]
    fn what_is_no_origin_is_refused_by_name() {
        for wrong in [
            "app.example",
            "https://",
            "https://a/b",
            "https://me@a",
            "https://a:99999",
            "https://b\u{fc}cher.example",
            "https://a.*",
            "https://*",
            "https://*.*",
        ] {
            let error = Origins::parse(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
