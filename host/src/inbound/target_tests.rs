use http::HeaderValue;
use proptest::prelude::*;
use url::Url;

use super::*;

const LOCAL: &str = "192.0.2.1:80";

fn ask(method: &str, line: &str, version: Version, hosts: &[&str]) -> Result<String, Wrong> {
    let mut headers = HeaderMap::new();
    for host in hosts {
        headers.append(
            header::HOST,
            HeaderValue::from_bytes(host.as_bytes()).unwrap(),
        );
    }
    let method = method.parse().unwrap();
    // A line that is no URI at all hyper answers with 400.
    let Ok(line) = line.parse() else {
        return Err(Wrong("no URI"));
    };
    of(
        (&method, &line, version),
        &headers,
        "http",
        LOCAL.parse().unwrap(),
    )
}

fn get(line: &str, host: &str) -> Option<String> {
    ask("GET", line, Version::HTTP_11, &[host]).ok()
}

#[test]
fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
    for host in [
        "worker.test",
        "WORKER.test:8080",
        "worker.test:",
        "localhost:0",
        "under_score.test",
        "192.0.2.7:65535",
        "[::1]",
        "[2001:db8::7]:443",
        "xn--bcher-kva.example",
        "a!$&'()*+,;=~b",
        "%41.test",
    ] {
        let expected = format!("http://{host}/see?x");
        assert_eq!(get("/see?x", host).as_ref(), Some(&expected), "{host}");
    }
}

#[test]
fn a_host_that_reaches_beyond_its_place_is_refused() {
    for host in [
        "",
        ":80",
        "a.example/slow#",
        "a.example/",
        "x/w/uri?",
        "a.example?",
        "a.example#",
        r"a.example\slow",
        "user@a.example",
        "user:secret@a.example",
        "@a.example",
        "a.example:80:80",
        "a.example:99999",
        "a.example:8o",
        "a.example:+80",
        "a example",
        " ",
        "a.example, b.example",
        "a.example\tb",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[v1.a]",
        "[127.0.0.1]",
        "[]",
        "a%2fslow",
        "a%23",
        "a%4",
        "a%zz",
        "1.2.3.4.5",
        "256.256.256.256",
        "bücher.example",
        "b%C3%BCcher.example",
        "\"a\"",
        "<a>",
        "a|b",
        "a^b",
        "a`b",
        "{a}",
    ] {
        assert_eq!(get("/see", host), None, "{host:?}");
    }
}

#[test]
fn one_host_is_needed_and_one_only() {
    let wrong = |version, hosts: &[&str]| ask("GET", "/", version, hosts).is_err();
    assert!(wrong(Version::HTTP_11, &[]));
    assert!(wrong(Version::HTTP_11, &["a", "a"]));
    assert!(wrong(Version::HTTP_10, &["a", "b"]));
    assert!(wrong(Version::HTTP_10, &["a/b"]));
    assert!(wrong(Version::HTTP_10, &[""]));
    let without = ask("GET", "/x", Version::HTTP_10, &[]);
    assert_eq!(without.unwrap(), format!("http://{LOCAL}/x"));
}

#[test]
fn the_absolute_form_says_all_and_is_held_to_the_same() {
    assert_eq!(
        get("https://other.test:8443/x?y", "a").unwrap(),
        "https://other.test:8443/x?y"
    );
    for line in [
        "http://user@other.test/",
        "http://other.test:99999/",
        "http://a%2fb/",
        "ftp://other.test/",
        "ws://other.test/",
    ] {
        assert_eq!(get(line, "a"), None, "{line}");
    }
    // `Host` has to be right although it is not asked.
    assert_eq!(get("http://other.test/", "a/b"), None);
}

#[test]
fn the_other_forms_belong_to_their_methods() {
    let ask = |method, line| ask(method, line, Version::HTTP_11, &["a.example"]).ok();
    assert_eq!(ask("OPTIONS", "*").unwrap(), "http://a.example");
    assert_eq!(ask("GET", "*"), None);
    assert_eq!(
        ask("CONNECT", "b.example:443").unwrap(),
        "http://b.example:443/"
    );
    assert_eq!(ask("CONNECT", "me@b.example:443"), None);
    assert_eq!(ask("GET", "b.example"), None);
}

proptest! {
    /// Whatever is in `Host`: if it is taken, every reader of URLs finds the path of the request's line.
    #[test]
    fn the_path_is_never_hosts(host in r"[a-zA-Z0-9.:/?#@\\%\[\] !*_~<>|^`{}-]{0,16}", rest in "[a-z/.]{0,8}") {
        let path = format!("/see/{rest}");
        if let Some(uri) = get(&path, &host) {
            let url = Url::parse(&uri).unwrap();
            let expected = Url::parse(&format!("http://h{path}")).unwrap();
            prop_assert_eq!(url.path(), expected.path());
            prop_assert_eq!(url.query(), None);
            prop_assert_eq!(url.fragment(), None);
            prop_assert_eq!(url.username(), "");
            prop_assert!(uri.ends_with(&path));
        }
    }
}
