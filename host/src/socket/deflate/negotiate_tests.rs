use super::*;

const STATELESS: Policy = Policy {
    min_bytes: 0,
    level: 1,
    peer_context_takeover: false,
};
const TAKEOVER: Policy = Policy {
    min_bytes: 0,
    level: 1,
    peer_context_takeover: true,
};

fn headers(values: &[&str]) -> HeaderMap {
    values
        .iter()
        .map(|value| {
            (
                http::header::SEC_WEBSOCKET_EXTENSIONS,
                value.parse().unwrap(),
            )
        })
        .collect()
}

fn parameters(window_bits: u8, peer_keeps_context: bool) -> Parameters {
    Parameters {
        outgoing: (window_bits > 8).then_some(Outgoing {
            window_bits,
            level: 1,
        }),
        peer_keeps_context,
    }
}

/// What a server answers, without the name and without `server_no_context_takeover`, which are always there.
fn answer(policy: &Policy, offers: &[&str]) -> Option<(String, Parameters)> {
    let agreement = accept(&headers(offers), policy)?;
    let response = agreement.response.to_str().unwrap();
    let rest = response
        .strip_prefix("permessage-deflate; server_no_context_takeover")
        .unwrap();
    Some((rest.to_owned(), agreement.parameters))
}

#[track_caller]
fn accepts(policy: &Policy, offers: &[&str], rest: &str, parameters: Parameters) {
    assert_eq!(
        answer(policy, offers),
        Some((rest.to_owned(), parameters)),
        "{offers:?}"
    );
}

#[test]
fn a_server_asks_the_client_not_to_keep_its_context() {
    let stateless = parameters(15, false);
    for offer in [
        "permessage-deflate",
        // Chrome, Firefox, Safari.
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits=\"15\"",
        "x-webkit-deflate-frame, permessage-deflate",
    ] {
        accepts(
            &STATELESS,
            &[offer],
            "; client_no_context_takeover",
            stateless,
        );
    }
}

#[test]
fn a_client_may_keep_its_context_where_the_policy_lets_it() {
    accepts(&TAKEOVER, &["permessage-deflate"], "", parameters(15, true));
    accepts(
        &TAKEOVER,
        &["permessage-deflate; client_no_context_takeover"],
        "; client_no_context_takeover",
        parameters(15, false),
    );
}

#[test]
fn the_window_of_the_server_is_what_the_client_asks_for() {
    for bits in 9..=15 {
        accepts(
            &STATELESS,
            &[&format!(
                "permessage-deflate; server_max_window_bits={bits}"
            )],
            &format!("; client_no_context_takeover; server_max_window_bits={bits}"),
            parameters(bits, false),
        );
    }
}

#[test]
fn an_offer_that_cannot_be_kept_is_declined() {
    for offer in [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=265",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; mux",
        "permessage-deflate; Server_No_Context_Takeover",
        "permessage-bzip2",
        // Malformed as a whole.
        "permessage-deflate, ;",
        "",
    ] {
        assert_eq!(answer(&STATELESS, &[offer]), None, "{offer}");
        assert_eq!(answer(&TAKEOVER, &[offer]), None, "{offer}");
    }
    assert_eq!(answer(&STATELESS, &[]), None);
}

#[test]
fn the_first_offer_that_can_be_kept_is_taken() {
    let ten = "permessage-deflate; server_max_window_bits=10";
    let rest = "; client_no_context_takeover; server_max_window_bits=10";
    for offers in [
        &["permessage-deflate; server_max_window_bits=10, permessage-deflate"][..],
        &[ten, "permessage-deflate"],
        &["foo", "permessage-deflate; server_max_window_bits=8", ten],
        &["permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10, bar"],
    ] {
        accepts(&STATELESS, offers, rest, parameters(10, false));
    }
}

#[test]
fn a_client_offers_what_it_does_and_asks_for_what_it_needs() {
    assert_eq!(
        offer(&STATELESS),
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits"
    );
    assert_eq!(
        offer(&TAKEOVER),
        "permessage-deflate; client_no_context_takeover; client_max_window_bits"
    );
}

fn confirmed(policy: &Policy, response: &[&str]) -> Result<Option<Parameters>, Violation> {
    confirm(policy, &headers(response))
}

#[test]
fn a_response_to_the_offer_is_confirmed() {
    let none: &[&str] = &[];
    assert_eq!(confirmed(&STATELESS, none), Ok(None));
    assert_eq!(confirmed(&STATELESS, &[""]), Ok(None));
    let base = "permessage-deflate; server_no_context_takeover";
    for (more, window_bits) in [
        ("", 15),
        ("; client_no_context_takeover", 15),
        ("; client_max_window_bits=9", 9),
        // What zlib cannot make: messages go as they are.
        ("; client_max_window_bits=8", 8),
        ("; client_max_window_bits=\"15\"", 15),
        // Unasked, but allowed; and the inflater can do any.
        ("; server_max_window_bits=8", 15),
        ("; server_max_window_bits=15; client_max_window_bits=12", 12),
    ] {
        let response = format!("{base}{more}");
        let expected = Ok(Some(parameters(window_bits, false)));
        assert_eq!(confirmed(&STATELESS, &[&response]), expected, "{response}");
        assert_eq!(confirmed(&TAKEOVER, &[&response]), expected, "{response}");
    }
    for policy in [&STATELESS, &TAKEOVER] {
        // Asked not to keep its context, the server does: there is no harm in an inflater.
        assert_eq!(
            confirmed(policy, &["permessage-deflate"]),
            Ok(Some(parameters(15, true)))
        );
    }
}

#[test]
fn a_response_that_does_not_fit_the_offer_fails() {
    let base = "permessage-deflate; server_no_context_takeover";
    for more in [
        "; client_max_window_bits",
        "; client_max_window_bits=7",
        "; client_max_window_bits=16",
        "; server_max_window_bits",
        "; server_max_window_bits=7",
        "; server_no_context_takeover",
        "; client_no_context_takeover=1",
        "; unknown",
        ", permessage-deflate; server_no_context_takeover",
        ", foo",
        ";",
    ] {
        let response = format!("{base}{more}");
        assert!(confirmed(&STATELESS, &[&response]).is_err(), "{response}");
        assert!(confirmed(&TAKEOVER, &[&response]).is_err(), "{response}");
    }
    assert!(confirmed(&STATELESS, &["permessage-bzip2"]).is_err());
    assert!(confirmed(&STATELESS, &[base, base]).is_err());
}

#[test]
fn the_two_sides_agree_with_each_other() {
    for server in [&STATELESS, &TAKEOVER] {
        for client in [&STATELESS, &TAKEOVER] {
            let offered = offer(client);
            let agreement = accept(&headers(&[offered.to_str().unwrap()]), server).unwrap();
            let response = agreement.response.to_str().unwrap();
            assert_eq!(agreement.parameters, parameters(15, false));
            assert_eq!(
                confirmed(client, &[response]),
                Ok(Some(parameters(15, false)))
            );
        }
    }
}
