//! Any text as an encryption configuration comes to keys or to an error, and the error shows no key.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::etcd::check_config(input));
