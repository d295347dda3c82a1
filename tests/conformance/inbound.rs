//! What HTTP clients may ask for and how long they may take: the URI of a request, the end of a client, times.

use tokio::io::AsyncWriteExt;

use crate::support::{
    Answer, Authority, Folder, Host, Raw, Request, config, get, is_shown, until, within,
};
use crate::{ANSWERS, COMMANDER};

async fn send(host: &Host, bytes: &[u8]) -> Answer {
    let mut raw = Raw::connect(host.address).await;
    raw.write(bytes).await;
    raw.answer().await
}

#[tokio::test]
async fn a_host_that_is_none_is_a_400_and_the_worker_does_not_hear_of_it() {
    let host = Host::start(COMMANDER).await;
    for name in [
        "",
        "a.example/slow#",
        "x/w/uri?",
        "a.example?",
        "me@a.example",
        r"a.example\slow",
        "a.example:99999",
        "[::1",
        "[fe80::1%25eth0]",
        "a%2fslow",
        "a b",
        "a, b",
    ] {
        for request in [Request::get("/see"), Request::upgrade("/see")] {
            let answer = request.with("Host", name).send(host.address).await;
            assert_eq!(answer.status, 400, "{name}");
            assert!(answer.text().contains("Host header"), "{answer:?}");
        }
    }
    let twice = Request::get("/see").and("Host", "worker.test");
    assert_eq!(twice.send(host.address).await.status, 400);
    let none = Request::get("/see").without("Host");
    assert_eq!(none.send(host.address).await.status, 400);
    for target in [
        "http://me@a.example/",
        "http://a.example:99999/",
        "ftp://a.example/",
        "a.example",
    ] {
        assert_eq!(get(host.address, target).await.status, 400, "{target}");
    }
    assert_eq!(host.counters.requests.get(), 0);
}

#[tokio::test]
async fn the_uri_is_made_of_the_line_and_of_a_host_that_stays_in_its_place() {
    let host = Host::start(ANSWERS).await;
    let uri = async |request: Request| {
        let answer = request.send(host.address).await;
        let line = answer.text().lines().nth(1).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{answer:?}"))
    };
    for name in [
        "worker.test",
        "[::1]:8080",
        "WORKER.test:",
        "192.0.2.1:65535",
    ] {
        let request = Request::get("/request").with("Host", name);
        assert_eq!(uri(request).await, format!("uri http://{name}/request"));
    }
    // The server as a whole has no path, and `*` is not a part of its name.
    let all = Request::get("*").method("OPTIONS").send(host.address).await;
    assert_eq!(all.status, 404);
    let old = Request::get("/request").without("Host").version("HTTP/1.0");
    assert_eq!(
        uri(old).await,
        format!("uri http://{}/request", host.address)
    );
}

