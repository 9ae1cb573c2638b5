//! A list cut anywhere comes out as serde_json reads it whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((seed, bytes)) = heliostat_fuzz::cuts_and_bytes(input) {
        heliostat_fuzz::list::check(&heliostat_fuzz::pieces(seed, bytes), bytes);
    }
});
