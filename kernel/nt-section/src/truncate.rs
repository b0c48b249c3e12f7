//! What a file system asks before it cuts, deletes or opens a file: who still maps it.
//!
//! Statements: MM-01 to MM-04.

use boundary::Raise;
use nt_abi::SECTION_OBJECT_POINTERS;

use crate::image;

/// Why an image section is flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushType {
    /// The file is to be deleted.
    Delete,
    /// The file is to be opened for writing.
    Write,
}

/// Whether no image of the stream is in use; for a deletion also whether no program keeps its data section.
///
/// Source:  MmFlushImageSection; MM-01, MM-02. An image that nobody uses is never kept.
/// IRQL:    < DISPATCH_LEVEL
pub fn mm_flush_image_section(pointers: &SECTION_OBJECT_POINTERS, why: FlushType) -> bool {
    !image::is_used(pointers) && (why == FlushType::Write || nt_cc::section::use_of(pointers).sections == 0)
}

/// Whether a stream may be cut to `size`.
///
/// Source:  MmCanFileBeTruncated; MM-03
/// IRQL:    <= APC_LEVEL
/// Units:   bytes; `None`: it is to be deleted
pub fn mm_can_file_be_truncated(pointers: &SECTION_OBJECT_POINTERS, size: Option<i64>) -> bool {
    if image::is_used(pointers) {
        return false;
    }
    let used = nt_cc::section::use_of(pointers);
    let shrinks = size.is_none_or(|size| size <= used.file_size);
    !(shrinks && used.sections != 0)
}

/// How many writable sections' views there are of a stream: those that may still store to it.
///
/// Source:  MmDoesFileHaveUserWritableReferences; MM-04: handles of the file are not counted
/// IRQL:    <= APC_LEVEL
pub fn mm_does_file_have_user_writable_references(pointers: &SECTION_OBJECT_POINTERS) -> usize {
    nt_cc::section::use_of(pointers).writable_views
}

/// Whether the data section of a stream is gone, after what is dirty was written and dropped.
///
/// Source:  MmForceSectionClosed
/// IRQL:    <= APC_LEVEL
/// Returns: `false`: sections or cached file objects still use it
pub fn mm_force_section_closed(pointers: &SECTION_OBJECT_POINTERS) -> Result<bool, Raise> {
    if image::is_used(pointers) || nt_cc::section::use_of(pointers).sections != 0 {
        return Ok(false);
    }
    if pointers.DataSectionObject.get().is_null() {
        return Ok(true);
    }
    let written = nt_cc::cc_flush_cache(pointers, None)?;
    if written.status.is_error() {
        return Ok(false);
    }
    nt_cc::cc_purge_cache_section(pointers, None, false)
}
