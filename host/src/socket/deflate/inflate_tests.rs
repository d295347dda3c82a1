use super::super::{Outgoing, compress};
use super::testing::*;
use super::*;

/// Made by Python's zlib: `words(300)` at level 1, and at level 9.
const PYTHON: [&str; 2] = [
    "4c90410ec0200804bfe213441435fd4ed3ab492f7ebf65cb263d4e1696097bdd67ca695d291f693b74070910871a301c6640c198054da7d282d4499909ea2b17ab87c64ec185c17b0d9b5123b851386a9ed51e214a7b0982340195ca4a581b33544e8a425bf5afddf9874f5bb8f86a3f00",
    "548e410ac0300804bfe213a2269ad0ef945e0bbde4fb45516a8f83eeeeecfb39a1c17d413b601ba80106a0410f98062b80fc4d8296118d2036e2bca1d7f70c7623c94ef485997bc39379f30dca57f11a0df252a52a4d559ab15a0b55ed35aa3673d5d6f6d346fab45f00",
];
/// The same, of one stream: `words(120)`, `words(200)`, `words(120)`.
const PYTHON_TAKEOVER: [(&str, usize); 3] = [
    (
        "34ccc90900200c04c0565282d178613be257f063fbb2617d0e7bdc7da604d94bc2900b544009058c684027a2d70ad5a198a904a59fa9dfdb1f1a541e00",
        120,
    ),
    (
        "2a1f207b61661a826db080d9670ad6099303db6104536a0636c61cca031b6a6e04733400",
        200,
    ),
    ("1a287f0000", 120),
];
/// The same: `words(120)` to a final block, and `words(200)` that refers to it.
const PYTHON_FINAL: [&str; 2] = [
    "35ccc90900200c04c0565282d178613be257f063fbb2617d0e7bdc7da604d94bc2900b544009058c684027a2d70ad5a198a904a59fa9dfdb1f1a541e",
    "2a1f207b61661a826db080d9670ad6099303db6104536a0636c61cca031b6a6e04733400",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn compressed(payload: &[u8]) -> Vec<u8> {
    let outgoing = Outgoing {
        window_bits: 15,
        level: 6,
    };
    let mut out = Vec::new();
    compress(payload, outgoing, &mut out);
    out
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    for (payload, section) in [
        ("f248cdc9c90700", "7.2.3.1"),
        ("000500faff48656c6c6f00", "7.2.3.3"),
        ("f348cdc9c9070000", "7.2.3.4"),
        ("f24805000000ffffcac9c90700", "7.2.3.5"),
    ] {
        assert_eq!(inflate(&bytes(payload)).unwrap(), b"Hello", "{section}");
    }
    assert_eq!(inflate(&[0x00]).unwrap(), b"", "7.2.3.6");
}

#[test]
fn the_second_example_of_7_2_3_2_needs_the_first() {
    let (first, second) = (bytes("f248cdc9c90700"), bytes("f200110000"));
    let mut keeps = Inflater::new(true);
    for payload in [&first, &second, &second] {
        assert_eq!(message(&mut keeps, &[payload]).unwrap(), b"Hello");
    }
    let mut forgets = Inflater::new(false);
    assert_eq!(message(&mut forgets, &[&first]).unwrap(), b"Hello");
    assert_eq!(
        message(&mut forgets, &[&second]),
        Err(InflateError::Corrupt)
    );
}

#[test]
fn what_zlib_compressed_comes_back() {
    for payload in PYTHON {
        assert_eq!(inflate(&bytes(payload)).unwrap(), words(300));
    }
    let mut inflater = Inflater::new(true);
    for (payload, len) in PYTHON_TAKEOVER {
        assert_eq!(
            message(&mut inflater, &[&bytes(payload)]).unwrap(),
            words(len)
        );
    }
}

#[test]
fn it_does_not_matter_where_a_message_is_cut() {
    for keeps in [false, true] {
        let payload = bytes(PYTHON[1]);
        for cut in 0..=payload.len() {
            let (left, right) = payload.split_at(cut);
            let mut inflater = Inflater::new(keeps);
            let whole = message(&mut inflater, &[&[], left, &[], right, &[]]);
            assert_eq!(whole.unwrap(), words(300), "{cut}");
        }
        let single: Vec<_> = payload.chunks(1).collect();
        assert_eq!(
            message(&mut Inflater::new(keeps), &single).unwrap(),
            words(300)
        );
    }
}

#[test]
fn a_message_that_was_cut_short_is_corrupt() {
    // The first byte of a stored block is the empty message.
    for (payload, first) in [
        (PYTHON[0], 1),
        (PYTHON[1], 1),
        ("f248cdc9c90700", 1),
        ("000500faff48656c6c6f00", 2),
    ] {
        let payload = bytes(payload);
        for end in first..payload.len() {
            assert_eq!(
                inflate(&payload[..end]),
                Err(InflateError::Corrupt),
                "{end}"
            );
        }
    }
}

#[test]
fn blocks_after_a_final_one_belong_to_the_message() {
    let [last, next] = PYTHON_FINAL.map(bytes);
    let mut expected = words(120);
    expected.extend(words(200));
    let whole = [&last[..], &next].concat();
    for keeps in [false, true] {
        for cut in 0..=whole.len() {
            let (left, right) = whole.split_at(cut);
            let mut inflater = Inflater::new(keeps);
            assert_eq!(message(&mut inflater, &[left, right]).unwrap(), expected);
        }
        // The next message begins anew, or goes on.
        let mut inflater = Inflater::new(keeps);
        message(&mut inflater, &[&last, &[0]]).unwrap();
        assert_eq!(
            message(&mut inflater, &[&next]).ok(),
            keeps.then(|| words(200))
        );
    }
}

#[test]
fn final_blocks_without_end_do_not_keep_a_window_each() {
    let [last, next] = PYTHON_FINAL.map(bytes);
    // One more that is empty.
    let with = |blocks| [&last[..], &[0x03, 0x00].repeat(blocks), &next].concat();
    for keeps in [false, true] {
        let mut inflater = Inflater::new(keeps);
        for _ in 0..3 {
            let whole = message(&mut inflater, &[&with(FINAL_BLOCKS_MAX as usize - 1)]);
            assert_eq!(whole.unwrap(), [words(120), words(200)].concat());
        }
        let whole = message(&mut inflater, &[&with(FINAL_BLOCKS_MAX as usize)]);
        assert_eq!(whole, Err(InflateError::Corrupt));
    }
    // They are understood all the same.
    let independent = last.repeat(5000);
    assert_eq!(inflate(&independent).unwrap(), words(120).repeat(5000));
}

#[test]
fn a_message_may_lack_what_leaves_no_doubt() {
    for keeps in [false, true] {
        let mut inflater = Inflater::new(keeps);
        for _ in 0..2 {
            // No byte at all for the empty message, and no empty block after a final one.
            assert_eq!(message(&mut inflater, &[]).unwrap(), b"");
            assert_eq!(message(&mut inflater, &[&[]]).unwrap(), b"");
            let last = bytes(PYTHON_FINAL[0]);
            assert_eq!(message(&mut inflater, &[&last]).unwrap(), words(120));
        }
    }
}

#[test]
fn a_message_may_be_as_long_as_the_bound_and_no_longer() {
    for len in [1, 2, 127, 128, 129, 255, 256, 257, 1000, 70_000] {
        for payload in [compressed(&vec![0; len]), compressed(&words(len))] {
            for piece in [1, 7, payload.len()] {
                let pieces: Vec<_> = payload.chunks(piece).collect();
                let bounded = |max| bounded(&mut Inflater::new(false), &pieces, max);
                assert_eq!(bounded(len).unwrap().len(), len);
                assert_eq!(bounded(len - 1), Err(InflateError::TooBig), "{len} {piece}");
                assert_eq!(bounded(0), Err(InflateError::TooBig), "{len} {piece}");
            }
        }
    }
    assert_eq!(bounded(&mut Inflater::new(false), &[&[0]], 0).unwrap(), b"");
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let bomb = compressed(&vec![0; 50_000_000]);
    assert!(bomb.len() < 60_000);
    for piece in [16, 1000, bomb.len()] {
        let max = 100_000;
        let mut inflater = Inflater::new(false);
        let mut out = Vec::new();
        let fed = bomb
            .chunks(piece)
            .try_for_each(|piece| inflater.feed(&mut { piece }, &mut out, usize::MAX, max));
        assert_eq!(fed, Err(InflateError::TooBig));
        assert_eq!(out.len(), max);
        assert!(out.capacity() <= max + 1, "{}", out.capacity());
    }
}

#[test]
fn a_few_bytes_claim_little() {
    let mut inflater = Inflater::new(false);
    let mut out = Vec::new();
    inflater
        .feed(&mut &[0xf2, 0x48][..], &mut out, usize::MAX, usize::MAX)
        .unwrap();
    assert!(out.capacity() <= 128, "{}", out.capacity());
}

#[test]
fn an_inflater_is_with_its_connection_only_while_it_is_needed() {
    let payload = bytes("f248cdc9c90700");
    let mut inflater = Inflater::new(false);
    assert!(inflater.stream.is_none());
    let mut out = Vec::new();
    inflater
        .feed(&mut &payload[..], &mut out, usize::MAX, 100)
        .unwrap();
    assert!(inflater.stream.is_some());
    inflater.finish(&mut out).unwrap();
    assert!(inflater.stream.is_none());
    assert!(POOL.with_borrow(|pool| !pool.is_empty()));

    let mut many: Vec<_> = (0..POOLED_MAX + 5).map(|_| Inflater::new(false)).collect();
    for inflater in &mut many {
        inflater
            .feed(&mut &payload[..], &mut Vec::new(), usize::MAX, 100)
            .unwrap();
    }
    for inflater in &mut many {
        inflater.finish(&mut Vec::new()).unwrap();
    }
    assert_eq!(POOL.with_borrow(Vec::len), POOLED_MAX);
}

#[test]
fn an_inflater_of_the_pool_knows_nothing_of_before() {
    let mut broken = Inflater::new(false);
    assert_eq!(
        message(&mut broken, &[&[0xff; 20]]),
        Err(InflateError::Corrupt)
    );
    for payload in PYTHON {
        assert_eq!(inflate(&bytes(payload)).unwrap(), words(300));
        // Refers to a byte before its first.
        assert_eq!(inflate(&bytes("f200110000")), Err(InflateError::Corrupt));
    }
}

#[test]
fn an_inflater_goes_from_thread_to_thread_with_its_connection() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Inflater::new(true));
}

