#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sigillo_fuzz_targets::firmware_variables(data));
