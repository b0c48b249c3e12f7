//! Unique identifiers of the time-based kind (version 1).

use std::sync::atomic::Ordering;

use crate::time;

/// From 15 October 1582, where these times begin, to 1601. Units: 100 ns
const BEGINNING: u64 = 0x0014_6BF3_3E42_C000;
/// Who makes them: no network card, which the lowest bit of the first byte says.
const NODE: [u8; 6] = [0x41, 0x6C, 0x74, 0x69, 0x6D, 0x65];

/// An identifier that this machine has not given out, as its 16 bytes in memory. The time in it follows the machine's
/// clock, so the same run gives the same identifiers; machines do not know of each other's.
///
/// Source:  ExUuidCreate
/// IRQL:    <= APC_LEVEL
pub fn create() -> [u8; 16] {
    let now = time::system_time() as u64 + BEGINNING;
    let later = |last: u64| Some(now.max(last + 1));
    let last = crate::ex().last_uuid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    let stamp = now.max(last.unwrap_or_default() + 1);
    let mut uuid = [0; 16];
    uuid[..4].copy_from_slice(&(stamp as u32).to_le_bytes());
    uuid[4..6].copy_from_slice(&((stamp >> 32) as u16).to_le_bytes());
    uuid[6..8].copy_from_slice(&((stamp >> 48) as u16 & 0x0FFF | 0x1000).to_le_bytes());
    uuid[8] = 0x80;
    uuid[10..].copy_from_slice(&NODE);
    uuid
}
