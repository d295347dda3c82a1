use proptest::strategy::Strategy as _;

use super::super::inflate::testing::{inflate, words};
use super::*;

fn outgoing(window_bits: u8, level: u8) -> Outgoing {
    Outgoing { window_bits, level }
}

fn compressed(payload: &[u8], outgoing: Outgoing) -> Vec<u8> {
    let mut out = Vec::new();
    compress(payload, outgoing, &mut out);
    out
}

fn all() -> impl Iterator<Item = Outgoing> {
    (9..=15).flat_map(|bits| (1..=9).map(move |level| outgoing(bits, level)))
}

#[test]
fn the_examples_of_the_rfc_come_out_byte_for_byte() {
    for outgoing in all() {
        // 7.2.3.1
        assert_eq!(
            compressed(b"Hello", outgoing),
            [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            "{outgoing:?}"
        );
        // 7.2.3.6
        assert_eq!(compressed(b"", outgoing), [0x00], "{outgoing:?}");
    }
}

#[test]
fn what_was_compressed_before_makes_no_difference() {
    for (len, outgoing) in [100, 5000]
        .into_iter()
        .flat_map(|len| all().map(move |o| (len, o)))
    {
        let first = compressed(&words(len), outgoing);
        compressed(&words(len + 7), outgoing);
        assert_eq!(compressed(&words(len), outgoing), first, "{outgoing:?}");
    }
}

#[test]
fn it_is_appended() {
    for len in [0, 5, 5000] {
        let mut out = b"before".to_vec();
        compress(&words(len), outgoing(15, 1), &mut out);
        assert_eq!(&out[..6], b"before");
        assert_eq!(inflate(&out[6..]).unwrap(), words(len));
    }
}

#[test]
fn room_may_run_out_anywhere() {
    for (payload, level) in [(noise(5000), 1), (noise(5000), 6), (words(9000), 6)] {
        let len = compressed(&payload, outgoing(15, level)).len();
        for room in len - 20..len + 20 {
            let mut out = Vec::with_capacity(room);
            compress(&payload, outgoing(15, level), &mut out);
            assert_eq!(inflate(&out).unwrap(), payload, "{level} {room}");
            assert!(out.len() <= len + 5, "{level} {room}: {}", out.len());
        }
    }
}

#[test]
fn text_gets_shorter_and_what_cannot_hardly_gets_longer() {
    for level in 1..=9 {
        for len in [200, 2000, 20_000] {
            let text = compressed(&words(len), outgoing(15, level)).len();
            assert!(text < len * 3 / 4, "{level} {len} {text}");
            let noise = compressed(&noise(len), outgoing(15, level)).len();
            assert!(noise < len + len / 12 + 16, "{level} {len} {noise}");
        }
    }
}

/// Bytes that cannot be compressed.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect()
}

#[test]
fn a_window_is_not_looked_beyond() {
    // The second half repeats the first, which is too far back for some windows. They must not see it.
    for (level, half) in [
        (1, 600),
        (1, 1200),
        (1, 3000),
        (6, 600),
        (6, 1200),
        (6, 9000),
    ] {
        let payload = noise(half).repeat(2);
        for bits in 9..=15 {
            let len = compressed(&payload, outgoing(bits, level)).len();
            // zlib does not use the last bytes of its window.
            if half > 1 << bits {
                assert!(len > half * 19 / 10, "{level} {half} {bits} {len}");
            } else if half + 300 < 1 << bits {
                assert!(len < half * 5 / 4, "{level} {half} {bits} {len}");
            }
        }
    }
}

#[test]
fn every_length_and_distance_of_a_short_message_comes_back() {
    for distance in 1..=short::LEN_MAX - 300 {
        let mut payload = noise(distance);
        let run = distance % 300;
        for at in 0..run {
            payload.push(payload[at]);
        }
        let out = compressed(&payload, outgoing(15, 1));
        assert_eq!(inflate(&out).unwrap(), payload, "{distance}");
    }
    for len in 0..=600 {
        let payload = vec![0; len];
        assert_eq!(
            inflate(&compressed(&payload, outgoing(9, 1))).unwrap(),
            payload
        );
    }
}

proptest::proptest! {
    #[test]
    fn what_goes_in_comes_back(
        bits in 9u8..=15,
        level in 1u8..=9,
        // From text to noise.
        bytes in (1u8..=255).prop_flat_map(|most| proptest::collection::vec(0..=most, 0..9000)),
    ) {
        let out = compressed(&bytes, outgoing(bits, level));
        proptest::prop_assert_eq!(inflate(&out).unwrap(), bytes);
    }

    #[test]
    fn repetitions_come_back(
        level in 1u8..=3,
        parts in proptest::collection::vec((0usize..2000, 0usize..400), 0..60),
    ) {
        let mut bytes = noise(50);
        for (back, len) in parts {
            let from = bytes.len().saturating_sub(back + 1);
            for at in from..from + len {
                bytes.push(bytes[at]);
            }
            bytes.push(7);
        }
        let out = compressed(&bytes, outgoing(9, level));
        proptest::prop_assert_eq!(inflate(&out).unwrap(), bytes);
    }
}
