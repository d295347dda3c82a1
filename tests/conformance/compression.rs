//! permessage-deflate (RFC 7692): what is agreed on, what is compressed, and what a peer cannot do with it.

use std::time::Instant;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use pairway_host::Config;

use crate::support::{Answer, Binary, Client, Host, Raw, Request, frames, pattern, until};
use crate::{COMMANDER, EXAMPLE_ECHO, ROOM};

use frames::{BINARY, CONTINUATION, FIN, PING, RSV1, TEXT, frame};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

async fn open(host: &Host, target: &str, offer: &str) -> (Raw, Answer) {
    let request = Request::upgrade(target).with("Sec-WebSocket-Extensions", offer);
    Raw::open_with(host.address, &request).await
}

/// What was agreed on for an offer.
async fn agreed(set: impl FnOnce(&mut Config), offer: &str) -> Option<String> {
    let host = Host::with(EXAMPLE_ECHO, set).await;
    let (_raw, answer) = open(&host, "/echo", offer).await;
    answer.header("sec-websocket-extensions").map(str::to_owned)
}

/// A stream that compresses one message after the other, as a peer with context does.
struct Deflater(Compress);

impl Deflater {
    fn new() -> Self {
        Self(Compress::new(Compression::best(), false))
    }

    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() + 1024);
        self.0
            .compress_vec(payload, &mut out, FlushCompress::Sync)
            .expect("a compressor takes any bytes");
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "it was flushed");
        out.truncate(out.len() - 4);
        out
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    Deflater::new().message(payload)
}

/// A message out of its compressed form, with a window of so many bits.
fn inflated(compressed: &[u8], window_bits: u8) -> Vec<u8> {
    let mut bytes = compressed.to_vec();
    bytes.extend([0, 0, 0xff, 0xff]);
    let mut out = Vec::with_capacity(4 * 1024 * 1024);
    Decompress::new_with_window_bits(false, window_bits)
        .decompress_vec(&bytes, &mut out, FlushDecompress::Sync)
        .expect("what the host compresses can be inflated");
    out
}

fn text(bytes: usize) -> String {
    "All work and no play makes a dull message. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

#[tokio::test]
async fn a_client_that_offers_it_gets_it_and_nobody_keeps_a_context() {
    let answer = agreed(|_| (), OFFER).await;
    let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.as_deref(), Some(expected));
}

#[tokio::test]
async fn an_offer_that_cannot_be_kept_is_passed_over_and_the_connection_goes_on() {
    for offer in [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; unknown",
        "permessage-bzip2",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(agreed(|_| (), offer).await, None, "{offer}");
    }
    let second = "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10";
    let answer = agreed(|_| (), second)
        .await
        .expect("the second offer can be kept");
    assert!(answer.ends_with("; server_max_window_bits=10"), "{answer}");
}

#[tokio::test]
async fn a_host_that_does_not_compress_agrees_on_nothing_and_refuses_compressed_messages() {
    let host = Host::with(EXAMPLE_ECHO, |config| config.compression.enabled = false).await;
    let (mut raw, answer) = open(&host, "/echo", OFFER).await;
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    raw.write(&frame(FIN | RSV1 | TEXT, &deflated(b"hello")))
        .await;
    raw.expect_failed(1002).await;
}

#[tokio::test]
async fn a_message_is_compressed_where_that_is_agreed_on_and_it_is_long_enough() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let (mut raw, _) = open(&host, "/echo", OFFER).await;
    for (bytes, is_compressed) in [(0, false), (1023, false), (1024, true), (200_000, true)] {
        let text = text(bytes);
        raw.send(&text).await;
        let answer = raw.frame().await;
        let first = if is_compressed {
            FIN | RSV1 | TEXT
        } else {
            FIN | TEXT
        };
        assert_eq!(answer.first, first, "{bytes}");
        let payload = match is_compressed {
            true => inflated(&answer.payload, 15),
            false => answer.payload.clone(),
        };
        assert!(payload == text.as_bytes(), "{bytes}");
        assert!(
            !is_compressed || answer.payload.len() < bytes / 2,
            "{bytes}"
        );
    }
    let mut plain = Raw::open(host.address, "/echo").await;
    plain.send(&text(2000)).await;
    plain.expect_text(&text(2000)).await;
}

