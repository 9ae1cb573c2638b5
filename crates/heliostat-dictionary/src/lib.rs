//! Training of zstd dictionaries: the one call of Heliostat that is not safe by itself.
//!
//! zstd can train a dictionary in two ways. The stable one tries five sizes of segments, with tables of
//! 6 MiB, and takes the best; safe bindings have nothing else. The other one is told the size. For 64
//! pods (200 KiB) it takes 2 ms where the first takes 20, and what it makes packs them 4 % smaller. A
//! mirror trains while its first list comes in, so that is an eighth of the time in which ten thousand
//! pods are synced.
//!
//! The crate is no more than that call, and its tests run under valgrind: `cargo xtask memcheck`.

#![deny(missing_docs)]

use zstd_sys::{ZDICT_fastCover_params_t, ZDICT_isError, ZDICT_params_t};

/// The smallest dictionary that zstd makes (`ZDICT_DICTSIZE_MIN`).
pub const DICTIONARY_BYTES_MIN: usize = 256;

/// How many samples there must be at the least; zstd refuses fewer.
pub const SAMPLES_MIN: usize = 5;

/// The largest segment that is taken from one place of a sample. Kubernetes objects repeat each other in
/// long runs: pods pack best with the largest of 500, 1,000, 2,000 and 4,000.
const SEGMENT_BYTES_MAX: usize = 4000;

/// A dictionary has as many segments as this at the least, so that one sample does not fill it.
const SEGMENTS_MIN: usize = 4;

/// How many bytes are looked at together: 6 and 8 can be chosen, and 8 packs pods better.
const RUN_BYTES: u32 = 8;

/// The tables that count runs have two to the power of this places, and 384 KiB. With 6 MiB, which is
/// what zstd does by default, pods pack no better.
const TABLE_BITS: u32 = 16;

/// Trains a dictionary of at most so many bytes on these samples, for a compression level. It begins
/// with the numbers of a trained dictionary, so every function of zstd that takes one takes it.
///
/// None if the samples are too few ([`SAMPLES_MIN`]) or too small, if they have too little in common, or
/// if the dictionary may not even have [`DICTIONARY_BYTES_MIN`].
///
/// ```
/// let samples: Vec<String> = (0..50).map(|number| {
///     format!("{{\"name\":\"web-{number}\",\"image\":\"registry.example/shop/web:1.{number}\"}}")
/// }).collect();
/// let samples: Vec<&[u8]> = samples.iter().map(String::as_bytes).collect();
/// let dictionary = heliostat_dictionary::train(&samples, 512, 1).unwrap();
/// assert!(dictionary.len() <= 512);
/// ```
#[must_use]
pub fn train(samples: &[&[u8]], bytes_max: usize, level: i32) -> Option<Vec<u8>> {
    let samples: Vec<_> = samples.iter().filter(|sample| !sample.is_empty()).collect();
    let content: Vec<u8> = samples
        .iter()
        .flat_map(|sample| **sample)
        .copied()
        .collect();
    let sizes: Vec<usize> = samples.iter().map(|sample| sample.len()).collect();
    // zstd counts in 32 bits; and it reads a run of each sample's place, so there must be one.
    let is_fit = content.len() >= RUN_BYTES as usize && u32::try_from(content.len()).is_ok();
    if sizes.len() < SAMPLES_MIN || bytes_max < DICTIONARY_BYTES_MIN || !is_fit {
        return None;
    }
    let segment = (bytes_max / SEGMENTS_MIN).min(SEGMENT_BYTES_MAX);
    let mut dictionary = vec![0; bytes_max];
    let len = call(
        &content,
        &sizes,
        &mut dictionary,
        parameters(segment, level),
    )?;
    dictionary.truncate(len);
    dictionary.shrink_to_fit();
    Some(dictionary)
}

fn parameters(segment: usize, level: i32) -> ZDICT_fastCover_params_t {
    ZDICT_fastCover_params_t {
        k: segment as u32,
        d: RUN_BYTES,
        f: TABLE_BITS,
        // Every sample is looked at, on this thread; the dictionary has its full size.
        steps: 0,
        nbThreads: 1,
        splitPoint: 1.0,
        accel: 1,
        shrinkDict: 0,
        shrinkDictMaxRegression: 0,
        zParams: ZDICT_params_t {
            compressionLevel: level,
            notificationLevel: 0,
            dictID: 0,
        },
    }
}

