//! libFuzzer over the target `catalog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soxauto_fuzz_targets::run("catalog", data));
