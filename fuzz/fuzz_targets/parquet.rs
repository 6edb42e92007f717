//! libFuzzer over the target `parquet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soxauto_fuzz_targets::run("parquet", data));