#[tokio::test]
async fn a_key_or_a_version_that_stands_there_twice_is_a_400() {
    let host = Host::start(COMMANDER).await;
    for (name, value) in [
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("Sec-WebSocket-Version", "8"),
    ] {
        let answer = Request::upgrade("/")
            .and(name, value)
            .send(host.address)
            .await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains(name), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_sends_no_more_waits_for_its_answer() {
    let host = Host::start(ANSWERS).await;
    for _ in 0..20 {
        let mut raw = Raw::connect(host.address).await;
        raw.write(&Request::get("/forbidden").to_bytes()).await;
        raw.finish().await;
        raw.answer().await.expect(403, "no");
        raw.expect_end().await;
    }
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/sleep?ms=200").to_bytes()).await;
    raw.finish().await;
    raw.answer().await.expect(200, "slept");
}

#[tokio::test]
async fn a_client_that_resets_is_gone_at_once_whatever_it_has_sent_before() {
    let host = Host::start(ANSWERS).await;
    for has_finished in [false, true] {
        let mut raw = Raw::connect(host.address).await;
        let before = host.counters.requests.get();
        raw.write(&Request::get("/sleep?ms=3600000").to_bytes())
            .await;
        if has_finished {
            raw.finish().await;
        }
        until("the request to be under way", || {
            host.counters.requests.get() > before
        })
        .await;
        assert_eq!(host.counters.connections_live.get(), 1);
        raw.reset();
        until("the connection to be gone", || {
            host.counters.connections_live.get() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn the_same_holds_under_tls() {
    let folder = Folder::new("inbound-tls");
    let authority = Authority::new("authority.test");
    let certified = authority.certify("localhost");
    let files = certified.write(&folder);
    let host = Host::with(ANSWERS, |config| config.tls = Some(files)).await;
    let mut stream = authority.connect(host.address).await;
    assert!(is_shown(&stream, &certified));
    let request = Request::get("/sleep?ms=200").to_bytes();
    stream.write_all(&request).await.expect("the host reads");
    // Says that it sends no more, and ends its half.
    stream.shutdown().await.expect("the host reads");
    let mut answer = String::new();
    let reading = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer);
    within("the answer", reading).await.expect("an answer");
    assert!(answer.ends_with("slept"), "{answer}");
    let mut stream = authority.connect(host.address).await;
    let request = Request::get("/sleep?ms=3600000").to_bytes();
    stream.write_all(&request).await.expect("the host reads");
    until("the request to be under way", || {
        host.counters.requests.get() == 2
    })
    .await;
    let (tcp, _) = stream.get_ref();
    tcp.set_zero_linger()
        .expect("an open connection takes options");
    drop(stream);
    until("the connection to be gone", || {
        host.counters.connections_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_idles_longer_than_a_head_may_take() {
    let host = Host::with(ANSWERS, |config| config.limits.request_head_ms = 100).await;
    let mut kept = Raw::connect(host.address).await;
    kept.write(&Request::get("/forbidden").to_bytes()).await;
    kept.answer().await.expect(403, "no");
    // Those who come later and say nothing are gone first, one after the other.
    for _ in 0..3 {
        let mut silent = Raw::connect(host.address).await;
        within("the end of the connection", silent.until_end()).await;
    }
    kept.write(&Request::get("/forbidden").to_bytes()).await;
    kept.answer().await.expect(403, "no");
    // Once the head has begun it has its time.
    kept.write(b"GET / HTTP/1.1\r\nHost: ").await;
    within("the end of the connection", kept.until_end()).await;
}

#[tokio::test]
async fn a_connection_idles_for_so_long() {
    let host = Host::with(ANSWERS, |config| config.limits.http_idle_ms = 100).await;
    let mut kept = Raw::connect(host.address).await;
    for _ in 0..2 {
        // As long as a request is under way, nobody is idle.
        kept.write(&Request::get("/sleep?ms=300").to_bytes()).await;
        kept.answer().await.expect(200, "slept");
    }
    kept.expect_end().await;
    assert!(
        config().limits.http_idle_ms > 75_000,
        "proxies close at 60 to 75 s"
    );
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_a_413_at_once() {
    let host = Host::start(ANSWERS).await;
    let head = "POST /echo HTTP/1.1\r\nHost: worker.test\r\nContent-Length: 1000000000\r\n";
    for expect in ["Expect: 100-continue\r\n", ""] {
        let answer = send(&host, format!("{head}{expect}\r\n").as_bytes()).await;
        assert_eq!(answer.status, 413);
        assert!(answer.text().contains("request_body_bytes"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_body_all_the_same_can_read_the_413() {
    let host = Host::with(ANSWERS, |config| config.limits.request_body_bytes = 1_000).await;
    for _ in 0..5 {
        let mut raw = Raw::connect(host.address).await;
        let request = Request::get("/echo").method("POST");
        let writing = raw.write_along(request.body(&vec![b'x'; 8 << 20]).to_bytes());
        assert_eq!(raw.answer().await.status, 413);
        writing.await.expect("the host read it to its end");
    }
}

#[tokio::test]
async fn responses_that_have_no_body_are_sent_without() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    for status in [204, 205, 304] {
        let request = Request::get(&format!("/status?code={status}"));
        raw.write(&request.to_bytes()).await;
        let head = raw.head().await;
        assert_eq!(head.status, status);
        assert!([None, Some("0")].contains(&head.header("content-length")));
        // What follows is the next answer.
        raw.write(&Request::get("/forbidden").to_bytes()).await;
        raw.answer().await.expect(403, "no");
    }
}
