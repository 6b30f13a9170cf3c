//! See `ospf_sim::fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ospf_sim::fuzz::config(bytes));