#[tokio::test]
async fn what_compressing_would_make_longer_goes_as_it_is() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let (mut raw, _) = open(&host, "/echo", OFFER).await;
    let mut noise = vec![0u8; 5000];
    let mut state = 1u64;
    for byte in &mut noise {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = state.to_be_bytes()[0];
    }
    raw.write(&frame(FIN | BINARY, &noise)).await;
    let answer = raw.frame().await;
    assert_eq!((answer.first, answer.payload), (FIN | BINARY, noise));
}

#[tokio::test]
async fn each_message_stands_for_itself_within_the_window_that_the_client_asked_for() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let offer = "permessage-deflate; server_max_window_bits=9";
    let (mut raw, _) = open(&host, "/echo", offer).await;
    // Repeats beyond the window, so that a larger one would be used if it were not for the limit.
    let text = pattern(700).repeat(20);
    for _ in 0..2 {
        raw.write(&frame(FIN | BINARY, &text)).await;
        let answer = raw.frame().await;
        if answer.first == FIN | RSV1 | BINARY {
            assert_eq!(inflated(&answer.payload, 9), text);
        } else {
            assert_eq!(answer.payload, text);
        }
    }
}

#[tokio::test]
async fn a_compressed_message_may_come_in_fragments_with_pings_in_between() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let (mut raw, _) = open(&host, "/echo", OFFER).await;
    let text = text(500);
    let compressed = deflated(text.as_bytes());
    let (left, right) = compressed.split_at(compressed.len() / 2);
    raw.write(&frame(RSV1 | TEXT, left)).await;
    raw.write(&frame(FIN | PING, b"between")).await;
    assert_eq!(raw.frame().await.payload, b"between");
    raw.write(&frame(CONTINUATION, b"")).await;
    raw.write(&frame(FIN | CONTINUATION, right)).await;
    raw.expect_text(&text).await;
    raw.write(&frame(FIN | RSV1 | TEXT, &deflated(b""))).await;
    raw.expect_text("").await;
    raw.send("not compressed").await;
    raw.expect_text("not compressed").await;
}

#[tokio::test]
async fn a_compressed_message_that_is_none_fails_the_connection_with_its_code() {
    let host = Host::start(COMMANDER).await;
    let mut corrupt = deflated(text(500).as_bytes());
    corrupt.truncate(corrupt.len() / 2);
    for (what, bytes, code) in [
        ("not a block", frame(FIN | RSV1 | BINARY, &[0xff; 20]), 1007),
        ("cut off", frame(FIN | RSV1 | TEXT, &corrupt), 1007),
        (
            "bad UTF-8",
            frame(FIN | RSV1 | TEXT, &deflated(b"a\xff")),
            1007,
        ),
        (
            "RSV1 on a later fragment",
            [
                frame(RSV1 | TEXT, b""),
                frame(FIN | RSV1 | CONTINUATION, b""),
            ]
            .concat(),
            1002,
        ),
        ("RSV1 on a ping", frame(FIN | RSV1 | PING, b""), 1002),
    ] {
        let (mut raw, _) = open(&host, "/echo", OFFER).await;
        raw.write(&bytes).await;
        let (actual, reason) = raw.frame().await.into_close();
        assert_eq!(actual, code, "{what}: {reason}");
        raw.expect_end().await;
    }
}

