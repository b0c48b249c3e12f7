//! The few questions that the manager asks the registry.

use crate::text::{lossy, wide};

/// A string value.
pub fn string(key: &[u16], name: &str) -> Option<Vec<u16>> {
    let text = nt_cm::cm_get(&lossy(key), name).ok()?.as_string()?;
    Some(wide(text.trim_end_matches('\0')))
}

/// A number.
pub fn dword(key: &[u16], name: &str) -> Option<u32> {
    nt_cm::cm_get(&lossy(key), name).ok()?.as_number().map(|number| number as u32)
}

/// Names of the subkeys.
pub fn subkeys(key: &[u16]) -> Vec<Vec<u16>> {
    nt_cm::cm_subkeys(&lossy(key)).unwrap_or_default().iter().map(|name| wide(name)).collect()
}
