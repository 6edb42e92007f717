//! libFuzzer over the target `tds`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soxauto_fuzz_targets::run("tds", data));
