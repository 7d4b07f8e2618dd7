//! Writing YAML.

use serde::Serialize;

/// Why a value cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as YAML")]
pub struct WriteError(#[from] serde_yaml::Error);

/// Writes a value as YAML.
///
/// # Errors
/// When the value has no form in YAML (a map with maps as keys), or refuses to be written.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, WriteError> {
    Ok(serde_yaml::to_string(value)?)
}