proptest::proptest! {
    #[test]
    fn garbage_never_panics(
        keeps: bool,
        pieces in proptest::collection::vec(proptest::collection::vec(0u8.., 0..200), 0..6),
        max in 0usize..2000,
    ) {
        let mut inflater = Inflater::new(keeps);
        let mut out = Vec::new();
        let fed = pieces.iter().try_for_each(|piece| inflater.feed(&mut &piece[..], &mut out, usize::MAX, max));
        let finished = fed.and_then(|()| inflater.finish(&mut out));
        proptest::prop_assert!(fed.is_ok() || finished.is_err());
        proptest::prop_assert!(out.len() <= max && out.capacity() <= max + 129);
    }

    #[test]
    fn a_flipped_bit_never_panics(at in 0usize..110, bit in 0u8..8, max in 0usize..600) {
        let mut payload = bytes(PYTHON[0]);
        payload[at] ^= 1 << bit;
        if let Ok(out) = bounded(&mut Inflater::new(false), &[&payload], max) {
            proptest::prop_assert!(out.len() <= max);
        }
    }
}

#[test]
fn a_message_comes_out_the_same_in_steps_of_any_size() {
    let expected = words(200_000);
    let payload = compressed(&expected);
    for step in [1, 100, 4096, 65_536, 1 << 20] {
        let (mut inflater, mut rest, mut out) = (Inflater::new(false), &payload[..], Vec::new());
        let mut steps = 0;
        while !rest.is_empty() || inflater.has_more() {
            let before = out.len();
            inflater
                .feed(&mut rest, &mut out, step, usize::MAX)
                .unwrap();
            assert!(
                out.len() - before <= step,
                "{} at {step}",
                out.len() - before
            );
            steps += 1;
        }
        inflater.finish(&mut out).unwrap();
        assert!(out == expected, "in steps of {step}");
        assert!(steps >= expected.len() / step, "{steps} of {step}");
    }
}
