//! Bounded little-endian reads at file offsets.

use crate::PeError;

/// The bytes of the file.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn len(self) -> u64 {
        self.0.len() as u64
    }

    /// The `count` bytes at `offset`; `what` names them in the error.
    pub(crate) fn slice(self, offset: u64, count: u64, what: &str) -> Result<&'a [u8], PeError> {
        let end = offset.saturating_add(count);
        let truncated = || PeError::Truncated { what: what.to_owned(), end, file_bytes: self.len() };
        let start = usize::try_from(offset).map_err(|_| truncated())?;
        let stop = usize::try_from(end).map_err(|_| truncated())?;
        self.0.get(start..stop).ok_or_else(truncated)
    }
}

/// The `N` bytes at `offset` of a block that the caller has already bounded; zeros beyond its end.
pub(crate) fn field<const N: usize>(block: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = offset.checked_add(index).and_then(|at| block.get(at)).copied().unwrap_or(0);
    }
    out
}

pub(crate) fn u16_at(block: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(field(block, offset))
}

pub(crate) fn u32_at(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(field(block, offset))
}

pub(crate) fn u64_at(block: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(field(block, offset))
}
