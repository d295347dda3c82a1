//! Frames by hand against the decoder, whole and cut at every byte.

use super::*;

const KEY: [u8; 4] = [1, 2, 3, 4];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    let start = out.len();
    out.extend_from_slice(payload);
    codec::mask(&mut out[start..], KEY, 0);
    out
}

/// What comes out, whether a message lay in the buffer or was put together.
fn run(pieces: &[&[u8]]) -> Result<Vec<Item>, Violation> {
    let mut decoder = Decoder::new(Role::Server, 1000, false);
    let mut out = Vec::new();
    for piece in pieces {
        let mut buf = piece.to_vec();
        let mut items = Vec::new();
        decoder.decode(&mut buf, &mut items)?;
        out.extend(items.into_iter().map(|item| match item {
            Item::Inline { text, at, .. } => Item::Whole {
                is_compressed: false,
                text,
                bytes: buf[at].to_vec(),
            },
            other @ (Item::Whole { .. } | Item::Ping { .. } | Item::Close(_)) => other,
        }));
    }
    Ok(out)
}

fn whole(text: bool, bytes: &[u8]) -> Item {
    Item::Whole {
        is_compressed: false,
        text,
        bytes: bytes.to_vec(),
    }
}

#[test]
fn a_stream_reads_the_same_wherever_it_is_cut() {
    let mut stream = frame(0x81, "héllo".as_bytes());
    stream.extend(frame(0x01, b"frag"));
    stream.extend(frame(0x89, b"ping"));
    stream.extend(frame(0x8a, b"nobody asked"));
    stream.extend(frame(0x80, "ménts".as_bytes()));
    stream.extend(frame(0x82, &[9; 300]));
    stream.extend(frame(0x82, b""));
    stream.extend(frame(0x88, b"\x0f\xa1bye"));
    let expected = vec![
        whole(true, "héllo".as_bytes()),
        Item::Ping {
            payload: b"ping".to_vec(),
        },
        whole(true, "fragménts".as_bytes()),
        whole(false, &[9; 300]),
        whole(false, b""),
        Item::Close(Some((4001, "bye".to_owned()))),
    ];
    assert_eq!(run(&[&stream]).unwrap(), expected);
    for cut in 1..stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(run(&[left, right]).unwrap(), expected, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(run(&bytes).unwrap(), expected);
}

#[test]
fn what_breaks_the_protocol_is_refused_with_its_code() {
    let unmasked = [0x81, 0x02, b'h', b'i'];
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("RSV1", frame(0xc1, b"x"), 1002),
        ("RSV2", frame(0xa1, b"x"), 1002),
        ("RSV3", frame(0x91, b"x"), 1002),
        ("opcode 3", frame(0x83, b"x"), 1002),
        ("opcode 11", frame(0x8b, b"x"), 1002),
        ("stray continuation", frame(0x80, b"x"), 1002),
        ("fragmented ping", frame(0x09, b"x"), 1002),
        ("long ping", frame(0x89, &[0; 126]), 1002),
        ("unmasked", unmasked.to_vec(), 1002),
        (
            "length in more bytes than it needs",
            vec![0x82, 0x80 | 126, 0, 1, 0, 0, 0, 0, 7],
            1002,
        ),
        (
            "length in eight bytes that fits two",
            vec![0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            1002,
        ),
        ("Close of one byte", frame(0x88, b"x"), 1002),
        ("Close reason", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("too large", frame(0x82, &[0; 1001]), 1009),
        (
            "text inside fragments",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            1002,
        ),
        (
            "text cut in a character",
            [frame(0x01, b"\xc3"), frame(0x80, b"")].concat(),
            1007,
        ),
        (
            "bad text in fragments",
            [frame(0x01, b"a\xff"), frame(0x80, b"")].concat(),
            1007,
        ),
        (
            "fragments too large",
            [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat(),
            1009,
        ),
    ];
    for (name, bytes, code) in cases {
        assert_eq!(run(&[bytes]).unwrap_err().code, *code, "{name}");
    }
}

#[test]
fn bad_text_is_refused_at_its_first_bad_byte() {
    let mut decoder = Decoder::new(Role::Server, 1000, false);
    let mut items = Vec::new();
    let mut start = frame(0x01, b"ok \xf0\x9f");
    assert!(
        decoder.decode(&mut start, &mut items).is_ok(),
        "a cut character may go on"
    );
    let mut next = frame(0x00, b"\xff");
    assert_eq!(
        decoder.decode(&mut next, &mut items).unwrap_err().code,
        1007
    );
}

#[test]
fn an_idle_decoder_holds_no_memory() {
    let mut decoder = Decoder::new(Role::Server, 1000, false);
    let mut items = Vec::new();
    for piece in frame(0x81, b"hello").chunks(3) {
        decoder.decode(&mut piece.to_vec(), &mut items).unwrap();
    }
    assert_eq!(items.len(), 1);
    assert_eq!(decoder.head.capacity() + decoder.control.capacity(), 0);
    assert!(decoder.frame.is_none() && decoder.message.is_none());
}

#[test]
fn a_limit_is_checked_on_the_header_before_the_payload_comes() {
    let header = [0x82, 0x80 | 126, 4, 0, 1, 2, 3, 4];
    assert_eq!(
        run(&[&header]).unwrap_err().reason,
        "Message is too large: 1024 > 1000"
    );
}

#[test]
fn a_close_code_is_read_as_it_is() {
    // The connection holds it against the code that it sent itself.
    let items = run(&[&frame(0x88, &1005u16.to_be_bytes())]).unwrap();
    assert_eq!(items, [Item::Close(Some((1005, String::new())))]);
}
