//! Sockets to other servers that do not open: what the worker may not ask for, and what goes wrong.

use crate::outbound::{outward, outward_with};
use crate::support::{Client, Host, Upstream, get, until};
use crate::{CALLER, OUTWARD};

/// Have a socket be opened, and wait until it is not. Gives the reason.
async fn failure(control: &mut Client, url: &str) -> String {
    control
        .ask(&format!("connect {url}"), "connect 0 Connecting")
        .await;
    failed(control).await
}

/// The socket does not open: `error` comes first, then `close`.
async fn failed(control: &mut Client) -> String {
    let line = control.text().await;
    let reason = line.strip_prefix("error 0 ");
    let reason = reason.unwrap_or_else(|| panic!("no error: {line:?}"));
    control
        .expect(&format!("close 0 1006 false Closed ok {reason}"))
        .await;
    reason.to_owned()
}

/// The first word of what a call is refused with.
async fn refusal(control: &mut Client, command: &str) -> String {
    control.send(command).await;
    let line = control.text().await;
    let refusal = line.split(' ').nth(1).unwrap_or_default();
    refusal.split('(').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_it() {
    let (_host, mut control, upstream) = outward().await;
    let reason = failure(&mut control, &upstream.gone()).await;
    assert!(
        reason.starts_with("cannot connect to 127.0.0.1: "),
        "{reason}"
    );
}

#[tokio::test]
async fn an_answer_other_than_101_fails_it() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let (mut raw, _) = upstream.answer(answer).await;
    let reason = failed(&mut control).await;
    assert!(
        reason.contains("answered 404 Not Found where a WebSocket needs 101"),
        "{reason}"
    );
    raw.expect_end().await;
}

