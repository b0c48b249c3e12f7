//! Rows of a callback table: one per operation that exists.
//!
//! Owns: the mapping of major function numbers (IRP, fast I/O, FSFilter) to a dense index.

use nt_abi::{IRP_MJ_DEVICE_CHANGE, IRP_MJ_POWER, irp_mj};

/// How many rows a callback table has.
pub const ROWS: usize = 0x1C + 20;

/// The row of `major`, `None` for numbers that mean nothing.
pub const fn row(major: u8) -> Option<usize> {
    match major {
        0..=0x1B => Some(major as usize),
        0xEC..=0xFF => Some(0x1C + (0xFF - major) as usize),
        _ => None,
    }
}

/// The major function of a row.
pub const fn major_of_row(row: usize) -> u8 {
    if row < 0x1C { row as u8 } else { 0xFF - (row - 0x1C) as u8 }
}

/// Whether `major` is one that the manager knows operations of.
pub const fn is_known(major: u8) -> bool {
    matches!(major, 0..=0x1B | 0xEC..=0xF3 | 0xF9..=0xFF)
}

/// Whether a filter may register `major`. Source: REG-04.
pub const fn may_register(major: u8) -> bool {
    is_known(major) && major != IRP_MJ_POWER && major != IRP_MJ_DEVICE_CHANGE
}

/// Name of `major`, as `FltGetIrpName` gives it.
pub const fn name(major: u8) -> &'static str {
    irp_mj::name(major)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_operation_has_a_row_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for major in (0..=255u8).filter(|m| is_known(*m)) {
            let row = row(major).expect("a row");
            assert!(row < ROWS && seen.insert(row), "{major:#x}");
            assert_eq!(major_of_row(row), major);
            assert!(name(major).starts_with("IRP_MJ_"), "{major:#x}");
        }
        assert_eq!(row(nt_abi::IRP_MJ_OPERATION_END), None);
    }
}
