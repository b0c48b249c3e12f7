//! The caller's bytes: where an IRP has them, and structures written into them piece by piece.

use nt_abi::IRP;
use nt_ke::Finding;

use crate::Failure;

/// Address of the data buffer of a read, write or directory IRP: through its MDL if it has one, else the
/// user buffer (the volume device asks for neither method).
pub(crate) fn data_address(irp: &IRP) -> Result<usize, Failure> {
    let mdl = irp.MdlAddress.get();
    if mdl.is_null() {
        return Ok(irp.UserBuffer.get() as usize);
    }
    // SAFETY: the I/O manager or a filter attached the MDL to this IRP, which is being processed.
    let mdl = unsafe { &*mdl };
    Ok(nt_mm::mdl::map_locked_pages(mdl)?)
}

/// Says so when the buffer that could not be used ends in special pool: a filter swapped in one that is too short.
///
/// Source: SWAP-24
pub(crate) fn report_overrun(address: usize) {
    if let Some(explained) = nt_ex::pool::explain(address) {
        let mut finding = Finding::error(
            "SWAP-24",
            "",
            format!(
                "the file system moved data to or from {address:#x}, {}. A buffer for a read or write has to hold its \
                 Length rounded up to the sector of the volume: the file system rounds at the end of file",
                explained.message
            ),
        );
        finding.places.insert(0, explained.place);
        nt_ke::current_core().report(finding);
    }
}

/// Address of the system buffer of a buffered IRP.
pub(crate) fn system_address(irp: &IRP) -> usize {
    irp.SystemBuffer().get() as usize
}

/// A structure that is built in order and then copied to the caller.
#[derive(Default)]
pub(crate) struct Record(pub(crate) Vec<u8>);

impl Record {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.i64(value as i64)
    }
    pub(crate) fn name(&mut self, units: &[u16]) -> &mut Self {
        for unit in units {
            self.u16(*unit);
        }
        self
    }
    pub(crate) fn pad_to(&mut self, alignment: usize) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
        self
    }
}

/// Reads a plain value out of a caller's structure.
pub(crate) fn get<T: Copy + Default>(address: usize, offset: usize) -> Result<T, Failure> {
    Ok(boundary::copy::read_value(address + offset)?)
}

/// Reads `bytes` bytes of UTF-16.
pub(crate) fn get_name(address: usize, bytes: usize) -> Result<Vec<u16>, Failure> {
    let mut raw = vec![0u8; bytes];
    boundary::copy::read(address, &mut raw)?;
    Ok(raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}
