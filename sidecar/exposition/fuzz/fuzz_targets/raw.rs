#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| tagalong_exposition_fuzz::raw(text));
