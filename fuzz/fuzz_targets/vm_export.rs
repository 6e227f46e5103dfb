#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sigillo_fuzz_targets::vm_export(data));
