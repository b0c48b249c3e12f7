//! The version that machines say they are, and comparisons with others: Windows 11, build 26100, a workstation.

use nt_abi::NtStatus;

/// Bytes of `RTL_OSVERSIONINFOEXW`.
pub const BYTES: usize = 0x11C;
/// Bytes of `RTL_OSVERSIONINFOW`.
pub const SHORT: usize = 0x114;
/// Major, minor, build, platform (VER_PLATFORM_WIN32_NT).
pub const NUMBERS: [u32; 4] = [10, 0, 26100, 2];
/// NTDDI_WIN11_GE.
pub const NTDDI: u32 = 0x0A00_0010;
/// VER_SUITE_SINGLEUSERTS.
pub const SUITE: u16 = 0x100;
/// VER_NT_WORKSTATION.
pub const PRODUCT: u8 = 1;

mod kind {
    pub const MINOR: u32 = 1;
    pub const MAJOR: u32 = 2;
    pub const BUILD: u32 = 4;
    pub const PLATFORM: u32 = 8;
    pub const PACK_MINOR: u32 = 0x10;
    pub const PACK_MAJOR: u32 = 0x20;
    pub const SUITE: u32 = 0x40;
    pub const PRODUCT: u32 = 0x80;
}

/// Which three bits of a condition mask belong to the lowest of `kinds`.
fn place(kinds: u32) -> u32 {
    kinds.trailing_zeros() * 3
}

/// Adds `condition` for a kind. The highest bit marks a mask as one. Source: VerSetConditionMask
pub fn set_condition(mask: u64, kind: u32, condition: u8) -> u64 {
    let highest = if kind & 0xFF == 0 { return mask } else { 31 - (kind & 0xFF).leading_zeros() };
    mask | 1 << 63 | u64::from(condition & 7) << (highest * 3)
}

/// Whether `mine` stands to `wanted` as a condition says: VER_EQUAL 1, GREATER 2, GREATER_EQUAL 3, LESS 4, LESS_EQUAL 5.
fn holds(condition: u64, mine: u32, wanted: u32) -> Option<bool> {
    Some(match condition {
        1 => mine == wanted,
        2 => mine > wanted,
        3 => mine >= wanted,
        4 => mine < wanted,
        5 => mine <= wanted,
        _ => return None,
    })
}

/// Compares the version with the `RTL_OSVERSIONINFOEXW` in `wanted`, whose fields `kinds` names. Major, minor and
/// service pack are one number where a greater one is asked for: 10.0 is greater than 6.3.
///
/// Source:  RtlVerifyVersionInfo
/// Errors:  RevisionMismatch: it is another version · InvalidParameter: nothing is named, or no condition is set
pub fn verify(wanted: &[u8], kinds: u32, conditions: u64) -> Result<(), NtStatus> {
    let number =
        |at: usize| wanted.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let half = |at: usize| wanted.get(at..at + 2).map_or(0, |b| u32::from(u16::from_le_bytes([b[0], b[1]])));
    let condition = |kind: u32| conditions >> place(kind) & 7;
    if kinds & 0xFF == 0 || conditions == 0 {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // The fields that make one number: the first that differs decides; only equality lets the next one count.
    let chain = [
        (kind::MAJOR, NUMBERS[0], number(4)),
        (kind::MINOR, NUMBERS[1], number(8)),
        (kind::PACK_MAJOR, 0, half(0x114)),
        (kind::PACK_MINOR, 0, half(0x116)),
    ];
    let mut relation = None;
    for (kind, mine, theirs) in chain.into_iter().filter(|(kind, ..)| kinds & kind != 0) {
        // The condition of the first field holds for all of them.
        let asked = *relation.get_or_insert(condition(kind));
        let holds = holds(asked, mine, theirs).ok_or(NtStatus::INVALID_PARAMETER)?;
        if mine != theirs {
            if !holds {
                return Err(NtStatus::REVISION_MISMATCH);
            }
            relation = None;
            break;
        }
    }
    // All were equal: that must be what was asked for.
    if relation.is_some_and(|asked| matches!(asked, 2 | 4)) {
        return Err(NtStatus::REVISION_MISMATCH);
    }
    let single = [
        (kind::BUILD, NUMBERS[2], number(0xC)),
        (kind::PLATFORM, NUMBERS[3], number(0x10)),
        (kind::PRODUCT, u32::from(PRODUCT), wanted.get(0x11A).copied().map_or(0, u32::from)),
    ];
    for (kind, mine, theirs) in single.into_iter().filter(|(kind, ..)| kinds & kind != 0) {
        if !holds(condition(kind), mine, theirs).ok_or(NtStatus::INVALID_PARAMETER)? {
            return Err(NtStatus::REVISION_MISMATCH);
        }
    }
    if kinds & kind::SUITE != 0 {
        // VER_AND 6: all of them; VER_OR 7: one of them.
        let (mine, theirs) = (u32::from(SUITE), half(0x118));
        let met = match condition(kind::SUITE) {
            6 => mine & theirs == theirs,
            7 => theirs == 0 || mine & theirs != 0,
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        if !met {
            return Err(NtStatus::REVISION_MISMATCH);
        }
    }
    Ok(())
}

#[cfg(test)]
mod a_version {
    use super::*;

    fn check(major: u32, minor: u32, build: u32, kinds: u32, condition: u8) -> Result<(), NtStatus> {
        let mut wanted = vec![0; BYTES];
        for (at, value) in [(4, major), (8, minor), (0xC, build)] {
            wanted[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let mask = [1, 2, 4].into_iter().filter(|kind| kinds & kind != 0);
        verify(&wanted, kinds, mask.fold(0, |mask, kind| set_condition(mask, kind, condition)))
    }

    #[test]
    fn compares_major_and_minor_as_one_number() {
        assert_eq!(check(6, 3, 0, 3, 3), Ok(()), "10.0 is at least 6.3");
        assert_eq!(check(10, 0, 0, 3, 3), Ok(()));
        assert_eq!(check(10, 1, 0, 3, 3), Err(NtStatus::REVISION_MISMATCH));
        assert_eq!(check(10, 0, 0, 3, 2), Err(NtStatus::REVISION_MISMATCH), "not greater than itself");
        assert_eq!(check(11, 0, 0, 3, 4), Ok(()));
        assert_eq!(check(10, 0, 26100, 7, 1), Ok(()));
        assert_eq!(check(10, 0, 26101, 7, 3), Err(NtStatus::REVISION_MISMATCH));
        assert_eq!(check(10, 0, 0, 0, 3), Err(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn keeps_three_bits_a_kind_in_a_mask() {
        assert_eq!(set_condition(0, 2, 3), 1 << 63 | 3 << 3);
        assert_eq!(set_condition(1 << 63 | 3 << 3, 1, 5), 1 << 63 | 3 << 3 | 5);
        assert_eq!(set_condition(7, 0, 5), 7);
    }
}
