//! `.env` and env files, and what is put in place of a variable: the input's first line, in a Compose file, is interpolated with the
//! variables of the rest.

#![no_main]

use evenkeel_core::compose::holds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (value, env) = text.split_once('\n').unwrap_or((text, ""));
    let value = value.replace('\'', "''");
    let compose =
        format!("services:\n  web:\n    image: x\n    command: '{value}'\n    env_file: [api.env]\n");
    holds::compose(&compose, env);
});
