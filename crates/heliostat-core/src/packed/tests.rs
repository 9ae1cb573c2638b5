//! Packed objects against the plain ones that they were packed from.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;

use super::compression::{Compressor, train};
use super::training::{SAMPLES, WINDOW};
use super::*;
use crate::event::ListPart;
use crate::object::{Entry, GroupVersionKind, Header, ObjectKey};
use crate::raw::{Encoding, FieldPath, RawCodec, RawObject, RawView, ReadRaw};
use crate::store::index::IndexFunc;
use crate::wire::protobuf::ListDecoder;
use crate::wire::{Codec, DecodeLimits};

/// 1,000 recorded pods without managed fields.
fn pods() -> &'static [Entry<RawObject>] {
    static PODS: OnceLock<Vec<Entry<RawObject>>> = OnceLock::new();
    PODS.get_or_init(|| {
        let codec = RawCodec::protobuf().without_managed_fields();
        let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
        let mut parts = Vec::new();
        decoder.push(&page(), &mut parts).unwrap();
        let items = parts.into_iter().filter_map(|part| match part {
            ListPart::Items(items) => Some(items),
            ListPart::Metadata(_) => None,
        });
        items.flatten().map(Result::unwrap).collect()
    })
}

/// The page that they came in.
fn page() -> Vec<u8> {
    let packed = include_bytes!("../../testdata/wire/pods-1000.pb.gz").as_slice();
    let mut bytes = Vec::new();
    let mut unpacking = flate2::read::GzDecoder::new(packed);
    unpacking.read_to_end(&mut bytes).unwrap();
    bytes
}

fn json(name: &str, text: &str) -> Entry<RawObject> {
    let header = Header {
        key: ObjectKey::namespaced("ns", name),
        resource_version: "1".into(),
        uid: "u".into(),
    };
    let raw = RawObject::new(Encoding::Json, None, text.as_bytes().into());
    Entry::new(header, raw)
}

fn pack_all<T>(packing: &Packing<T>, objects: &[Entry<RawObject>]) -> Vec<Entry<Packed<T>>> {
    let mut packer = packing.packer();
    let packed = objects
        .iter()
        .map(|entry| packer.pack(entry.header.clone(), entry.object.view()));
    packed.collect()
}

#[test]
fn objects_come_back_as_they_were() {
    let packing = Packing::raw();
    let packed = pack_all(&packing, pods());
    assert_eq!(packed.len(), 1000);
    for (packed, plain) in packed.iter().zip(pods()) {
        assert_eq!(packed.header, plain.header);
        assert_eq!(packed.object.unpack().unwrap(), *plain.object);
        assert_eq!(*packed.object.get().unwrap(), *plain.object);
        let bytes = packed.object.inspect(|view| view.bytes().to_vec());
        assert_eq!(bytes.unwrap(), plain.object.bytes());
        assert_eq!(packed.object.kind(), plain.object.kind());
        assert_eq!(packed.object.raw_bytes(), plain.object.bytes().len());
    }
}

#[test]
fn a_pod_takes_half_a_kilobyte() {
    let packing = Packing::raw();
    let packed = pack_all(&packing, pods());
    let stats = packing.stats();
    assert_eq!((stats.objects, stats.packed_total), (1000, 1000));
    assert_eq!(stats.dictionaries_trained, 1);
    let raw: usize = pods().iter().map(|pod| pod.object.bytes().len()).sum();
    assert_eq!(stats.raw_bytes, raw);
    // The first ones are packed without a dictionary.
    let (first, rest) = packed.split_at(SAMPLES);
    let mean = |pods: &[Entry<Packed<RawObject>>]| {
        pods.iter()
            .map(|pod| pod.object.packed_bytes())
            .sum::<usize>()
            / pods.len()
    };
    assert!(mean(rest) < 520, "{}", mean(rest));
    assert!(mean(first) < 1_500, "{}", mean(first));
    drop(packed);
    let stats = packing.stats();
    assert_eq!(
        (stats.objects, stats.raw_bytes, stats.packed_bytes),
        (0, 0, 0)
    );
}