/// The length of the dictionary, which is at the front of `dictionary` then.
#[expect(unsafe_code, reason = "zstd's function takes pointers and lengths")]
fn call(
    content: &[u8],
    sizes: &[usize],
    dictionary: &mut [u8],
    parameters: ZDICT_fastCover_params_t,
) -> Option<usize> {
    // Checked here again, beside the call that relies upon it.
    if sizes.iter().sum::<usize>() != content.len() {
        return None;
    }
    let count = u32::try_from(sizes.len()).ok()?;
    // SAFETY: zstd reads `content` for as many bytes as the sizes add up to, which is its length, checked
    // above; it reads `count` sizes, of which there are as many; it writes at most as many bytes to
    // `dictionary` as it is told, which is its length. The three slices live until the call returns, are
    // initialised, and only the last is written to, which nothing else refers to. The function keeps none
    // of the pointers, and has no state between calls but a number that says how much it prints: each call
    // sets it, and always to nothing, so calls on several threads do not disturb each other.
    let code = unsafe {
        zstd_sys::ZDICT_trainFromBuffer_fastCover(
            dictionary.as_mut_ptr().cast(),
            dictionary.len(),
            content.as_ptr().cast(),
            sizes.as_ptr(),
            count,
            parameters,
        )
    };
    // SAFETY: the function takes any number, and no pointer.
    let is_error = unsafe { ZDICT_isError(code) } != 0;
    (!is_error && code <= dictionary.len()).then_some(code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zstd_safe::{CCtx, CDict, DCtx, DDict};

    use super::*;

    /// Samples alike, as objects of one kind are.
    fn alike(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|number| {
                let text = format!(
                    "name: web-{number}, namespace: shop-{}, image: registry.example/shop/web:1.{number}, \
                     restartPolicy: Always, serviceAccount: default, uid: {:016x}",
                    number % 7,
                    number.wrapping_mul(0x9e37_79b9)
                );
                text.into_bytes()
            })
            .collect()
    }

    fn trained(samples: &[Vec<u8>], bytes_max: usize) -> Option<Vec<u8>> {
        let samples: Vec<_> = samples.iter().map(Vec::as_slice).collect();
        train(&samples, bytes_max, 1)
    }

    fn packed(sample: &[u8], dictionary: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(zstd_safe::compress_bound(sample.len()));
        let dictionary = CDict::try_create(dictionary, 1).unwrap();
        CCtx::create()
            .compress_using_cdict(&mut out, sample, &dictionary)
            .unwrap();
        out
    }

    fn unpacked(frame: &[u8], dictionary: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len);
        let dictionary = DDict::try_create(dictionary).unwrap();
        DCtx::create()
            .decompress_using_ddict(&mut out, frame, &dictionary)
            .unwrap();
        out
    }

    #[test]
    fn what_is_alike_packs_far_smaller_and_comes_back() {
        let samples = alike(64);
        let dictionary = trained(&samples, 1024).unwrap();
        assert!(dictionary.len() <= 1024);
        for sample in alike(80) {
            let frame = packed(&sample, &dictionary);
            assert!(
                frame.len() * 2 < sample.len(),
                "{} of {}",
                frame.len(),
                sample.len()
            );
            assert_eq!(unpacked(&frame, &dictionary, sample.len()), sample);
        }
    }

    #[test]
    fn what_cannot_be_trained_on_gives_nothing() {
        assert_eq!(train(&[], 1024, 1), None);
        assert_eq!(trained(&alike(SAMPLES_MIN - 1), 1024), None);
        assert_eq!(trained(&alike(64), DICTIONARY_BYTES_MIN - 1), None);
        assert_eq!(trained(&vec![Vec::new(); 64], 1024), None);
        assert_eq!(trained(&vec![b"a".to_vec(); 6], 1024), None);
    }

    #[test]
    fn the_same_samples_make_the_same_dictionary_on_every_thread() {
        let samples = alike(64);
        let first = trained(&samples, 2048);
        std::thread::scope(|scope| {
            let again = [0, 1, 2].map(|_| scope.spawn(|| trained(&samples, 2048)));
            for again in again {
                assert_eq!(again.join().unwrap(), first);
            }
        });
    }

    proptest! {
        /// Under memcheck this is what looks for a byte too far.
        #[test]
        fn any_samples_are_trained_on_or_refused(
            samples in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..40),
            alike_too in 0..12usize,
            bytes_max in 0..3000usize,
        ) {
            let mut samples = samples;
            samples.extend(alike(alike_too));
            if let Some(dictionary) = trained(&samples, bytes_max) {
                prop_assert!(dictionary.len() <= bytes_max);
                for sample in samples.iter().filter(|sample| !sample.is_empty()) {
                    let frame = packed(sample, &dictionary);
                    prop_assert_eq!(&unpacked(&frame, &dictionary, sample.len()), sample);
                }
            }
        }
    }
}
