//! Owns what counts as a URL to connect to. Pure.

use url::Url;

use super::error::Refusal;

/// Bytes of a URL. Servers take less; Cloudflare: 16 KB.
const URL_BYTES: usize = 16 * 1024;

/// The URL of `connect`: as `new WebSocket` of browsers takes it.
pub(super) fn of_connect(text: &str) -> Result<Url, Refusal> {
    let url = parse(text, ["ws", "wss"])?;
    if url.fragment().is_some() {
        return invalid(text, "the URL of a WebSocket has no fragment");
    }
    Ok(url)
}

/// The URL of `fetch`. Its fragment stays here, as in browsers.
pub(super) fn of_fetch(text: &str) -> Result<Url, Refusal> {
    let mut url = parse(text, ["http", "https"])?;
    url.set_fragment(None);
    Ok(url)
}

fn parse(text: &str, schemes: [&str; 2]) -> Result<Url, Refusal> {
    if text.len() > URL_BYTES {
        let head: String = text.chars().take(40).collect();
        return invalid(&head, &format!("it goes on beyond {URL_BYTES} bytes"));
    }
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return invalid(text, &explain(error)),
    };
    if !schemes.contains(&url.scheme()) {
        let [one, other] = schemes;
        return invalid(text, &format!("the scheme is not {one} or {other}"));
    }
    // Credentials are not for the wire, nor for the log.
    let is_clean = url.set_username("").and(url.set_password(None));
    is_clean.expect("a URL of these schemes has a host");
    Ok(url)
}

/// What the parser has to say, and what to do where that is not plain.
pub(super) fn explain(error: url::ParseError) -> String {
    if error == url::ParseError::IdnaError {
        format!("{error}: a host that is not ASCII is written in punycode (xn--…)")
    } else {
        error.to_string()
    }
}

fn invalid<T>(text: &str, reason: &str) -> Result<T, Refusal> {
    Err(Refusal::InvalidUrl(format!("{text:?}: {reason}")))
}

/// What stands in the request's line: path and query.
pub(super) fn path(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

/// What stands in `Host`: the port only where it is not the scheme's own.
pub(super) fn authority(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(refused: Result<Url, Refusal>) -> String {
        match refused.unwrap_err() {
            Refusal::InvalidUrl(text) => text,
            Refusal::InvalidProtocol(_) | Refusal::NotAllowed(_) | Refusal::Other(_) => {
                panic!("not about the URL")
            }
        }
    }

    #[test]
    fn connect_takes_ws_and_wss() {
        for (text, expected) in [
            ("ws://a.example", "ws://a.example/"),
            ("WSS://A.Example:443/x?y", "wss://a.example/x?y"),
            (
                "wss://XN--bcher-kva.example/ü",
                "wss://xn--bcher-kva.example/%C3%BC",
            ),
            ("ws://0x7f.1/", "ws://127.0.0.1/"),
            ("ws://[::1]:9/", "ws://[::1]:9/"),
        ] {
            assert_eq!(of_connect(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn connect_refuses_other_schemes_fragments_and_what_is_no_url() {
        for (text, expected) in [
            ("http://a.example/", "the scheme is not ws or wss"),
            ("file:///etc/passwd", "the scheme is not ws or wss"),
            ("ws://a.example/#", "no fragment"),
            ("ws://a.example/#x", "no fragment"),
            ("/chat", "relative URL without a base"),
            ("", "relative URL without a base"),
            ("ws://", "empty host"),
            ("ws://a b/", "invalid"),
            ("ws://a:70000/", "invalid port"),
            ("ws://[::1/", "invalid IPv6"),
            ("ws://bücher.example/", "punycode"),
            ("ws://b%C3%BCcher.example/", "punycode"),
        ] {
            let text = reason(of_connect(text));
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn fetch_takes_http_and_https_only() {
        assert!(of_fetch("https://a.example/").is_ok());
        assert!(of_fetch("http://a.example/").is_ok());
        let text = reason(of_fetch("ws://a.example/"));
        assert!(text.contains("not http or https"), "{text}");
    }

    #[test]
    fn credentials_are_dropped() {
        let url = of_connect("ws://user:secret@a.example:81/x").unwrap();
        assert_eq!(url.as_str(), "ws://a.example:81/x");
        assert_eq!(authority(&url), "a.example:81");
    }

    #[test]
    fn a_fragment_is_not_sent() {
        let url = of_fetch("http://a.example/x?y=1#z").unwrap();
        assert_eq!(path(&url), "/x?y=1");
    }

    #[test]
    fn the_host_header_has_only_a_port_that_is_not_the_schemes_own() {
        for (text, expected) in [
            ("wss://a.example:443/", "a.example"),
            ("wss://a.example:80/", "a.example:80"),
            ("ws://[::1]/", "[::1]"),
            ("ws://[::1]:81/", "[::1]:81"),
        ] {
            assert_eq!(authority(&of_connect(text).unwrap()), expected);
        }
    }

    #[test]
    fn every_path_and_query_fits_a_request_line() {
        let printable: String = (' '..='~').filter(|c| *c != '#' && *c != '?').collect();
        let url = of_fetch(&format!("http://a.example/{printable}?{printable}ü")).unwrap();
        assert!(path(&url).parse::<http::Uri>().is_ok(), "{}", path(&url));
    }

    #[test]
    fn an_endless_url_is_refused_without_being_repeated() {
        let text = reason(of_connect(&format!(
            "ws://a.example/{}",
            "x".repeat(URL_BYTES)
        )));
        assert!(text.len() < 100, "{text}");
    }
}
