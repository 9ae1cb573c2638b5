//! Any bytes as a frame and a dictionary come to an error or to what they were said to be, and any bytes
//! that are packed come back.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::unpack::check(input));
