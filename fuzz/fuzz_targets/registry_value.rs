//! Any bytes as a value of the registry come to an object of the revision or to an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::etcd::check_value(input));
