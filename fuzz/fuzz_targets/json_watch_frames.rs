//! Watch frames cut anywhere come out as serde_json reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((seed, bytes)) = heliostat_fuzz::cuts_and_bytes(input) {
        heliostat_fuzz::watch::check(&heliostat_fuzz::pieces(seed, bytes), bytes);
    }
});
