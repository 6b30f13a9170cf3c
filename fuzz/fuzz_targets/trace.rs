//! See `ospf_sim::fuzz::trace`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ospf_sim::fuzz::trace(bytes));
