//! libFuzzer over the target `documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soxauto_fuzz_targets::run("documents", data));
