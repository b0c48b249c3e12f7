//! Section objects: what they are made of, and how.
//!
//! ```text
//! file ─► acquire for section ─► size of the file (grown if the section is larger) ─► its stream's pages ─► release
//! no file ─► pages of the machine, zero
//! SEC_IMAGE ─► the file's image
//! ```
//!
//! A section keeps the pages, and so the file object, until the last handle, reference and view is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary::Raise;
use boundary::slot::{PAGE_SIZE, Protection};
use nt_abi::{FILE_OBJECT, NtStatus};
use nt_cc::section::DataSection;
use nt_ex::pool::{self, PoolKind};
use nt_ke::current_core;
use nt_mm::mm;
use nt_ob::{ObjectRef, ob_create_object};

use crate::image::ImageUser;
use crate::protection::Rights;
use crate::{acquire, sections};

/// `SEC_IMAGE`.
pub const SEC_IMAGE: u32 = 0x0100_0000;
/// `SEC_RESERVE`.
const SEC_RESERVE: u32 = 0x0400_0000;
/// `SEC_COMMIT`.
const SEC_COMMIT: u32 = 0x0800_0000;
/// `SEC_NOCACHE`, `SEC_WRITECOMBINE`, `SEC_IMAGE_NO_EXECUTE` (with SEC_IMAGE), `SEC_LARGE_PAGES` is refused.
const SEC_MODIFIERS: u32 = 0x1000_0000 | 0x4000_0000;
const TAG: u32 = u32::from_le_bytes(*b"MmSe");

/// What a section's memory is.
pub enum Backing {
    /// The pages of a stream.
    Stream(DataSection),
    /// Pages of the machine, at this address.
    Memory(usize),
    /// The image of a file.
    Image(ImageUser),
}

/// A section. Views keep it beyond its object.
pub struct Section {
    pub backing: Backing,
    bytes: AtomicU64,
    /// `SEC_*` as it was made.
    pub attributes: u32,
    pub rights: Rights,
}

impl Section {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Backing::Memory(address) = self.backing
            && boundary::try_current().is_some()
        {
            mm().free_view_pages(address, (self.bytes() as usize).div_ceil(PAGE_SIZE));
        }
    }
}

/// What a section is asked to be.
#[derive(Clone, Copy)]
pub struct SectionParameters {
    /// Bytes; 0: as long as the file.
    pub maximum_size: u64,
    /// `PAGE_*`.
    pub protection: u32,
    /// `SEC_*`.
    pub attributes: u32,
    /// The file; none: memory that belongs to nobody.
    pub file: Option<&'static FILE_OBJECT>,
}

/// Size of a section in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionSize(pub u64);

/// The section behind an object.
pub fn of_object(object: usize) -> Option<Arc<Section>> {
    sections().objects.lock().get(&object).cloned()
}

/// Size of the section behind an object.
pub fn section_size(object: usize) -> Option<SectionSize> {
    of_object(object).map(|section| SectionSize(section.bytes()))
}

/// The last reference of a section object is gone.
pub fn deleted(object: usize) -> Result<(), Raise> {
    let section = sections().objects.lock().remove(&object);
    drop(section);
    Ok(())
}

/// Makes a section object.
///
/// Source:  MmCreateSection (exported), ZwCreateSection; FSF-12, FSF-14
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none of the stream's; its section synchronization is acquired and released
/// Errors:  INVALID_PAGE_PROTECTION · INVALID_PARAMETER_4, _6 · MAPPED_FILE_SIZE_ZERO · SECTION_TOO_BIG ·
///          INVALID_FILE_FOR_SECTION · FILE_IS_A_DIRECTORY · INSUFFICIENT_RESOURCES · what a filter or the file system
///          answers
pub fn mm_create_section(parameters: &SectionParameters) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let section = match make(parameters)? {
        Ok(section) => section,
        Err(status) => return Ok(Err(status)),
    };
    Ok(ob_create_object(sections().section_type(), 64).map(|object| {
        sections().objects.lock().insert(object, Arc::new(section));
        ObjectRef::from_raw(object)
    }))
}

fn make(wanted: &SectionParameters) -> Result<Result<Section, NtStatus>, Raise> {
    let Some(rights) = Rights::of(wanted.protection) else {
        return Ok(Err(NtStatus::INVALID_PAGE_PROTECTION));
    };
    let kind = wanted.attributes & !SEC_MODIFIERS;
    if !matches!(kind, SEC_IMAGE | SEC_COMMIT) && kind != SEC_RESERVE {
        return Ok(Err(NtStatus::INVALID_PARAMETER_6));
    }
    let Some(file) = wanted.file else {
        if kind == SEC_IMAGE {
            return Ok(Err(NtStatus::INVALID_FILE_FOR_SECTION));
        }
        return Ok(in_memory(wanted, rights));
    };
    acquire::for_section(file, wanted.protection, || of_file(file, wanted, kind, rights))
}