#[test]
fn deferred_packing_comes_to_the_same() {
    let page = page();
    let decode = |defers: bool| {
        let packing = Packing::raw();
        let mut codec = PackedCodec::new(RawCodec::protobuf().without_managed_fields(), &packing);
        let finisher = defers.then(|| codec.defer().unwrap());
        let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
        let mut parts = Vec::new();
        for chunk in page.chunks(50_000) {
            let first = parts.len();
            decoder.push(chunk, &mut parts).unwrap();
            let new = &mut parts[first..];
            if let Some(finisher) = &finisher {
                finisher.finish(&mut new.iter_mut().flat_map(ListPart::entries_mut));
            }
        }
        let stats = packing.stats();
        let unpacked = parts.iter_mut().flat_map(ListPart::entries_mut);
        let unpacked: Vec<_> = unpacked
            .map(|entry| (entry.header.clone(), entry.object.unpack().unwrap()))
            .collect();
        (stats, unpacked)
    };
    let (at_once, later) = (decode(false), decode(true));
    assert_eq!(at_once, later);
    assert_eq!(at_once.1.len(), 1000);
}

#[test]
fn a_small_collection_has_no_dictionary() {
    let packing = Packing::raw();
    let few = pods().get(..SAMPLES / 2).unwrap();
    let kept = pack_all(&packing, few);
    // Updates of the same few objects do not make them more.
    for update in few.iter().cycle().take(1_000) {
        drop(packing.pack(update.clone()));
    }
    assert_eq!(packing.stats().dictionaries_trained, 0);
    assert_eq!(kept.len(), SAMPLES / 2);
}

#[test]
fn reads_within_the_budget_share_one_object() {
    let packing = Packing::raw();
    let packed = pack_all(&packing, pods());
    let pod = &packed[500].object;
    let first = pod.get().unwrap();
    assert!(Arc::ptr_eq(&first, &pod.get().unwrap()));
    assert_eq!(packing.stats().decoded_objects, 1);
    drop(packed);
    assert_eq!(packing.stats().decoded_objects, 0);
    assert_eq!(packing.stats().decoded_bytes, 0);
}

#[test]
fn the_budget_bounds_what_is_kept() {
    let budget = 200_000;
    let packing = Packing::raw().memory_budget(budget);
    let packed = pack_all(&packing, pods());
    for _ in 0..3 {
        for (packed, plain) in packed.iter().zip(pods()) {
            assert_eq!(*packed.object.get().unwrap(), *plain.object);
            assert!(packing.stats().decoded_bytes <= budget);
        }
    }
    let stats = packing.stats();
    assert!(stats.decoded_bytes > budget / 2, "{stats:?}");
    assert!(stats.decoded_objects > 20, "{stats:?}");
}

#[test]
fn without_a_budget_nothing_is_kept() {
    let packing = Packing::raw().memory_budget(0);
    let packed = pack_all(&packing, &pods()[..100]);
    for pod in &packed {
        pod.object.get().unwrap();
    }
    assert_eq!(packing.stats().decoded_objects, 0);
}

#[test]
fn what_is_asked_for_again_and_again_stays() {
    let packing = Packing::raw().memory_budget(100_000);
    let packed = pack_all(&packing, pods());
    let favourite = packed[7].object.get().unwrap();
    for pod in &packed {
        pod.object.get().unwrap();
        assert!(Arc::ptr_eq(&favourite, &packed[7].object.get().unwrap()));
    }
}

#[test]
fn replaced_objects_leave_no_places_behind() {
    let packing = Packing::raw();
    let entry = &pods()[0];
    let mut packer = packing.packer();
    for _ in 0..10_000 {
        let packed = packer.pack(entry.header.clone(), entry.object.view());
        packed.object.get().unwrap();
    }
    assert_eq!(packing.stats().decoded_objects, 0);
    assert_eq!(packing.stats().decoded_bytes, 0);
    assert!(packing.places() < 200, "{}", packing.places());
}

