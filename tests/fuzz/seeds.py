#!/usr/bin/env python3
"""Writes seeds/: what the fuzzer begins with. Run it after a change; what it writes is checked in."""

import pathlib
import zlib

SEEDS = pathlib.Path(__file__).parent / "seeds"
MASK = bytes.fromhex("37fa213d")
HELLO = bytes.fromhex("f248cdc9c90700")

# Flags of `src/check/decode.rs`.
SERVER, CLIENT, MAX_5, MAX_MIB, INFLATER, TAKEOVER = 0, 1, 2, 6, 8, 24
# Flags of `src/check/inflate.rs`.
KEEPS, ROUND_TRIP = 1, 2


def frame(first, payload, mask=MASK):
    """One frame, masked unless `mask` is None."""
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first, bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + len(payload).to_bytes(8, "big")
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def raw(payload, level=6, flush=zlib.Z_SYNC_FLUSH):
    """A message as zlib compresses it, without the trailer."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (deflate.compress(payload) + deflate.flush(flush)).removesuffix(b"\0\0\xff\xff")


def decode(flags, stream, cuts=7):
    return bytes([flags, cuts]) + stream


WORDS = b"".join(b"word %d of %d; " % (i * 7 % 13, i * i % 97) for i in range(24))

DECODE = {
    # RFC 6455, 5.7, in its order.
    "rfc6455-unmasked-text": decode(CLIENT, bytes.fromhex("810548656c6c6f")),
    "rfc6455-masked-text": decode(SERVER, bytes.fromhex("818537fa213d7f9f4d5158")),
    "rfc6455-fragments": decode(CLIENT, bytes.fromhex("010348656c80026c6f")),
    "rfc6455-ping-and-pong": decode(
        SERVER, frame(0x89, b"Hello") + bytes.fromhex("8a8537fa213d7f9f4d5158")
    ),
    "rfc6455-256-bytes": decode(CLIENT, frame(0x82, bytes(256), None)),
    "rfc6455-64-kib-header": decode(CLIENT | MAX_MIB, bytes.fromhex("827f0000000000010000") + bytes(64)),
    # RFC 7692, 7.2.3.1 and 7.2.3.2.
    "rfc7692-hello": decode(CLIENT | INFLATER, b"\xc1\x07" + HELLO),
    "rfc7692-fragments": decode(CLIENT | INFLATER, bytes.fromhex("4103f248cd8004c9c90700")),
    "rfc7692-takeover": decode(
        CLIENT | TAKEOVER, b"\xc1\x07" + HELLO + bytes.fromhex("c105f200110000")
    ),
    "conversation": decode(
        SERVER,
        frame(0x81, "h\u00e9llo".encode()) + frame(0x01, b"fr\xc3") + frame(0x89, b"ping") + frame(0x80, b"\xa9")
        + frame(0x82, b"") + frame(0x88, b"\x0f\xa1bye"),
    ),
    "not-utf8": decode(SERVER, frame(0x01, b"a\xed\xa0") + frame(0x80, b"\x80")),
    "not-utf8-then-worse": decode(SERVER, frame(0x81, b"\xff") + frame(0xF1, b"")),
    "too-large": decode(SERVER | MAX_5, frame(0x02, b"123") + frame(0x80, b"456")),
    "close-of-one-byte": decode(SERVER, frame(0x88, b"\x03")),
    "long-close": decode(SERVER, frame(0x88, b"\x03\xe8" + b"x" * 124)),
    "masked-words": decode(SERVER | INFLATER, frame(0xC1, raw(WORDS))),
}

INFLATE = {
    # RFC 7692, 7.2.3, in its order.
    "rfc7692-fixed": bytes([0, 7]) + HELLO,
    "rfc7692-takeover": bytes([KEEPS, 7]) + bytes.fromhex("f200110000"),
    "rfc7692-stored": bytes([0, 7]) + bytes.fromhex("000500faff48656c6c6f00"),
    "rfc7692-final": bytes([0, 7]) + bytes.fromhex("f348cdc9c9070000"),
    "rfc7692-two-blocks": bytes([0, 7]) + bytes.fromhex("f24805000000ffffcac9c90700"),
    "rfc7692-empty": bytes([0, 7, 0]),
    "dynamic": bytes([0, 7]) + raw(WORDS, 9),
    "dynamic-kept": bytes([KEEPS, 9]) + raw(WORDS, 1),
    "bounded": bytes([8, 7]) + raw(b"a" * 5000),
    "final-and-more": bytes([0, 7]) + raw(WORDS, 6, zlib.Z_FINISH) + HELLO,
    "cut-short": bytes([0, 7]) + raw(WORDS)[:-9],
    # Takes the trailer for its content.
    "cut-short-stored": bytes([0, 6]) + bytes.fromhex("000500faff48"),
    "words-level-1": bytes([ROUND_TRIP | 1 << 2, 0]) + WORDS,
    "words-level-9": bytes([ROUND_TRIP | KEEPS | 9 << 2, 3]) + WORDS,
    "runs": bytes([ROUND_TRIP | 1 << 2, 1]) + b"ab" * 300 + b"c" * 600,
    "far-back": bytes([ROUND_TRIP | 6 << 2, 6]) + WORDS + bytes(range(256)) * 3 + WORDS,
}

REQUEST = """Host: a.example
Connection: keep-alive, Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
"""
ANSWER = """Upgrade: websocket
Connection: Upgrade
"""
EXTENSIONS = "Sec-WebSocket-Extensions: "

# The first byte has the flags in its five low bits: `@` none, `P` the right Sec-WebSocket-Accept, `A` and `B` context
# takeover for the server and for the client, `D` a POST, `H` HTTP/1.0.
UPGRADE = {
    "rfc6455": "@" + REQUEST + "Sec-WebSocket-Protocol: chat, superchat\nOrigin: http://example.com\n",
    "post": "D" + REQUEST,
    "http10": "H" + REQUEST,
    "version-8": "@" + REQUEST.replace("13", "8"),
    "browser": "@" + REQUEST + EXTENSIONS + "permessage-deflate; client_max_window_bits\n",
    "many-offers": "A" + REQUEST + EXTENSIONS + "x; y=1, permessage-deflate; server_max_window_bits=8\n"
    + EXTENSIONS + 'permessage-deflate; server_max_window_bits="1\\0"; client_max_window_bits=9,\n',
    "origins": "@allowed-origin: https://*.app.example\nallowed-origin: null\nOrigin: https://a.APP.example\n",
    "origin-refused": "@allowed-origin: http://localhost:3000\nOrigin: http://localhost\nOrigin: null\n",
    "answer": "P" + ANSWER,
    "answer-protocol": "Pprotocol: a\nprotocol: b\n" + ANSWER + "Sec-WebSocket-Protocol: b\n",
    "answer-deflate": "P" + ANSWER + EXTENSIONS + "permessage-deflate; server_no_context_takeover\n",
    "answer-in-lines": "R" + ANSWER + EXTENSIONS + "permessage-deflate; client_max_window_bits=9;\n"
    + EXTENSIONS + "server_max_window_bits=10\n",
    "answer-guessed": "@" + ANSWER + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n",
    "not-ascii": "@" + REQUEST + "Origin: http://ex\u00e4mple\n" + EXTENSIONS + "\u00e4\n",
}

# Programs of `tests/guests/calls.rs`: the code of a call, then what it takes. Beyond its end everything is zero.
PAIR, ACCEPT, SEND, PAUSE, ATTACH, DROP, BROADCAST, SEVERAL, CONNECT, TIMER = 0, 1, 2, 5, 6, 9, 12, 13, 14, 15
FETCH, RESPOND, NAME, ASK, DURABLE, TAGS, REACH, TIMEOUT, ALARM, GATE = 17, 19, 20, 23, 24, 25, 27, 29, 30, 31
ABORT, PUT, LIST, BEGIN, EXEC, REST = 33, 34, 38, 40, 44, 255
MEGABYTES = 11

CALLS = {
    "pairs-filled": bytes([PAIR, ACCEPT, 0, 0, ACCEPT, 1, 0, PAUSE, 1, 1] + [SEND, 0, 0, 7, MEGABYTES] * 20),
    "pairs-without-end": bytes([PAIR] * 2000),
    "attachments": bytes([PAIR, DURABLE, 0, 0, 0, 0] + [ATTACH, 0, 9, 8] * 200),
    "tags": bytes([PAIR, DURABLE, 0, 0, 0, 0] + [TAGS, 0, 2, 0, 4] * 200),
    "event-timeouts": bytes([TIMEOUT, 3] * 2000),
    "one-id-many-times": bytes([PAIR, ACCEPT, 0, 0] + [BROADCAST, 0, 9, 0, 7, 7] * 20),
    "left-out": bytes([PAIR, DURABLE, 0, 0, 0, 0, REACH, 0, 0, 11, 0, 1, 1]),
    "runs-that-do-not-fit": bytes([SEVERAL, 0, 7, 0, 5, 1] + [6] * 40),
    "many-protocols": bytes([CONNECT, 0, 7, 0, 3, 0, 0, 0, 0] * 20),
    "names": bytes([NAME, 0, 11] * 200),
    "bodies": bytes([ASK, 1, 1, 0, 0, 0, 0, 7, MEGABYTES] * 40),
    "bodies-to-others": bytes([FETCH, 1, 0, 0, 0, 0, 0, 7, MEGABYTES] * 40),
    "headers": bytes([RESPOND, 3, 7, 0, 5, 0, 2, 7, 5]),
    "timers": bytes([TIMER, 2] * 2000),
    "gate-that-stays-closed": bytes([GATE, 0, PAIR, ACCEPT, 0, 0, REST, SEND, 0, 0, 1, 1]),
    "alarm-and-abort": bytes([ALARM, 1, 1, ABORT, 0, 3, 9]),
    "storage": bytes([BEGIN, PUT, 6, 0, 2, 7, 7, LIST, 0, 0, 0, 0, 0, 0] * 20),
    "statements": bytes(sum(([EXEC, at, 1, 0, 6] for at in range(8)), []) * 5),
    "handles-dropped-in-between": bytes([PAIR, DROP, ACCEPT, 0, 0, SEND, 0, 1, 0, 3, DROP, PAIR] * 50),
}

for target, seeds in [("decode", DECODE), ("inflate", INFLATE), ("upgrade", UPGRADE), ("calls", CALLS)]:
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed if isinstance(seed, bytes) else seed.encode())
