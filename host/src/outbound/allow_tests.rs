//! What entries of the list mean, and which addresses they let a worker reach.

use super::*;

fn list(entries: &[&str]) -> AllowList {
    AllowList::parse(entries).unwrap()
}

fn check(entries: &[&str], url: &str) -> Result<Target, Refusal> {
    list(entries).check(Url::parse(url).unwrap())
}

#[track_caller]
fn allows(entries: &[&str], urls: &[&str]) {
    for url in urls {
        let checked = check(entries, url);
        assert!(checked.is_ok(), "{entries:?}, {url}: {checked:?}");
    }
}

/// The reason of the refusal, which is one and the same kind for all of these.
#[track_caller]
fn refusal(entries: &[&str], url: &str) -> String {
    match check(entries, url) {
        Err(Refusal::NotAllowed(text)) => text,
        other => panic!("{entries:?}, {url}: {other:?}"),
    }
}

#[track_caller]
fn refuses(entries: &[&str], urls: &[&str]) {
    for url in urls {
        refusal(entries, url);
    }
}

fn addresses(ips: &[&str]) -> Vec<SocketAddr> {
    let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), 80);
    ips.iter().map(address).collect()
}

/// What becomes of a name with these addresses.
fn admit(entry: &str, url: &str, ips: &[&str]) -> Result<(), Failed> {
    check(&[entry], url).unwrap().admit(&addresses(ips))
}

const ONE_OF_EACH_INTERNAL: [&str; 5] = ["127.0.0.1", "10.0.0.1", "100.64.0.1", "fd00::1", "::1"];
const ONE_OF_EACH_SPECIAL: [&str; 7] = [
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "192.0.2.1",
    "::ffff:8.8.8.8",
    "198.18.0.1",
];

#[test]
fn the_empty_list_allows_nothing() {
    refuses(&[], &["ws://a.example/", "https://1.1.1.1/"]);
    assert!(
        AllowList::default()
            .check(Url::parse("ws://a.example/").unwrap())
            .is_err()
    );
}

#[test]
fn a_scheme_is_for_itself_and_a_star_for_all_four() {
    let every = ["ws", "wss", "http", "https"];
    for own in every {
        let entry = format!("{own}://a.example:*");
        for scheme in every {
            let url = format!("{scheme}://a.example/");
            assert_eq!(
                check(&[&entry], &url).is_ok(),
                own == scheme,
                "{entry}, {url}"
            );
        }
    }
    allows(
        &["*://a.example"],
        &[
            "ws://a.example/",
            "wss://a.example/",
            "http://a.example/",
            "https://a.example/",
        ],
    );
    allows(&["WSS://a.example"], &["wss://a.example/"]);
}

#[test]
fn an_entry_without_a_port_is_for_the_schemes_own() {
    allows(
        &["*://a.example"],
        &["ws://a.example:80/", "wss://a.example:443/"],
    );
    refuses(
        &["*://a.example"],
        &[
            "ws://a.example:443/",
            "wss://a.example:80/",
            "ws://a.example:8080/",
        ],
    );
}

#[test]
fn a_port_is_for_itself_and_a_star_for_all() {
    allows(&["ws://a.example:8080"], &["ws://a.example:8080/"]);
    refuses(
        &["ws://a.example:8080"],
        &["ws://a.example/", "ws://a.example:8081/"],
    );
    // Also where the URL leaves it out.
    allows(
        &["ws://a.example:80"],
        &["ws://a.example/", "ws://a.example:80/"],
    );
    allows(
        &["ws://a.example:*"],
        &["ws://a.example/", "ws://a.example:1/"],
    );
}

#[test]
fn a_wildcard_is_for_every_name_below_and_not_for_the_name_itself() {
    let entries = ["ws://*.a.example"];
    allows(
        &entries,
        &[
            "ws://b.a.example/",
            "ws://c.b.a.example/",
            "ws://B.A.EXAMPLE/",
        ],
    );
    refuses(
        &entries,
        &[
            "ws://a.example/",
            "ws://.a.example/",
            "ws://ba.example/",
            "ws://b.a.example.org/",
            "ws://a.example.b/",
            "ws://1.1.1.1/",
        ],
    );
}

#[test]
fn a_star_is_for_every_public_host() {
    allows(
        &["*://*:*"],
        &[
            "ws://a.example:9/",
            "https://1.1.1.1/",
            "http://[2606:4700::1111]/",
        ],
    );
    refuses(
        &["*://*:*"],
        &[
            "ws://127.0.0.1/",
            "http://10.0.0.1/",
            "ws://[::1]/",
            "http://169.254.169.254/",
        ],
    );
}

#[test]
fn names_are_compared_as_urls_write_them() {
    allows(
        &["ws://XN--BCHER-KVA.example"],
        &["ws://xn--bcher-kva.example/", "ws://xn--bcher-kva.EXAMPLE/"],
    );
    allows(
        &["ws://*.xn--bcher-kva.example"],
        &["ws://a.xn--bcher-kva.example/"],
    );
    // All of these are one address, in the ways in which URLs may write it.
    let loopback = [
        "ws://127.0.0.1/",
        "ws://0x7f.1/",
        "ws://2130706433/",
        "ws://0177.0.0.1/",
    ];
    allows(&["ws://127.0.0.1"], &loopback);
    allows(&["ws://0x7f.1"], &loopback);
    allows(&["ws://[::1]"], &["ws://[::1]/", "ws://[0:0:0:0:0:0:0:1]/"]);
}

