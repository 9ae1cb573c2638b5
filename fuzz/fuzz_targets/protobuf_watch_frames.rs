//! Watch frames in protobuf cut anywhere come out as they are read in the plainest way.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((seed, bytes)) = heliostat_fuzz::cuts_and_bytes(input) {
        heliostat_fuzz::protobuf_watch::check(&heliostat_fuzz::pieces(seed, bytes), bytes);
    }
});
