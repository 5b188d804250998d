#![no_main]

libfuzzer_sys::fuzz_target!(|input: tagalong_exposition_fuzz::Merge<'_>| {
    tagalong_exposition_fuzz::merge(&input)
});
