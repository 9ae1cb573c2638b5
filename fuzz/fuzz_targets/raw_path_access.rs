//! A field of an object is what serde_json finds at its path, or a decoder of pods in theirs, and any
//! bytes are safe to ask.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::raw_path::check(input));