fn section(backing: Backing, bytes: u64, wanted: &SectionParameters, rights: Rights) -> Section {
    Section { backing, bytes: AtomicU64::new(bytes), attributes: wanted.attributes, rights }
}

fn in_memory(wanted: &SectionParameters, rights: Rights) -> Result<Section, NtStatus> {
    if wanted.maximum_size == 0 {
        return Err(NtStatus::INVALID_PARAMETER_4);
    }
    let pages = usize::try_from(wanted.maximum_size.div_ceil(PAGE_SIZE as u64))
        .map_err(|_| NtStatus::SECTION_TOO_BIG)?;
    if pages > boundary::slot::VIEWS_SIZE / PAGE_SIZE {
        return Err(NtStatus::SECTION_TOO_BIG);
    }
    let address = mm().view_pages(pages).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    current_core()
        .slot
        .protect(address, pages * PAGE_SIZE, Protection::ReadWrite)
        .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
    let bytes = (pages * PAGE_SIZE) as u64;
    Ok(section(Backing::Memory(address), bytes, wanted, rights))
}

fn of_file(
    file: &'static FILE_OBJECT,
    wanted: &SectionParameters,
    kind: u32,
    rights: Rights,
) -> Result<Result<Section, NtStatus>, Raise> {
    let size = match file_size(file)? {
        Ok(size) => size,
        Err(status) => return Ok(Err(status)),
    };
    if kind == SEC_IMAGE {
        return Ok(ImageUser::open(file, size)?.map(|image| {
            let bytes = image.bytes().len() as u64;
            section(Backing::Image(image), bytes, wanted, rights)
        }));
    }
    let bytes = if wanted.maximum_size == 0 { size as u64 } else { wanted.maximum_size };
    if bytes == 0 {
        return Ok(Err(NtStatus::MAPPED_FILE_SIZE_ZERO));
    }
    if i64::try_from(bytes).is_err() {
        return Ok(Err(NtStatus::SECTION_TOO_BIG));
    }
    if bytes > size as u64 {
        if !rights.write {
            return Ok(Err(NtStatus::SECTION_TOO_BIG));
        }
        let status = grow(file, bytes as i64)?;
        if status.is_error() {
            return Ok(Err(status));
        }
    }
    let size = size.max(bytes as i64);
    let data = match DataSection::open(file, size) {
        Ok(data) => data,
        Err(Raise::Status(status)) => return Ok(Err(status)),
        Err(stop) => return Err(stop),
    };
    Ok(Ok(section(Backing::Stream(data), bytes, wanted, rights)))
}

/// Runs `f` with `bytes` bytes of nonpaged pool.
fn with_block<T>(
    bytes: usize,
    f: impl FnOnce(usize) -> Result<Result<T, NtStatus>, Raise>,
) -> Result<Result<T, NtStatus>, Raise> {
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, bytes, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let result = f(block.as_ptr() as usize);
    pool::free(block.as_ptr(), Some(TAG))?;
    result
}

/// The size of a file, asked of its device stack as the memory manager does. Source: FsRtlGetFileSize.
fn file_size(file: &'static FILE_OBJECT) -> Result<Result<i64, NtStatus>, Raise> {
    with_block(0x18, |block| {
        let class = nt_abi::file_information_class::FileStandardInformation;
        let result = nt_io::io_query_file_information(file, block, 0x18, class)?;
        if result.status.is_error() {
            return Ok(Err(result.status));
        }
        if boundary::copy::read_value::<u8>(block + 0x15)? != 0 {
            return Ok(Err(NtStatus::INVALID_FILE_FOR_SECTION));
        }
        Ok(Ok(boundary::copy::read_value::<i64>(block + 8)?))
    })
}

/// Moves the end of a file. Source: FsRtlSetFileSize.
pub fn grow(file: &'static FILE_OBJECT, size: i64) -> Result<NtStatus, Raise> {
    let class = nt_abi::file_information_class::FileEndOfFileInformation;
    let result = with_block(8, |block| {
        boundary::copy::write(block, &size.to_le_bytes())?;
        Ok(Ok(nt_io::io_set_file_information(file, block, 8, class)?.status))
    })?;
    Ok(result.unwrap_or_else(|status| status))
}
