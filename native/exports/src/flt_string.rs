//! Counted strings as the filter-manager exports take and give them.

use boundary::{Raise, copy};
use nt_abi::UNICODE_STRING;

use crate::argument::fault;

/// The units of a driver's string.
pub(crate) fn units(string: &UNICODE_STRING) -> Result<Vec<u16>, Raise> {
    let mut bytes = vec![0u8; usize::from(string.Length.get()) & !1];
    copy::read(string.Buffer.get() as usize, &mut bytes).map_err(fault)?;
    Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}
