//! Any bytes as an object of any kind: what the deserializer and the JSON writer make of them is the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::kinds::check(input));
