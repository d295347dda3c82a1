//! Which address it is that a name leads to, and what is tried if there are several.

use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};

use crate::outbound::Bounds;
use crate::outbound::testing::{
    Dns, Server, Silent, at, header, is_untouched, listen, nobody, open, outbound, quick,
    to_loopback,
};

#[tokio::test]
async fn nobody_at_the_address_fails_with_the_cause() {
    let address = nobody().await;
    let failed = open(&to_loopback(Bounds::default()), &format!("ws://{address}/")).await;
    let failed = failed.unwrap_err();
    assert!(
        failed.text.starts_with("cannot connect to 127.0.0.1: "),
        "{failed}"
    );
    assert!(failed.text.contains("refused"), "{failed}");
}

#[tokio::test]
async fn a_dns_that_does_not_answer_has_connect_ms() {
    let outbound = outbound(&["ws://a.example"], Arc::new(Silent), quick());
    let failed = open(&outbound, "ws://a.example/").await.unwrap_err();
    assert!(
        failed.text.contains("too long to resolve a.example"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_its_checked_address_is_the_one_dialled() {
    let server = Server::upgrades("", b"").await;
    let elsewhere = listen().await;
    let answers: [&[_]; 2] = [&[server.address], &[elsewhere.local_addr().unwrap()]];
    let dns = Dns::with("a.example", &answers);
    let outbound = outbound(
        &["ws://a.example"],
        Arc::clone(&dns) as _,
        Bounds::default(),
    );
    open(&outbound, "ws://a.example/").await.unwrap();
    assert_eq!(dns.lookups(), 1);
    assert!(is_untouched(elsewhere));
    // The server is asked for by name.
    assert_eq!(header(&server.request().await, "host"), Some("a.example"));
}

#[tokio::test]
async fn a_name_with_a_public_and_a_private_address_is_refused_before_anything_is_dialled() {
    let inside = listen().await;
    let public = at("8.8.8.8", 80);
    let private = inside.local_addr().unwrap();
    for answer in [[public, private], [private, public]] {
        let dns = Dns::with("a.example", &[&answer]);
        let outbound = outbound(&["ws://*:*"], Arc::clone(&dns) as _, Bounds::default());
        let failed = open(&outbound, "ws://a.example/").await.unwrap_err();
        assert!(failed.is_not_allowed);
        assert!(
            failed
                .text
                .contains("leads to 127.0.0.1, a loopback address"),
            "{failed}"
        );
        assert_eq!(dns.lookups(), 1);
    }
    assert!(is_untouched(inside));
}

#[tokio::test]
async fn an_entry_with_the_full_name_does_not_lead_to_metadata_services() {
    let inside = listen().await;
    let answer = [inside.local_addr().unwrap(), at("169.254.169.254", 80)];
    let outbound = outbound(
        &["ws://a.example"],
        Dns::with("a.example", &[&answer]),
        Bounds::default(),
    );
    let failed = open(&outbound, "ws://a.example/").await.unwrap_err();
    assert!(
        failed.is_not_allowed && failed.text.contains("a link-local address"),
        "{failed}"
    );
    assert!(is_untouched(inside));
}

#[tokio::test]
async fn a_name_that_leads_nowhere_fails() {
    let dns = Dns::with("empty.example", &[&[]]);
    let outbound = outbound(&["ws://*:*"], dns, Bounds::default());
    for (name, expected) in [
        ("empty.example", "it has no addresses"),
        ("b.example", "no such name"),
    ] {
        let failed = open(&outbound, &format!("ws://{name}/")).await.unwrap_err();
        assert_eq!(failed.text, format!("cannot resolve {name}: {expected}"));
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_refuses() {
    let server = Server::upgrades("", b"").await;
    let answer = [nobody().await, server.address];
    let outbound = outbound(
        &["ws://a.example"],
        Dns::with("a.example", &[&answer]),
        Bounds::default(),
    );
    open(&outbound, "ws://a.example/").await.unwrap();
}

#[tokio::test]
async fn of_many_addresses_eight_are_tried() {
    let server = Server::upgrades("", b"").await;
    let mut answer = vec![nobody().await; 8];
    answer.push(server.address);
    let outbound = outbound(
        &["ws://a.example"],
        Dns::with("a.example", &[&answer]),
        Bounds::default(),
    );
    let failed = open(&outbound, "ws://a.example/").await.unwrap_err();
    assert_eq!(failed.text.matches("refused").count(), 8, "{failed}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_address_leaves_time_for_the_next() {
    // Once a connection waits to be accepted and there is room for no other, nobody gets an answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(at("127.0.0.1", 0)).unwrap();
    let full = socket.listen(0).unwrap();
    let silent = full.local_addr().unwrap();
    let _waiting = TcpStream::connect(silent).await.unwrap();
    let server = Server::upgrades("", b"").await;
    let answer = [silent, server.address];
    let bounds = Bounds {
        connect_ms: 500,
        ..Bounds::default()
    };
    let outbound = outbound(
        &["ws://a.example"],
        Dns::with("a.example", &[&answer]),
        bounds.clone(),
    );
    open(&outbound, "ws://a.example/").await.unwrap();
    let outbound = to_loopback(bounds);
    let failed = open(&outbound, &format!("ws://{silent}/"))
        .await
        .unwrap_err();
    assert!(failed.text.contains("no answer for"), "{failed}");
}

#[tokio::test]
async fn tls_that_is_not_set_up_is_said() {
    let listener = listen().await;
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let failed = open(&to_loopback(Bounds::default()), &url)
        .await
        .unwrap_err();
    assert!(failed.text.contains("cannot speak TLS"), "{failed}");
}
