//! libFuzzer over the target `events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soxauto_fuzz_targets::run("events", data));