#[tokio::test]
async fn a_bomb_of_300_mib_costs_neither_time_nor_memory() {
    let limit = "message_bytes=1048576";
    let host = Binary::serve(EXAMPLE_ECHO, &["--limit", limit]).await;
    let zeros = vec![0u8; 1024 * 1024];
    let mut deflater = Deflater::new();
    let mut bomb = Vec::new();
    for _ in 0..300 {
        bomb.extend(deflater.message(&zeros));
        // What `message` cuts off belongs between the pieces.
        bomb.extend([0, 0, 0xff, 0xff]);
    }
    let request = Request::upgrade("/echo").with("Sec-WebSocket-Extensions", OFFER);
    let (mut warm, _) = Raw::open_with(host.address, &request).await;
    warm.write(&frame(
        FIN | RSV1 | TEXT,
        &deflated(text(500_000).as_bytes()),
    ))
    .await;
    warm.frame().await;
    let (before, begin) = (host.peak_kib(), Instant::now());
    let (mut raw, _) = Raw::open_with(host.address, &request).await;
    raw.write(&frame(FIN | RSV1 | BINARY, &bomb)).await;
    let (code, reason) = raw.frame().await.into_close();
    assert_eq!(
        (code, &*reason),
        (1009, "Message is too large: over 1048576")
    );
    raw.expect_end().await;
    let grown = host.peak_kib() - before;
    assert!(grown < 12 * 1024, "it grew by {grown} KiB");
    assert!(
        begin.elapsed().as_secs() < 5,
        "it took {:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_peer_may_keep_its_context_where_the_operator_permits_it_but_not_with_a_socket_that_hibernates()
 {
    let host = Host::with(EXAMPLE_ECHO, |config| {
        config.compression.peer_context_takeover = true;
    })
    .await;
    let (mut raw, answer) = open(&host, "/echo", OFFER).await;
    let expected = "permessage-deflate; server_no_context_takeover";
    assert_eq!(answer.header("sec-websocket-extensions"), Some(expected));
    let mut deflater = Deflater::new();
    let text = text(500);
    let lengths = [(); 2].map(|()| {
        let message = deflater.message(text.as_bytes());
        (message.len(), message)
    });
    assert!(
        lengths[1].0 < lengths[0].0 / 2,
        "the second refers to the first"
    );
    for (_, message) in &lengths {
        raw.write(&frame(FIN | RSV1 | TEXT, message)).await;
        raw.expect_text(&text).await;
    }
    let host = Host::with(ROOM, |config| {
        config.compression.peer_context_takeover = true;
    })
    .await;
    let (_raw, answer) = open(&host, "/room/lobby", OFFER).await;
    let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.header("sec-websocket-extensions"), Some(expected));
}

#[tokio::test]
async fn a_broadcast_reaches_each_client_in_its_own_form() {
    let host = Host::start(ROOM).await;
    let target = "/room/lobby/socket?tags=";
    let mut plain = Client::connect(host.address, target).await;
    let (mut compressed, _) = open(&host, target, OFFER).await;
    let narrow = format!("{OFFER}; server_max_window_bits=9");
    let (mut narrow, _) = open(&host, target, &narrow).await;
    let word = "word".repeat(500);
    plain.send(format!("all {word}").as_str()).await;
    plain.expect(&word).await;
    for (raw, window_bits) in [(&mut compressed, 15), (&mut narrow, 9)] {
        let frame = raw.frame().await;
        assert_eq!(frame.first, FIN | RSV1 | TEXT);
        assert!(inflated(&frame.payload, window_bits) == word.as_bytes());
    }
}

/// A compressed frame that inflates to 31 MB.
fn long() -> Vec<u8> {
    frame(FIN | RSV1 | BINARY, &deflated(&vec![0; 31_000_000]))
}

#[tokio::test]
async fn messages_that_grow_long_are_inflated_in_turn_and_others_are_answered_in_between() {
    let host = Host::with(EXAMPLE_ECHO, |config| config.limits.inflating = 1).await;
    let mut quick = Client::connect(host.address, "/echo").await;
    quick.ask("before", "before").await;
    let request = Request::upgrade("/echo").with("Sec-WebSocket-Extensions", OFFER);
    let (message, mut many) = (long(), Vec::new());
    for _ in 0..20 {
        many.push(Raw::open_with(host.address, &request).await.0);
    }
    for raw in &mut many {
        raw.write(&message).await;
    }
    // All of them are ready by now, and stand before this one.
    let before = host.counters.events.get();
    quick.ask("between", "between").await;
    let events = host.counters.events.get() - before;
    assert!(
        events < 15,
        "{events} messages were handled before the short one"
    );
    for mut raw in many {
        // Compressed, too.
        assert!(!raw.frame().await.payload.is_empty());
    }
}

#[tokio::test]
async fn what_grows_over_the_total_of_what_waits_closes_its_connection_with_1013() {
    let host = Host::with(EXAMPLE_ECHO, |config| {
        config.limits.held_total_bytes = 8 << 20;
    })
    .await;
    let request = Request::upgrade("/echo").with("Sec-WebSocket-Extensions", OFFER);
    let (mut raw, _) = Raw::open_with(host.address, &request).await;
    raw.write(&long()).await;
    raw.expect_failed(1013).await;
    let (mut raw, _) = Raw::open_with(host.address, &request).await;
    let short = frame(FIN | RSV1 | BINARY, &deflated(&vec![0; 1_000_000]));
    raw.write(&short.repeat(12)).await;
    for _ in 0..12 {
        let answer = raw.frame().await;
        assert!(inflated(&answer.payload, 15) == [0; 1_000_000]);
    }
    drop(raw);
    until("nothing to wait", || {
        host.counters.held_bytes_live.get() == 0
    })
    .await;
}
