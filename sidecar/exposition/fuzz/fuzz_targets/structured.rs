#![no_main]

libfuzzer_sys::fuzz_target!(|lines: Vec<tagalong_exposition_fuzz::Line<'_>>| {
    tagalong_exposition_fuzz::structured(&lines)
});
