//! Peers that break RFC 6455: each gets a Close that says so, the end of its connection without being waited
//! for, and the worker an `error` and no `close`.

use crate::COMMANDER;
use crate::support::{Host, Observer, Raw, frames};

use frames::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, RSV2, RSV3, TEXT, frame, unmasked,
};

/// Each of these, sent on a connection of its own, must fail it with the code.
async fn fails_with(code: u16, cases: &[(&str, Vec<u8>)]) {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    for (what, bytes) in cases {
        let mut raw = Raw::open(host.address, "/").await;
        raw.write(bytes).await;
        let close = raw
            .next()
            .await
            .unwrap_or_else(|| panic!("{what}: the connection ended without a Close"));
        let (actual, reason) = close.into_close();
        assert_eq!(actual, code, "{what}: {reason}");
        raw.expect_end().await;
        observer.expect("error Closed ok ok").await;
        observer.expect_nothing().await;
    }
    assert_eq!(host.counters.violations.get(), cases.len() as u64);
}

#[tokio::test]
async fn reserved_bits_without_an_extension_are_1002() {
    let cases = [
        ("RSV1", frame(FIN | RSV1 | TEXT, b"text")),
        ("RSV2", frame(FIN | RSV2 | TEXT, b"text")),
        ("RSV3", frame(FIN | RSV3 | BINARY, b"binary")),
        ("RSV1 on a ping", frame(FIN | RSV1 | PING, b"")),
        ("RSV3 on a Close", frame(FIN | RSV3 | CLOSE, b"")),
    ];
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn unknown_opcodes_are_1002() {
    let opcodes = [3, 7, 11, 15];
    let cases = opcodes.map(|opcode| {
        (
            "an opcode that RFC 6455 does not define",
            frame(FIN | opcode, b"payload"),
        )
    });
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn fragments_out_of_place_are_1002() {
    let cases = [
        (
            "a continuation of nothing",
            frame(FIN | CONTINUATION, b"stray"),
        ),
        (
            "an open continuation of nothing",
            frame(CONTINUATION, b"stray"),
        ),
        (
            "a text inside a text",
            [frame(TEXT, b"begun"), frame(FIN | TEXT, b"new")].concat(),
        ),
        (
            "a binary inside a text",
            [frame(TEXT, b"begun"), frame(BINARY, b"new")].concat(),
        ),
    ];
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn a_continuation_behind_the_end_of_a_message_is_1002() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let whole = [
        frame(TEXT, b"be"),
        frame(FIN | CONTINUATION, b"gun"),
        frame(FIN | CONTINUATION, b"stray"),
    ];
    raw.write(&whole.concat()).await;
    // The whole message in front of it was delivered; its echo may still leave.
    let mut reply = raw.frame().await;
    if reply.first == FIN | TEXT {
        reply = raw.frame().await;
    }
    assert_eq!(reply.into_close().0, 1002);
    raw.expect_end().await;
}

#[tokio::test]
async fn control_frames_in_fragments_or_over_125_bytes_are_1002() {
    let cases = [
        ("a fragmented ping", frame(PING, b"frag")),
        ("a fragmented pong", frame(PONG, b"frag")),
        ("a fragmented Close", frame(CLOSE, &[3, 232])),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'p'; 126])),
        ("a pong of 126 bytes", frame(FIN | PONG, &[b'p'; 126])),
        (
            "a Close of 126 bytes",
            frames::close(1000, &"r".repeat(124)),
        ),
        (
            "a ping of 70,000 bytes",
            frame(FIN | PING, &vec![b'p'; 70_000]),
        ),
    ];
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn frames_without_a_mask_are_1002() {
    let cases = [
        ("a text", unmasked(FIN | TEXT, b"naked")),
        ("an empty text", unmasked(FIN | TEXT, b"")),
        ("a ping", unmasked(FIN | PING, b"")),
        ("a Close", unmasked(FIN | CLOSE, &[3, 232])),
    ];
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn lengths_in_more_bytes_than_they_need_are_1002() {
    let cases = [
        ("two bytes", [&[0x82, 0xfe, 0, 5][..], &[0; 9]].concat()),
        (
            "eight bytes",
            [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0; 260]].concat(),
        ),
    ];
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn close_codes_that_must_not_be_sent_are_1002() {
    let codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535];
    let cases = codes.map(|code| ("a code outside of RFC 6455, 7.4", frames::close(code, "")));
    fails_with(1002, &cases).await;
}

#[tokio::test]
async fn a_close_body_of_one_byte_is_1002() {
    fails_with(1002, &[("half a code", frame(FIN | CLOSE, &[3]))]).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_1007() {
    let cases = [
        ("a lone continuation byte", frame(FIN | TEXT, &[b'a', 0x80])),
        ("an overlong form", frame(FIN | TEXT, &[0xc0, 0xaf])),
        ("a surrogate", frame(FIN | TEXT, &[0xed, 0xa0, 0x80])),
        (
            "beyond Unicode",
            frame(FIN | TEXT, &[0xf4, 0x90, 0x80, 0x80]),
        ),
        ("cut off at the end", frame(FIN | TEXT, &[0xe2, 0x82])),
        (
            "a long text",
            frame(FIN | TEXT, &[&vec![b'a'; 100_000][..], &[0xff]].concat()),
        ),
    ];
    fails_with(1007, &cases).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_across_fragments_is_1007() {
    let cases = [
        (
            "cut off at the end",
            [
                frame(TEXT, "é".as_bytes()),
                frame(FIN | CONTINUATION, &[0xc3]),
            ]
            .concat(),
        ),
        (
            "broken at the seam",
            [frame(TEXT, &[0xc3]), frame(FIN | CONTINUATION, &[0x28])].concat(),
        ),
        (
            "cut off before an empty end",
            [frame(TEXT, &[0xc3]), frame(FIN | CONTINUATION, b"")].concat(),
        ),
    ];
    fails_with(1007, &cases).await;
}

#[tokio::test]
async fn a_reason_that_is_not_utf_8_is_1007() {
    fails_with(
        1007,
        &[("a reason", frame(FIN | CLOSE, &[3, 232, 0xff, 0xfe]))],
    )
    .await;
}

#[tokio::test]
async fn binary_messages_need_not_be_utf_8() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::binary(&[0xff, 0x80, 0xc0])).await;
    assert_eq!(raw.frame().await.payload, [0xff, 0x80, 0xc0]);
}

#[tokio::test]
async fn what_follows_a_violation_is_not_delivered() {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(
        &[
            frames::text("before"),
            frame(FIN | 0x3, b""),
            frames::text("after"),
        ]
        .concat(),
    )
    .await;
    observer.expect("message Open before").await;
    observer.expect("error Closed ok ok").await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_violation_while_the_worker_waits_for_the_peers_close_ends_the_connection_at_once() {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    raw.write(&frame(FIN | 0x3, b"")).await;
    // Our Close is sent already, and there is only one.
    raw.expect_end().await;
    observer.expect("message Open close 4001 kick").await;
    observer.expect("error Closed ok ok").await;
}
