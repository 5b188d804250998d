#![no_main]

use tagalong_exposition_fuzz::{Entries, table};

libfuzzer_sys::fuzz_target!(|tables: (Entries, Entries)| table(tables.0, tables.1));
