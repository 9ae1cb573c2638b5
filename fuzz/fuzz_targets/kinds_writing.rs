//! Any text as an object of any kind: what is written is read, and is written from that again.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::kinds_text::check(input));