#[tokio::test]
async fn a_101_that_does_not_fit_fails_it() {
    for (lines, expected) in [
        (
            "Sec-WebSocket-Protocol: c\r\n",
            "\"c\", which was not offered",
        ),
        (
            "Sec-WebSocket-Extensions: permessage-bzip2\r\n",
            "was not offered",
        ),
        ("Sec-WebSocket-Accept: x\r\n", "twice"),
    ] {
        let (_host, mut control, upstream) = outward().await;
        let command = format!("connect {} protocol=a", upstream.url("/"));
        control.ask(&command, "connect 0 Connecting").await;
        let (mut raw, _) = upstream.open_with(lines).await;
        let reason = failed(&mut control).await;
        assert!(reason.contains(expected), "{reason}");
        raw.expect_end().await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_fails_it() {
    let (_host, mut control, upstream) =
        outward_with(|config| config.limits.connect_ms = 100).await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let (mut raw, _) = upstream.asked().await;
    let reason = failed(&mut control).await;
    assert!(
        reason.contains("100 ms are over (limit connect_ms)"),
        "{reason}"
    );
    raw.expect_end().await;
}

#[tokio::test]
async fn a_server_without_tls_fails_a_wss_url() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.url("/").replace("ws://", "wss://");
    control
        .ask(&format!("connect {url}"), "connect 0 Connecting")
        .await;
    let mut raw = upstream.raw().await;
    raw.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let reason = failed(&mut control).await;
    assert_eq!(reason, "127.0.0.1 does not speak TLS on this port");
}

#[tokio::test]
async fn what_the_worker_may_not_ask_for_is_refused_by_the_call() {
    let (_host, mut control, upstream) = outward().await;
    let fine = upstream.url("/");
    for (arguments, expected) in [
        ("http://127.0.0.1/".to_owned(), "InvalidUrl"),
        ("/path".to_owned(), "InvalidUrl"),
        ("ws://127.0.0.1/#part".to_owned(), "InvalidUrl"),
        ("ws://127.0.0.1:70000/".to_owned(), "InvalidUrl"),
        (format!("{fine} protocol=a/b"), "InvalidProtocol"),
        (format!("{fine} protocol=a protocol=a"), "InvalidProtocol"),
        (format!("{fine} header=host:evil.test"), "Other"),
        (format!("{fine} header=sec-websocket-key:x"), "Other"),
        ("ws://127.0.0.2:80/".to_owned(), "NotAllowed"),
        ("wss://example.com/".to_owned(), "NotAllowed"),
        // Only an object has hibernatable sockets.
        (format!("{fine} tag=a"), "NotAnObject"),
    ] {
        let command = format!("connect {arguments}");
        assert_eq!(refusal(&mut control, &command).await, expected, "{command}");
    }
    // None of it counts for anything.
    control
        .ask(&format!("connect {fine}"), "connect 0 Connecting")
        .await;
    let _raw = upstream.open().await;
    control.expect("open 0 Open").await;
}

#[tokio::test]
async fn no_host_is_reached_unless_it_is_allowed() {
    let host = Host::start(OUTWARD).await;
    let mut control = Client::connect(host.address, "/").await;
    for url in ["ws://127.0.0.1/", "wss://example.com/"] {
        let command = format!("connect {url}");
        assert_eq!(refusal(&mut control, &command).await, "NotAllowed");
    }
    assert_eq!(host.counters.outbound.get(), 0);
}

/// A worker that may reach what this entry says.
async fn allowed(entry: &str) -> (Host, Client) {
    let host = Host::with(OUTWARD, |config| {
        config.outbound.allowed_hosts = vec![entry.to_owned()];
    })
    .await;
    let control = Client::connect(host.address, "/").await;
    (host, control)
}

#[tokio::test]
async fn a_wildcard_does_not_lead_into_this_machine() {
    let upstream = Upstream::listen().await;
    let (_host, mut control) = allowed("ws://*:*").await;
    let command = format!("connect {}", upstream.url("/"));
    assert_eq!(refusal(&mut control, &command).await, "NotAllowed");
    // Of a name it only shows when it is looked up.
    let reason = failure(
        &mut control,
        &format!("ws://localhost:{}/", upstream.address.port()),
    )
    .await;
    assert!(
        reason.contains("localhost leads to ") && reason.contains("a loopback address"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_entry_with_the_name_leads_into_this_machine() {
    let upstream = Upstream::listen().await;
    let (_host, mut control) = allowed("ws://localhost:*").await;
    let url = format!("ws://localhost:{}/", upstream.address.port());
    control
        .ask(&format!("connect {url}"), "connect 0 Connecting")
        .await;
    let (_raw, asked) = upstream.open_with("").await;
    assert_eq!(
        asked.header("host"),
        url.strip_prefix("ws://")
            .and_then(|rest| rest.strip_suffix('/'))
    );
    control.expect("open 0 Open").await;
}

#[tokio::test]
async fn there_are_so_many_connections_at_a_time() {
    let (host, mut control, upstream) =
        outward_with(|config| config.limits.outbound_connections = 1).await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let mut server = upstream.accept().await;
    control.expect("open 0 Open").await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 1 Connecting",
        )
        .await;
    let line = control.text().await;
    assert!(
        line.starts_with("error 1 ") && line.contains("limit outbound_connections"),
        "{line}"
    );
    let line = control.text().await;
    assert!(line.starts_with("close 1 1006 false Closed ok "), "{line}");
    control
        .ask(&format!("fetch GET {}", upstream.http("/")), "fetch ok")
        .await;
    assert!(control.text().await.contains("limit outbound_connections"));
    server.close(1000, "").await;
    control.expect("close 0 1000 true Closed Closed ").await;
    server.expect_close(1000, "").await;
    server.expect_end().await;
    drop(server);
    until("the place to be free", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 2 Connecting",
        )
        .await;
    let _server = upstream.accept().await;
    control.expect("open 2 Open").await;
}

/// URLs of which parsers are known to make different things.
const ODD: &[&str] = &[
    r"ws://127.0.0.1:9003\@good.example/",
    r"ws:\\good.example\x",
    "ws://good.example:99999/",
    "WS://Good.Example:80/a/../b",
    "wss://good.example:443",
    "ws://good.example:/",
    "ws://0x7f.1/",
    "ws://2130706433/",
    "ws://0177.0.0.1/",
    "ws://1.2.3.4.5/",
    "ws://user:secret@good.example:81/",
    "ws://evil.example@good.example@other.example/",
    "ws://evil.example%2f@good.example/",
    "ws://evil.example#@good.example/",
    "ws://evil.example?@good.example/",
    "ws://g%6fod.example/",
    "ws://good%2eexample/",
    "ws://good%00.example/",
    "ws://go\tod.exa\r\nmple/",
    " ws://good.example/ ",
    "ws://good example/",
    "ws://[::1]:81/",
    "ws://[::ffff:127.0.0.1]/",
    "ws://[fe80::1%25eth0]/",
    "ws://[::1/",
    "ws:good.example",
    "ws:///good.example",
    "ws://",
    "//good.example/",
    "ws://good.example./",
    "ws://.good.example/",
    "ws://xn--bcher-kva.example/",
    "ws://xn--a/",
    "ws://xn--/",
    "ws://bücher.example/",
    "ws://b%C3%BCcher.example/",
    "ws://ｇｏｏｄ.example/",
    "ws://good。example/",
    "ws://go\u{ad}od.example/",
    "ws://straße.example/",
    "ws://good.example/ü?ü",
];

#[tokio::test]
async fn the_worker_reads_a_url_as_the_host_does_that_connects() {
    let host = Host::start(CALLER).await;
    let mut differ = Vec::new();
    for url in ODD {
        let encoded: String = url.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = get(host.address, &format!("/both?url={encoded}")).await;
        let (here, there) = answer.text().split_once('\n').expect("two lines");
        // Of a URL that is none both say why, the host in more words.
        let why = here.strip_prefix("invalid URL: ");
        let is_same = match why {
            Some(why) => there.starts_with("invalid URL: ") && there.ends_with(why),
            // A fragment is the business of `connect` alone.
            None => here == there || (url.contains('#') && there.contains("no fragment")),
        };
        if !is_same {
            differ.push(format!("{url:?}: {here} / {there}"));
        }
        if url.contains(['ü', 'ｇ', '。', 'ß', '\u{ad}']) && !url.ends_with("?ü") {
            assert!(there.contains("punycode"), "{url}: {there}");
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    // The one that a check of the worker's must not take for another.
    let odd = "/both?url=ws://127.0.0.1:9003%5c@good.example/";
    get(host.address, odd)
        .await
        .expect(200, "ws://127.0.0.1:9003\nws://127.0.0.1:9003");
}
