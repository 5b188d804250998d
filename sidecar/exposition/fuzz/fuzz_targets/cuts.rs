#![no_main]

libfuzzer_sys::fuzz_target!(|input: tagalong_exposition_fuzz::Cuts<'_>| {
    tagalong_exposition_fuzz::cuts(&input)
});
