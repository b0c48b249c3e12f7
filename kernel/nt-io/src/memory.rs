//! Pool for the I/O manager's own blocks: one door, so that free lists can come later.

use nt_ke::Raise;

/// A nonpaged, zeroed block, or `None` when there is no memory.
pub(crate) fn allocate(bytes: usize, tag: u32) -> Option<usize> {
    nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, bytes, tag)
        .map(|block| block.as_ptr() as usize)
}

/// Frees a block.
pub(crate) fn free(address: usize, tag: u32) -> Result<(), Raise> {
    if address == 0 { Ok(()) } else { nt_ex::pool::free(address as *const u8, Some(tag)) }
}

/// Frees a block that a driver may have put in place of ours, whatever its tag.
pub(crate) fn free_any(address: usize) -> Result<(), Raise> {
    if address == 0 { Ok(()) } else { nt_ex::pool::free(address as *const u8, None) }
}

/// A block with a copy of `units`, for names; 0 when there is no memory.
pub(crate) fn copy_units(units: &[u16], capacity_bytes: usize, tag: u32) -> Option<usize> {
    let block = allocate(capacity_bytes.max(units.len() * 2).max(8), tag)?;
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    boundary::copy::write(block, &bytes).ok()?;
    Some(block)
}

/// The units that start at `address`.
pub(crate) fn read_units(address: usize, bytes: usize) -> Result<Vec<u16>, boundary::copy::BadAddress> {
    let mut buffer = vec![0u8; bytes & !1];
    boundary::copy::read(address, &mut buffer)?;
    Ok(buffer.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}
