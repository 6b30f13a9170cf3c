//! See `ospf_sim::fuzz::wire`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ospf_sim::fuzz::wire(bytes));
