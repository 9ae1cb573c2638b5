//! Packed objects: frames and dictionaries of any bytes, and any bytes packed and unpacked.

use std::cell::RefCell;

use heliostat_core::object::{Entry, Header, ObjectKey, Uid};
use heliostat_core::packed::{Dictionary, Packed, Packing, UNPACKED_BYTES_MAX, UnpackError};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::version::ResourceVersion;
use k8s_pb::api::core::v1::Pod;
use prost::Message as _;

/// Reads a little of the input as what is to be done, and does it with the rest.
///
/// # Panics
///
/// If bytes that were packed do not come back, a frame gives more than it was said to, or a decoder is
/// not asked what it is to decode.
pub fn check(input: &[u8]) {
    let Some((what, rest)) = input.split_first() else {
        return;
    };
    match what % 3 {
        0 => check_frame(rest),
        1 => check_objects(rest),
        _ => check_decoding(rest),
    }
}

/// A frame of any bytes, with a dictionary of any bytes.
fn check_frame(input: &[u8]) {
    let Some((len, rest)) = input.split_first_chunk::<4>() else {
        return;
    };
    let Some((dictionary_len, rest)) = rest.split_first_chunk::<2>() else {
        return;
    };
    let len = u32::from_le_bytes(*len) as usize;
    let dictionary_len = usize::from(u16::from_le_bytes(*dictionary_len));
    let (dictionary, frame) = rest.split_at(dictionary_len.min(rest.len()));
    let Some(dictionary) = Dictionary::new(dictionary) else {
        return;
    };
    assert!(dictionary.memory() > 0);
    match dictionary.unpack(frame, len) {
        Ok(content) => {
            assert!(len <= UNPACKED_BYTES_MAX);
            assert_eq!((content.len(), content.capacity()), (len, len));
            // It has this length and no other.
            assert!(dictionary.unpack(frame, len + 1).is_err());
            if let Some(less) = len.checked_sub(1) {
                assert!(dictionary.unpack(frame, less).is_err());
            }
            assert_eq!(dictionary.unpack(frame, len).ok(), Some(content));
        }
        Err(error) => assert!(matches!(error, UnpackError::Broken(_)), "{error}"),
    }
}

/// Objects of any bytes, in either encoding, with and without a dictionary.
fn check_objects(input: &[u8]) {
    thread_local! {
        static TRAINED: RefCell<Option<Trained>> = const { RefCell::new(None) };
    }
    let Some((split, rest)) = input.split_first() else {
        return;
    };
    let budgets = [0, 300, 4_000, 1 << 20];
    let packing = Packing::raw().memory_budget(budgets[usize::from(*split) % budgets.len()]);
    let objects: Vec<_> = rest.split(|byte| byte == split).collect();
    check_round_trip(&packing, &objects);
    let stats = packing.stats();
    assert_eq!((stats.objects, stats.decoded_bytes), (0, 0), "{stats:?}");
    TRAINED.with_borrow_mut(|trained| {
        let uses = trained
            .take()
            .filter(|trained| trained.packed < TRAINED_USES);
        let mut uses = uses.unwrap_or_else(Trained::new);
        check_round_trip(&uses.packing, &objects);
        uses.packed += objects.len();
        *trained = Some(uses);
    });
}

/// A packing that has a dictionary.
struct Trained {
    packing: Packing<RawObject>,
    packed: usize,
}

/// So many objects are packed with a dictionary before it could be replaced: inputs are to meet the same
/// one, so that they can be repeated.
const TRAINED_USES: usize = 900;

impl Trained {
    fn new() -> Self {
        let packing = Packing::raw().memory_budget(4_000);
        let samples: Vec<_> = (0..64).map(sample).collect();
        let samples: Vec<_> = samples
            .iter()
            .map(|sample| packing.pack(entry(Encoding::Json, sample)))
            .collect();
        assert_eq!(packing.stats().dictionaries_trained, 1);
        drop(samples);
        Self { packing, packed: 0 }
    }
}

/// An object that has much in common with the others.
fn sample(number: u32) -> Vec<u8> {
    let common = r#""labels":{"app.kubernetes.io/name":"web","tier":"front"},"resourceVersion":""#;
    let text = format!(
        r#"{{"metadata":{{"name":"web-{number}","namespace":"default","uid":"{:08x}",{common}{number}"}},"spec":{{"nodeName":"node-{}","containers":[{{"name":"web","image":"registry/web:{number}"}}]}}}}"#,
        number.wrapping_mul(0x9e37_79b9),
        number % 7
    );
    text.into_bytes()
}

fn check_round_trip(packing: &Packing<RawObject>, objects: &[&[u8]]) {
    let packed: Vec<_> = objects
        .iter()
        .map(|bytes| packing.pack(entry(Encoding::Json, bytes)))
        .collect();
    for (packed, bytes) in packed.iter().zip(objects) {
        let packed = &packed.object;
        let unpacked = packed.unpack().expect("what was packed can be unpacked");
        assert_eq!(unpacked.bytes(), *bytes);
        let is_same = packed.inspect(|view| view.bytes() == *bytes);
        assert!(is_same.expect("what can be unpacked can be read"));
        assert_eq!(*packed.get().expect("any bytes are a raw object"), unpacked);
        assert_eq!(packed.raw_bytes(), bytes.len());
        assert!(packed.packed_bytes() <= bytes.len());
        let stats = packing.stats();
        assert!(stats.decoded_bytes <= stats.memory_budget, "{stats:?}");
    }
}

/// Objects of types, in the encoding that they come in and in the other.
fn check_decoding(bytes: &[u8]) {
    let packing = Packing::<serde_json::Value>::new();
    let packed = packing.pack(entry(Encoding::Json, bytes)).object;
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(value) => assert_eq!(*packed.get().expect("it is JSON"), value),
        Err(_) => assert_undecodable(&packed),
    }
    // Protobuf is read by the schema of a kind, and these bytes have none.
    assert_undecodable(&packing.pack(entry(Encoding::Protobuf, bytes)).object);

    let packing = Packing::<Pod>::prost();
    let other = packing.pack(entry(Encoding::Json, bytes)).object;
    assert!(matches!(other.get(), Err(UnpackError::Encoding { .. })));
    let packed = packing.pack(entry(Encoding::Protobuf, bytes)).object;
    match Pod::decode(bytes) {
        Ok(pod) => assert_eq!(*packed.get().expect("it is a pod"), pod),
        Err(_) => assert_undecodable(&packed),
    }
}

fn assert_undecodable<T>(packed: &std::sync::Arc<Packed<T>>) {
    assert!(matches!(packed.get(), Err(UnpackError::Undecodable(_))));
    assert!(packed.unpack().is_ok());
}

fn entry(encoding: Encoding, bytes: &[u8]) -> Entry<RawObject> {
    let header = Header {
        key: ObjectKey::cluster("any"),
        resource_version: ResourceVersion::UNSET,
        uid: Uid::UNSET,
    };
    Entry::new(header, RawObject::new(encoding, None, bytes.into()))
}
