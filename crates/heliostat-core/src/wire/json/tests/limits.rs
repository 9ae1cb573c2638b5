//! No more is taken in than the limits allow, and no memory is kept that one large object needed.

use crate::error::DecodeError;
use crate::wire::DecodeLimits;

use super::super::split::{CARRY_KEEP_BYTES, Documents, Member, Splitter, Token, Want};
use super::{codec, list_in, pieces, watch_in};

const WITHIN: &str = r#"{"metadata":{"name":"a"},"x":"1234"}"#;

fn limits() -> DecodeLimits {
    DecodeLimits::default().object_bytes_max(WITHIN.len())
}

#[test]
fn an_item_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let above = WITHIN.replace("1234", "12345");
    for (item, expected) in [
        (WITHIN, Ok(())),
        (
            &*above,
            Err(DecodeError::TooLarge {
                what: "list",
                limit: WITHIN.len(),
            }),
        ),
    ] {
        let text = format!(r#"{{"metadata":{{}},"items":[{WITHIN},{item},{WITHIN}]}}"#);
        let every_byte: Vec<usize> = (0..text.len()).collect();
        for cuts in [&[][..], &[40][..], &[70, 71, 72][..], &every_byte[..]] {
            let outcome = list_in(&pieces(text.as_bytes(), cuts), limits());
            assert_eq!(outcome.result, expected);
            assert_eq!(outcome.items.len(), if expected.is_ok() { 3 } else { 1 });
        }
    }
}

#[test]
fn w_21_a_frame_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let above = WITHIN.replace("1234", "12345");
    for (object, events) in [(WITHIN, 2), (&*above, 1)] {
        for frame in [
            format!(r#"{{"type":"ADDED","object":{object}}}"#),
            format!(r#"{{"object":{object},"type":"ADDED"}}"#),
        ] {
            let text = format!(r#"{{"type":"ADDED","object":{WITHIN}}}{frame}"#);
            let every_byte: Vec<usize> = (0..text.len()).collect();
            for cuts in [&[][..], &[40][..], &[70, 71, 72][..], &every_byte[..]] {
                let outcome = watch_in(&pieces(text.as_bytes(), cuts), codec(), limits());
                assert_eq!(outcome.events.len(), events);
                assert_eq!(outcome.result.is_ok(), events == 2);
            }
        }
    }
}

#[test]
fn the_envelope_has_a_limit_of_its_own() {
    let limits = DecodeLimits::default().envelope_bytes_max(40);
    let long = "x".repeat(50);
    let run = |text: &str| {
        let whole = list_in(&[text.as_bytes()], limits);
        let every_byte: Vec<usize> = (0..text.len()).collect();
        assert_eq!(
            list_in(&pieces(text.as_bytes(), &every_byte), limits),
            whole
        );
        whole.result
    };
    let metadata = format!(r#"{{"metadata":{{"continue":"{long}"}},"items":[]}}"#);
    let too_large = DecodeError::TooLarge {
        what: "list",
        limit: 40,
    };
    assert_eq!(run(&metadata), Err(too_large));
    // What is skipped may be of any size, and so may what only a status would have.
    let skipped =
        format!(r#"{{"metadata":{{}},"x":"{long}","message":"{long}","items":[{WITHIN}]}}"#);
    assert_eq!(run(&skipped), Ok(()));
}

#[test]
fn an_endless_event_type_is_refused() {
    let text = format!(r#"{{"type":"{}""#, "A".repeat(1000));
    let outcome = watch_in(&[text.as_bytes()], codec(), DecodeLimits::default());
    let expected = DecodeError::TooLarge {
        what: "watch frame",
        limit: 256,
    };
    assert_eq!(outcome.result, Err(expected));
}

#[derive(Clone, Copy, Debug)]
struct Value;

impl Member for Value {
    fn named(name: &str) -> Option<Self> {
        (name == "value").then_some(Self)
    }

    fn bit(self) -> u32 {
        1
    }

    fn want(self, _: &DecodeLimits) -> Want {
        Want::Whole(1 << 20)
    }
}

#[test]
fn the_carry_buffer_holds_what_is_cut_and_does_not_stay_grown() {
    let mut splitter = Splitter::<Value>::new("test", Documents::Many, DecodeLimits::default());
    let mut next = |chunk: &[u8]| {
        let mut at = 0;
        let mut seen = 0;
        while let Some(token) = splitter.next(chunk, &mut at).unwrap() {
            if let Token::Member(Value, span) = token {
                seen = splitter.bytes(chunk, &span).len();
            }
        }
        (seen, splitter.carry_capacity())
    };
    // A value that lies within a chunk is not copied.
    assert_eq!(next(br#"{"value":"1234"}"#), (6, 0));
    // One that is cut is, until it is complete.
    let long = "x".repeat(CARRY_KEEP_BYTES * 2);
    let (_, held) = next(format!(r#"{{"value":"{long}"#).as_bytes());
    assert!(held >= long.len() && held <= 1 << 20);
    assert_eq!(next(b"\"").0, long.len() + 2);
    let (_, kept) = next(b"}");
    assert!(kept <= CARRY_KEEP_BYTES, "{kept}");
}

#[test]
fn a_value_above_the_limit_is_refused_before_it_is_held() {
    let mut splitter = Splitter::<Value>::new("test", Documents::Many, DecodeLimits::default());
    let mut at = 0;
    splitter.next(br#"{"value":""#, &mut at).unwrap();
    let chunk = vec![b'x'; 60_000];
    let mut pushed = 0;
    let error = loop {
        let mut at = 0;
        match splitter.next(&chunk, &mut at) {
            Ok(_) => pushed += chunk.len(),
            Err(error) => break error,
        }
        assert!(splitter.carry_capacity() <= 1 << 20);
    };
    assert!(matches!(error, DecodeError::TooLarge { .. }));
    assert!(pushed < 1 << 20 && pushed > (1 << 20) - 2 * chunk.len());
}