#[test]
fn an_address_that_is_not_public_is_reached_by_itself_only() {
    let ips = ONE_OF_EACH_INTERNAL.iter().chain(&ONE_OF_EACH_SPECIAL);
    for ip in ips {
        let host = if ip.contains(':') {
            format!("[{ip}]")
        } else {
            (*ip).to_owned()
        };
        let (url, entry) = (format!("ws://{host}/"), format!("ws://{host}"));
        allows(&[&entry], &[&url]);
        let text = refusal(&["ws://*"], &url);
        assert!(
            text.contains("only an entry with that very address"),
            "{text}"
        );
    }
}

#[test]
fn a_name_leads_into_internal_networks_only_by_its_full_name() {
    for ip in ONE_OF_EACH_INTERNAL {
        admit("ws://b.a.example", "ws://b.a.example/", &[ip]).unwrap();
        for wildcard in ["ws://*.a.example", "ws://*"] {
            let failed = admit(wildcard, "ws://b.a.example/", &[ip]).unwrap_err();
            assert!(failed.is_not_allowed);
            assert!(
                failed.text.contains("the full name b.a.example"),
                "{failed}"
            );
            assert!(failed.text.contains(ip), "{failed}");
        }
    }
}

#[test]
fn no_name_leads_to_special_addresses() {
    for ip in ONE_OF_EACH_SPECIAL {
        for entry in ["ws://b.a.example", "ws://*.a.example", "ws://*"] {
            let failed = admit(entry, "ws://b.a.example/", &[ip]).unwrap_err();
            assert!(failed.is_not_allowed);
            assert!(failed.text.contains("that very address"), "{failed}");
        }
    }
}

#[test]
fn one_address_that_is_off_limits_is_enough_to_refuse_a_name() {
    let rebinding = ["8.8.8.8", "2606:4700::1111", "10.0.0.1"];
    let failed = admit("ws://*", "ws://a.example/", &rebinding).unwrap_err();
    assert!(
        failed
            .text
            .contains("a.example leads to 10.0.0.1, a private address"),
        "{failed}"
    );
    admit("ws://*", "ws://a.example/", &rebinding[..2]).unwrap();
    admit("ws://a.example", "ws://a.example/", &rebinding).unwrap();
    let metadata = ["10.0.0.1", "169.254.169.254"];
    admit("ws://a.example", "ws://a.example/", &metadata).unwrap_err();
}

#[test]
fn of_several_entries_that_match_the_one_counts_that_leads_furthest() {
    let internal = addresses(&["10.0.0.1"]);
    for entries in [["ws://*", "ws://a.example"], ["ws://a.example", "ws://*"]] {
        check(&entries, "ws://a.example/")
            .unwrap()
            .admit(&internal)
            .unwrap();
        check(&entries, "ws://b.example/")
            .unwrap()
            .admit(&internal)
            .unwrap_err();
    }
    // One that does not match counts for nothing.
    let entries = ["ws://*", "ws://a.example:81", "wss://a.example"];
    check(&entries, "ws://a.example/")
        .unwrap()
        .admit(&internal)
        .unwrap_err();
}

#[test]
fn a_refusal_names_the_origin_and_not_what_may_be_secret() {
    let text = refusal(&["ws://b.example"], "wss://a.example:81/room?token=secret");
    assert!(
        text.starts_with("wss://a.example:81 is not among"),
        "{text}"
    );
    assert!(
        text.contains("outbound.allowed_hosts") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn an_entry_that_means_nothing_is_told_with_what_is_wrong() {
    for (entry, expected) in [
        ("a.example", "has no scheme"),
        ("", "has no scheme"),
        ("ftp://a.example", "has the scheme \"ftp\""),
        ("ws://", "has no host"),
        ("ws://*.", "has no host"),
        ("ws://:80", "has no host"),
        ("ws://a.example/", "has a '/'"),
        ("ws://a.example/chat", "has a '/'"),
        ("ws://user@a.example", "has a '@'"),
        ("ws://a.example?x", "has a '?'"),
        ("ws://a.example#x", "has a '#'"),
        ("ws://a.*.example", "has a `*` in its host"),
        ("ws://*a.example", "has a `*` in its host"),
        ("ws://*.127.0.0.1", "has a wildcard before an address"),
        ("ws://*.[::1]", "has a wildcard before an address"),
        ("ws://::1", "an IPv6 address stands in brackets"),
        ("ws://[::1", "an IPv6 address stands in brackets"),
        ("ws://a b.example", "has a host that is none"),
        ("ws://1.2.3.4.5", "has a host that is none"),
        ("ws://a.example:0", "has the port \"0\""),
        ("ws://a.example:65536", "has the port \"65536\""),
        ("ws://a.example:", "has the port \"\""),
        ("ws://a.example:http", "has the port \"http\""),
    ] {
        let error = AllowList::parse(&["wss://fine.example", entry])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains(&format!("outbound.allowed_hosts: {entry:?}")),
            "{error}"
        );
    }
}

#[test]
fn certificate_authorities_are_needed_if_an_entry_allows_tls() {
    for (entry, has_tls) in [
        ("ws://*:*", false),
        ("http://*:*", false),
        ("wss://a.example", true),
        ("https://a.example", true),
        ("*://a.example", true),
    ] {
        assert_eq!(list(&[entry]).has_tls(), has_tls, "{entry}");
    }
    assert!(!AllowList::default().has_tls());
}

#[test]
fn a_target_knows_what_to_connect_to() {
    let target = check(&["*://*:*"], "wss://a.example/x").unwrap();
    assert_eq!(
        (target.host(), target.port(), target.is_tls()),
        ("a.example", 443, true)
    );
    assert_eq!(target.address(), None);
    let target = check(&["ws://[::1]:*"], "ws://[::1]:81/").unwrap();
    assert_eq!(
        (target.host(), target.port(), target.is_tls()),
        ("[::1]", 81, false)
    );
    assert_eq!(target.address(), Some("[::1]:81".parse().unwrap()));
}
