//! Owns which web pages may open WebSockets here: those of the origins in `allowed_origins`. Browsers send cookies along
//! with an upgrade whatever page asks for it, and only the server can tell (cross-site WebSocket hijacking). Pure.

use http::header::{self, HeaderMap};

use crate::error::Error;

/// The origins whose pages may open WebSockets. Empty, it lets all in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    rules: Vec<Rule>,
}

/// One entry: an origin, or all below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// As in an origin, in lower case.
    text: String,
    /// Where a `*.` stood: what stands there must not be empty.
    below: Option<usize>,
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
        let origin = origin.to_ascii_lowercase();
        self.rules.iter().any(|rule| rule.matches(&origin))
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        let entry = entry.to_ascii_lowercase();
        if entry == "null" {
            return Ok(Self {
                text: entry,
                below: None,
            });
        }
        let Some((scheme, host)) = entry.split_once("://") else {
            return Err("has no scheme: write `https://` before it");
        };
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err("is no origin: that is scheme, host and port, without a path");
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        if name.contains('*') || name.is_empty() {
            return Err(
                "has a `*` that does not stand for the first labels, as in https://*.example.com",
            );
        }
        Ok(Self {
            below: (name.len() < host.len()).then_some(scheme.len() + 3),
            text: match name.len() < host.len() {
                true => format!("{scheme}://.{name}"),
                false => entry,
            },
        })
    }

    fn matches(&self, origin: &str) -> bool {
        let Some(at) = self.below else {
            return self.text == origin;
        };
        let (scheme, end) = self.text.split_at(at);
        origin
            .strip_prefix(scheme)
            .and_then(|host| host.strip_suffix(end))
            .is_some_and(|labels| !labels.is_empty())
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
        ] {
            assert!(!permits(&list, &[other]), "{other}");
        }
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
            "https://a.*",
            "https://*",
            "https://*.*",
        ] {
            let error = Origins::parse(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