#[test]
fn a_dictionary_that_aged_is_replaced_and_kept_for_its_objects() {
    let packing = Packing::raw();
    let window = usize::try_from(WINDOW).unwrap();
    let old = pack_all(&packing, pods());
    pack_all(&packing, pods());
    assert_eq!(packing.stats().dictionaries_trained, 1);
    // Objects of another look, with little in common with the first.
    let other = |number: usize| {
        let digits: String = (0..200)
            .map(|place| {
                char::from(b'a' + (number * 31 + place * (number + 7)).to_le_bytes()[0] % 26)
            })
            .collect();
        let common = "the quick brown fox jumps over the lazy dog and back again".repeat(3);
        json(
            &format!("o{number}"),
            &format!(
                r#"{{"metadata":{{"name":"o{number}"}},"x":"{digits}","y":"{common}{number}"}}"#
            ),
        )
    };
    let protobuf = |number| {
        let json = other(number);
        let bytes = json.object.bytes().into();
        Entry::new(json.header, RawObject::new(Encoding::Protobuf, None, bytes))
    };
    let others: Vec<_> = (0..2 * window + SAMPLES).map(protobuf).collect();
    let new = pack_all(&packing, &others);
    assert_eq!(packing.stats().dictionaries_trained, 2);
    let mean = |objects: &[Entry<Packed<RawObject>>]| {
        objects
            .iter()
            .map(|o| o.object.packed_bytes())
            .sum::<usize>()
            / objects.len()
    };
    let (before, after) = (mean(&new[..window / 2]), mean(&new[2 * window..]));
    assert!(after < before, "{after} {before}");
    for (packed, plain) in old.iter().zip(pods()).chain(new.iter().zip(&others)) {
        assert_eq!(packed.object.unpack().unwrap(), *plain.object);
    }
}

#[test]
fn another_encoding_starts_over() {
    let packing = Packing::raw();
    let old = pack_all(&packing, &pods()[..2 * SAMPLES]);
    let text = |number| {
        json(
            &format!("o{number}"),
            &format!(
                r#"{{"metadata":{{"name":"o{number}","labels":{{"app":"web"}}}},"spec":{{"n":{number}}}}}"#
            ),
        )
    };
    let texts: Vec<_> = (0..2 * SAMPLES).map(text).collect();
    let new = pack_all(&packing, &texts);
    for (packed, plain) in old.iter().zip(pods()).chain(new.iter().zip(&texts)) {
        assert_eq!(packed.object.unpack().unwrap(), *plain.object);
    }
}

