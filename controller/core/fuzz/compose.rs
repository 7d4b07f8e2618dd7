//! Compose files, with one file of variables beside them.

#![no_main]

use evenkeel_core::compose::holds;
use libfuzzer_sys::fuzz_target;

const ENV: &str = "GREETING=hello\nTOKEN='t $x'\nA=\"b\\n\"\nB=${A:-c}\n";

fuzz_target!(|text: &str| {
    holds::compose(text, ENV);
});
