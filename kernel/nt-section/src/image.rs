//! Images: sections of executable files, laid out as their headers say.
//!
//! The file is read by paging I/O when the section is made, and kept as it is laid out until nobody uses it: views are
//! copies. While there is one, `ImageSectionObject` of the stream is set. Statements: MM-01, MM-02.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, NtStatus, SECTION_OBJECT_POINTERS};
use nt_ex::pool::{self, PoolKind};

use crate::sections;

const TAG: u32 = u32::from_le_bytes(*b"MmIm");
/// Bytes of one paging read.
const PIECE: usize = 256 << 10;
/// Largest file that is taken for an image.
const LARGEST: i64 = 1 << 30;

/// A laid-out image.
pub struct Image {
    pointers: &'static SECTION_OBJECT_POINTERS,
    bytes: Vec<u8>,
    /// Sections and views.
    users: AtomicUsize,
}

/// Somebody who uses an image.
pub struct ImageUser(Arc<Image>);

impl ImageUser {
    /// The image of a file, read if nobody has it yet.
    ///
    /// IRQL:   PASSIVE_LEVEL
    /// Errors: INVALID_FILE_FOR_SECTION · INVALID_IMAGE_NOT_MZ · INVALID_IMAGE_FORMAT · what reading came to
    pub fn open(file: &'static FILE_OBJECT, size: i64) -> Result<Result<Self, NtStatus>, Raise> {
        let Some(pointers) = pointers_of(file) else {
            return Ok(Err(NtStatus::INVALID_FILE_FOR_SECTION));
        };
        if let Some(image) = sections().images.lock().get(&key(pointers)) {
            return Ok(Ok(Self::of(Arc::clone(image))));
        }
        if size > LARGEST {
            return Ok(Err(NtStatus::INVALID_IMAGE_FORMAT));
        }
        // What is cached of the file is what its image is.
        let flushed = nt_cc::cc_flush_cache(pointers, None)?.status;
        if flushed.is_error() {
            return Ok(Err(flushed));
        }
        let file_bytes = match read_whole(file, size as usize)? {
            Ok(bytes) => bytes,
            Err(status) => return Ok(Err(status)),
        };
        if !file_bytes.starts_with(b"MZ") {
            return Ok(Err(NtStatus::INVALID_IMAGE_NOT_MZ));
        }
        let Ok(parsed) = pe::Image::parse(&file_bytes) else {
            return Ok(Err(NtStatus::INVALID_IMAGE_FORMAT));
        };
        let Ok(bytes) = parsed.map(&file_bytes) else {
            return Ok(Err(NtStatus::INVALID_IMAGE_FORMAT));
        };
        let mut images = sections().images.lock();
        let image = images
            .entry(key(pointers))
            .or_insert_with(|| Arc::new(Image { pointers, bytes, users: AtomicUsize::new(0) }));
        pointers.ImageSectionObject.set(Arc::as_ptr(image).cast_mut().cast());
        Ok(Ok(Self::of(Arc::clone(image))))
    }

    fn of(image: Arc<Image>) -> Self {
        image.users.fetch_add(1, Ordering::Relaxed);
        Self(image)
    }

    /// The image as it is laid out.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Drop for ImageUser {
    fn drop(&mut self) {
        if boundary::try_current().is_none() {
            return;
        }
        let mut images = sections().images.lock();
        if self.0.users.fetch_sub(1, Ordering::Relaxed) == 1 {
            images.remove(&key(self.0.pointers));
            self.0.pointers.ImageSectionObject.set(null_mut());
        }
    }
}

/// Whether somebody uses the image of a stream.
pub fn is_used(pointers: &SECTION_OBJECT_POINTERS) -> bool {
    sections().images.lock().contains_key(&key(pointers))
}

fn key(pointers: &SECTION_OBJECT_POINTERS) -> usize {
    std::ptr::from_ref(pointers) as usize
}

fn pointers_of(file: &FILE_OBJECT) -> Option<&'static SECTION_OBJECT_POINTERS> {
    nt_cc::section_pointers(file)
}

fn read_whole(file: &'static FILE_OBJECT, size: usize) -> Result<Result<Vec<u8>, NtStatus>, Raise> {
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, PIECE, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let result = read_pieces(file, size, block.as_ptr() as usize);
    pool::free(block.as_ptr(), Some(TAG))?;
    result
}

fn read_pieces(
    file: &'static FILE_OBJECT,
    size: usize,
    block: usize,
) -> Result<Result<Vec<u8>, NtStatus>, Raise> {
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let wanted = (size - bytes.len()).min(PIECE);
        let Some(mdl) = nt_ex::mdl::allocate_engine(block, wanted.next_multiple_of(PAGE_SIZE)) else {
            return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        nt_mm::mdl::lock_resident(mdl, true);
        let result = nt_io::io_page_read(file, mdl, bytes.len() as i64);
        nt_mm::mdl::unlock_pages(mdl)?;
        nt_ex::mdl::free(mdl)?;
        let result = result?;
        if result.status.is_error() {
            return Ok(Err(result.status));
        }
        let got = result.information.min(wanted);
        if got == 0 {
            return Ok(Err(NtStatus::END_OF_FILE));
        }
        boundary::copy::append(&mut bytes, block, got)?;
    }
    Ok(Ok(bytes))
}
