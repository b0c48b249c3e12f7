//! A program's mapped view of a file: loads and stores, which the mapped page writer brings to the volume.

use nt_abi::NtStatus;
use nt_io::IoStatus;
use nt_ob::ObjectAttributes;
use nt_section::{SectionParameters, ViewRequest};

use crate::session::{Handle, Session, Stopped};

const USER: u8 = 1;
/// NtCurrentProcess().
const CURRENT_PROCESS: usize = usize::MAX;
const SECTION_ALL: u32 = 0xF_001F;
const SEC_COMMIT: u32 = 0x0800_0000;
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;

/// A view of a file. End it with [`Session::unmap`]; the machine ends what is left.
#[derive(Debug)]
pub struct MappedFile {
    address: usize,
    bytes: usize,
}

impl MappedFile {
    /// Its bytes: whole pages.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Never true: nothing is mapped of an empty file.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Session {
    /// NtCreateSection and NtMapViewOfSection of the whole file, of at least `bytes` bytes (0: as long as it is). The section's
    /// handle is closed at once; the view keeps the file.
    pub fn map(
        &self,
        handle: &Handle,
        bytes: u64,
        writable: bool,
    ) -> Result<Result<MappedFile, NtStatus>, Stopped> {
        let protection = if writable { PAGE_READWRITE } else { PAGE_READONLY };
        let wanted =
            SectionParameters { maximum_size: bytes, protection, attributes: SEC_COMMIT, file: None };
        let unnamed = ObjectAttributes::named(&[], 0);
        let made = nt_section::nt_create_section(&unnamed, SECTION_ALL, wanted, handle.value(), USER)?;
        let section = match made {
            Ok((section, _)) => section,
            Err(status) => return Ok(Err(status)),
        };
        let request =
            ViewRequest { section, process: CURRENT_PROCESS, base: 0, offset: 0, bytes: 0, protection };
        let mapped = nt_section::nt_map_view_of_section(&request, USER)?;
        nt_ob::ob_close_handle(section, USER)?;
        Ok(mapped.map(|(address, bytes)| MappedFile { address, bytes }))
    }

    /// Loads bytes from a view.
    ///
    /// Panics: the range lies outside the view
    pub fn load(&self, mapped: &MappedFile, offset: usize, into: &mut [u8]) -> Result<(), Stopped> {
        assert!(offset + into.len() <= mapped.bytes, "inside the view");
        boundary::copy::read(mapped.address + offset, into).map_err(|_| Stopped)
    }

    /// Stores bytes into a view, as a program's instructions do: nobody is called.
    ///
    /// Panics: the range lies outside the view
    pub fn store(&self, mapped: &MappedFile, offset: usize, data: &[u8]) -> Result<(), Stopped> {
        assert!(offset + data.len() <= mapped.bytes, "inside the view");
        boundary::copy::write(mapped.address + offset, data).map_err(|_| Stopped)
    }

    /// NtFlushVirtualMemory: what was stored so far is written, and waited for.
    pub fn flush_view(&self, mapped: &MappedFile) -> Result<IoStatus, Stopped> {
        let result = nt_section::nt_flush_virtual_memory(mapped.address, 0)?;
        Ok(result.unwrap_or_else(IoStatus::of))
    }

    /// NtUnmapViewOfSection. What was stored is written later.
    pub fn unmap(&self, mapped: MappedFile) -> Result<NtStatus, Stopped> {
        Ok(nt_section::nt_unmap_view_of_section(CURRENT_PROCESS, mapped.address, USER)?)
    }
}