#[test]
fn a_dropped_packing_leaves_nothing_behind() {
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let packing = Packing::with_decoder(None, 1, move |view: RawView<'_>| {
        let _ = &held;
        Ok::<_, std::convert::Infallible>(view.to_object())
    });
    let packed = pack_all(&packing, pods());
    packed[3].object.get().unwrap();
    drop(packing);
    packed[4].object.get().unwrap();
    drop(packed);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn what_cannot_be_decoded_says_so_and_stays() {
    let packing = Packing::<Vec<u32>>::new();
    let good = packing.pack(json("good", "[1,2,3]"));
    let bad = packing.pack(json("bad", r#"{"not":"numbers"}"#));
    assert_eq!(*good.object.get().unwrap(), [1, 2, 3]);
    let error = bad.object.get().unwrap_err();
    assert!(matches!(error, UnpackError::Undecodable(_)), "{error}");
    assert_eq!(
        bad.object.unpack().unwrap().bytes(),
        br#"{"not":"numbers"}"#
    );
    let pod = packing.pack(pods()[0].clone());
    let error = pod.object.get().unwrap_err();
    assert!(matches!(error, UnpackError::Undecodable(_)), "{error}");
    let in_json = Packing::<Vec<u32>>::with_decoder(Some(Encoding::Json), 1, |view| {
        serde_json::from_slice(view.bytes())
    });
    let pod = in_json.pack(pods()[0].clone());
    let error = pod.object.get().unwrap_err();
    assert!(matches!(error, UnpackError::Encoding { .. }), "{error}");
}

#[test]
fn types_of_serde_are_read_from_protobuf_if_the_kind_is_built_in() {
    let packing = Packing::<serde_json::Value>::new();
    let plain = &pods()[0];
    let pod = packing.pack(plain.clone());
    let read = pod.object.get().unwrap();
    assert_eq!(read["kind"], "Pod");
    assert_eq!(read["metadata"]["name"], plain.key().name());
    assert!(read["spec"]["containers"].is_array());
    for (kind, reason) in [
        (None, "its kind is not known"),
        (
            Some(GroupVersionKind::new("example.com/v1", "Widget")),
            "is not built in",
        ),
    ] {
        let bytes = plain.object.bytes().into();
        let raw = RawObject::new(Encoding::Protobuf, kind.map(Arc::new), bytes);
        let packed = packing.pack(Entry::new(plain.header.clone(), raw));
        let error = packed.object.get().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_packing_knows_what_it_can_read() {
    let pod = GroupVersionKind::new("v1", "Pod");
    let partial = GroupVersionKind::new("meta.k8s.io/v1", "PartialObjectMetadata");
    let widget = GroupVersionKind::new("example.com/v1", "Widget");
    let serde = Packing::<serde_json::Value>::new();
    let prost = Packing::<()>::prost();
    for kind in [&pod, &partial, &widget] {
        assert!(serde.can_read(Encoding::Json, kind) && !prost.can_read(Encoding::Json, kind));
        assert!(prost.can_read(Encoding::Protobuf, kind));
        assert_eq!(serde.can_read(Encoding::Protobuf, kind), *kind != widget);
        assert!(Packing::raw().can_read(Encoding::Protobuf, kind));
    }
}

/// The limit on reading back is not below the limit on taking in.
#[test]
fn an_object_that_is_too_large_to_unpack_is_rejected_with_its_key() {
    let packing = Packing::<RawObject>::raw();
    let mut codec = PackedCodec::new(RawCodec::json(), &packing);
    assert_eq!(codec.object_bytes_max, UNPACKED_BYTES_MAX);
    codec.object_bytes_max = 1000;
    let mut decoder = crate::wire::json::ListDecoder::new(codec, DecodeLimits::default());
    let large = "x".repeat(1000);
    let list = format!(
        r#"{{"metadata":{{"resourceVersion":"7"}},"items":[{{"metadata":{{"name":"small"}}}},{{"metadata":{{"name":"large"}},"x":"{large}"}}]}}"#
    );
    let mut parts = Vec::new();
    decoder.push(list.as_bytes(), &mut parts).unwrap();
    decoder.finish().unwrap();
    let items = parts.into_iter().filter_map(|part| match part {
        ListPart::Items(items) => Some(items),
        ListPart::Metadata(_) => None,
    });
    let items: Vec<_> = items.flatten().collect();
    assert!(items[0].as_ref().unwrap().object.unpack().is_ok());
    let rejection = items[1].as_ref().unwrap_err();
    assert_eq!(rejection.key, Some(ObjectKey::cluster("large")));
    assert!(rejection.reason.is_member());

    // By hand, it is taken uncompressed, and can be read.
    let packed = packing.pack(json("large", &"x".repeat(UNPACKED_BYTES_MAX + 1)));
    assert_eq!(
        packed.object.unpack().unwrap().bytes().len(),
        packed.object.packed_bytes()
    );
}

#[test]
fn one_object_is_read_while_another_is() {
    let packing = Packing::raw();
    let packed = pack_all(&packing, &pods()[..100]);
    let (first, second) = (&packed[80].object, &packed[81].object);
    let both = first.inspect(|a| second.inspect(|b| (a.bytes().to_vec(), b.bytes().to_vec())));
    let (a, b) = both.unwrap().unwrap();
    assert_eq!(
        (&*a, &*b),
        (pods()[80].object.bytes(), pods()[81].object.bytes())
    );
}

#[test]
fn s_12_indexes_read_packed_objects_as_plain_ones() {
    let packing = Packing::raw();
    let packed = pack_all(&packing, pods());
    let path: FieldPath = "spec.nodeName".parse().unwrap();
    let images: FieldPath = "spec.containers[*].image".parse().unwrap();
    for (packed, plain) in packed.iter().zip(pods()) {
        for path in [&path, &images] {
            let of_packed = IndexFunc::by_field(path.clone()).values(packed).unwrap();
            assert_eq!(
                of_packed,
                IndexFunc::by_field(path.clone()).values(plain).unwrap()
            );
            assert!(!of_packed.is_empty());
        }
        assert_eq!(
            IndexFunc::by_label("app").values(packed).unwrap(),
            IndexFunc::by_label("app").values(plain).unwrap()
        );
        assert_eq!(
            IndexFunc::by_owner().values(packed).unwrap(),
            IndexFunc::by_owner().values(plain).unwrap()
        );
    }
    let broken = json("broken", "{");
    let broken = packing.pack(broken);
    let name: FieldPath = "metadata.name".parse().unwrap();
    assert!(IndexFunc::by_field(name).values(&broken).is_err());
    assert!(
        broken
            .object
            .read_raw(|view| view.label("app").is_none())
            .unwrap()
    );
}

fn trained() -> (&'static compression::PackingDictionary, &'static Dictionary) {
    static TRAINED: OnceLock<(compression::PackingDictionary, Dictionary)> = OnceLock::new();
    let (packing, dictionary) = TRAINED.get_or_init(|| {
        let samples: Vec<_> = pods()[..SAMPLES]
            .iter()
            .map(|pod| pod.object.bytes())
            .collect();
        train(&samples).unwrap()
    });
    (packing, dictionary)
}

#[test]
fn a_bomb_is_bounded_by_what_it_was_said_to_be() {
    let mut compressor = Compressor::new();
    let frame = compressor
        .compress(&vec![0; 32 << 20], None)
        .unwrap()
        .to_vec();
    assert!(frame.len() < 8 << 10);
    let (_, dictionary) = trained();
    let error = dictionary.unpack(&frame, 1_000).unwrap_err();
    assert!(matches!(error, UnpackError::Broken(_)));
    let error = dictionary.unpack(&frame, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
}

#[test]
fn too_few_or_too_small_samples_train_nothing() {
    assert!(train(&[]).is_none());
    assert!(train(&[b"".as_slice(); 64]).is_none());
    assert!(train(&[b"{}".as_slice(); 64]).is_none());
}

#[test]
fn samples_with_hardly_any_bytes_are_no_samples() {
    // The trainer takes the first three quarters, and reads beyond their end if that is nothing.
    let empty = b"".as_slice();
    let pod = pods()[0].object.bytes();
    let mut samples = vec![empty; SAMPLES];
    samples[60] = pod;
    assert!(train(&samples).is_none());
    for tiny in [1, 7, 8] {
        let mut samples = vec![&pod[..tiny]; SAMPLES];
        samples[60] = pod;
        let _ = train(&samples);
    }
    // What is no sample does not stand in the way of the others.
    let mut samples: Vec<_> = pods()[..SAMPLES]
        .iter()
        .map(|pod| pod.object.bytes())
        .collect();
    samples[..SAMPLES / 2].fill(empty);
    assert!(train(&samples).is_some());
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes: Vec<u8>, repeat in 1usize..20) {
        let bytes = bytes.repeat(repeat);
        let packing = Packing::raw();
        let raw = RawObject::new(Encoding::Json, None, bytes.clone().into());
        let entry = Entry::new(json("x", "").header, raw);
        let packed = packing.pack(entry);
        let unpacked = packed.object.unpack().unwrap();
        prop_assert_eq!(unpacked.bytes(), &*bytes);
        prop_assert!(packed.object.packed_bytes() <= bytes.len());
    }

    #[test]
    fn broken_frames_are_errors(place: prop::sample::Index, bit in 0u8..8, pod in 100usize..1000) {
        let (packing, dictionary) = trained();
        let bytes = pods()[pod].object.bytes();
        let frame = Compressor::new().compress(bytes, Some(packing)).unwrap().to_vec();
        prop_assert_eq!(&*dictionary.unpack(&frame, bytes.len()).unwrap(), bytes);
        let mut broken = frame;
        let place = place.index(broken.len());
        broken[place] ^= 1 << bit;
        // A flipped bit of a literal is a literal still: other content, and never more of it.
        if let Ok(content) = dictionary.unpack(&broken, bytes.len()) {
            prop_assert_eq!(content.len(), bytes.len());
        }
    }
}
