//! Any change of an encrypted value is noticed by the providers that authenticate, and any bytes are safe to
//! decrypt.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| heliostat_fuzz::etcd::check_decryption(input));
