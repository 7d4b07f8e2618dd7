//! Manifests.

#![no_main]

use evenkeel_core::compose::holds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    holds::application(text);
});
