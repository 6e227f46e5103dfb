#![no_main]
libfuzzer_sys::fuzz_target!(
    init: sigillo_fuzz_targets::prepare(),
    |data: &[u8]| sigillo_fuzz_targets::mssim_platform(data)
);
