//! Cc: cached I/O for whoever owns a stream header, file systems and isolation filters alike.
//!
//! UNSAFETY: chains of MDLs and file objects are drivers' pointers; `argument` says what makes them references.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{
    CACHE_MANAGER_CALLBACKS, CC_FILE_SIZES, FILE_OBJECT, IO_STATUS_BLOCK, KEVENT, MDL, NativeFn, NtStatus,
    SECTION_OBJECT_POINTERS, VPB,
};
use nt_cc::{Callbacks, CcFileSizes, Deferred};
use nt_io::IoStatus;

use crate::argument::{arg, load, load_if, optional, rows, store};

rows! { "ntoskrnl.exe", "nt-cc";
    CcInitializeCacheMap done "CC-01";
    CcUninitializeCacheMap done "CC-03";
    CcCopyRead done "CC-05";
    CcCopyReadEx partial "the issuer thread is not used; CC-05";
    CcCopyWrite done "CC-06";
    CcCopyWriteEx partial "the issuer thread is not used; CC-06";
    CcCanIWrite done "CC-07, CC-09";
    CcDeferWrite done "CC-08";
    CcFlushCache done "CC-14";
    CcPurgeCacheSection partial "no ending of other cache maps; CC-15";
    CcSetFileSizes done "CC-16";
    CcZeroData done "CC-17";
    CcCoherencyFlushAndPurgeCache done "CC-18";
    CcMdlRead done "CC-13";
    CcMdlReadComplete done "CC-13";
    CcPrepareMdlWrite done "CC-10";
    CcMdlWriteComplete partial "frees the MDLs also when writing through fails; CC-11, CC-12";
    CcMdlWriteAbort done "CC-11";
    CcSetAdditionalCacheAttributes partial "write-behind cannot be switched off";
    CcSetReadAheadGranularity done "";
    CcIsThereDirtyData done "";
    CcWaitForCurrentLazyWriterActivity done "";
}

fn sizes(sizes: &CC_FILE_SIZES) -> CcFileSizes {
    CcFileSizes {
        allocation: sizes.AllocationSize.get(),
        file: sizes.FileSize.get(),
        valid: sizes.ValidDataLength.get(),
    }
}

fn answer(block: *mut IO_STATUS_BLOCK, result: IoStatus, export: &str) -> Result<(), Raise> {
    if let Some(block) = optional(block, export, "IoStatus")? {
        block.Status.set(result.status);
        block.Information.set(result.information);
    }
    Ok(())
}

fn copy_read(
    file: &'static FILE_OBJECT,
    offset: *mut i64,
    length: u32,
    wait: u8,
    buffer: usize,
    block: *mut IO_STATUS_BLOCK,
) -> Result<bool, Raise> {
    let offset = load(offset, "CcCopyRead", "FileOffset")?;
    match nt_cc::cc_copy_read(file, offset, length, wait != 0, buffer)? {
        Some(result) => answer(block, result, "CcCopyRead").map(|()| true),
        None => Ok(false),
    }
}

/// Stores the first MDL of a chain, also that of one that ended early.
fn chained(
    result: Result<IoStatus, Raise>,
    chain: Option<&'static MDL>,
    place: *mut usize,
    block: *mut IO_STATUS_BLOCK,
    export: &str,
) -> Result<(), Raise> {
    store(place, chain.map_or(0, |mdl| std::ptr::from_ref(mdl) as usize), export, "MdlChain")?;
    answer(block, result?, export)
}

export! {
    /// Begins cached I/O on a file object.
    pub fn CcInitializeCacheMap(file: *mut FILE_OBJECT, file_sizes: *mut CC_FILE_SIZES, pin_access: u8, callbacks: *mut CACHE_MANAGER_CALLBACKS, context: usize) -> () [irql <= APC_LEVEL] {
        arg!(CcInitializeCacheMap: file, file_sizes, callbacks);
        nt_cc::cc_initialize_cache_map(file, sizes(file_sizes), pin_access != 0, Callbacks::Native(callbacks), context)
    }

    /// Ends cached I/O on a file object.
    pub fn CcUninitializeCacheMap(file: *mut FILE_OBJECT, truncate: *mut i64, event: *mut KEVENT) -> bool [irql <= APC_LEVEL] {
        arg!(CcUninitializeCacheMap: file);
        // The structure is an event behind a link, which only the cache manager would use.
        let event = if event.is_null() { None } else { optional(event.wrapping_byte_add(8), "CcUninitializeCacheMap", "UninitializeEvent")? };
        nt_cc::cc_uninitialize_cache_map(file, load_if(truncate)?, event)
    }

    /// Copies cached data to a buffer.
    pub fn CcCopyRead(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, buffer: usize, status: *mut IO_STATUS_BLOCK) -> bool [irql <= APC_LEVEL] {
        arg!(CcCopyRead: file);
        copy_read(file, offset, length, wait, buffer, status)
    }

    /// The same for another thread.
    pub fn CcCopyReadEx(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, buffer: usize, status: *mut IO_STATUS_BLOCK, _thread: usize) -> bool [irql <= APC_LEVEL] {
        arg!(CcCopyReadEx: file);
        copy_read(file, offset, length, wait, buffer, status)
    }

    /// Copies a buffer into cached data.
    pub fn CcCopyWrite(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, buffer: usize) -> bool [irql <= APC_LEVEL] {
        arg!(CcCopyWrite: file);
        nt_cc::cc_copy_write(file, load(offset, "CcCopyWrite", "FileOffset")?, length, wait != 0, buffer)
    }

    /// The same for another thread.
    pub fn CcCopyWriteEx(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, buffer: usize, _thread: usize) -> bool [irql <= APC_LEVEL] {
        arg!(CcCopyWriteEx: file);
        nt_cc::cc_copy_write(file, load(offset, "CcCopyWriteEx", "FileOffset")?, length, wait != 0, buffer)
    }

    /// Whether there is room for a cached write.
    pub fn CcCanIWrite(file: *mut FILE_OBJECT, bytes: u32, wait: u8, retrying: u8) -> bool [irql <= APC_LEVEL] {
        arg!(CcCanIWrite: file);
        nt_cc::cc_can_i_write(file, bytes, wait != 0, retrying != 0)
    }

    /// Calls a routine once there is room.
    pub fn CcDeferWrite(file: *mut FILE_OBJECT, routine: NativeFn, first: usize, second: usize, bytes: u32, _retrying: u8) -> () [irql <= APC_LEVEL] {
        arg!(CcDeferWrite: file);
        let _ = file;
        nt_cc::cc_defer_write(bytes, Deferred::Native(routine, first, second))
    }

    /// Writes dirty data and waits for it.
    pub fn CcFlushCache(section: *mut SECTION_OBJECT_POINTERS, offset: *mut i64, length: u32, status: *mut IO_STATUS_BLOCK) -> () [irql <= APC_LEVEL] {
        arg!(CcFlushCache: section);
        let range = load_if(offset)?.map(|offset| (offset, length));
        answer(status, nt_cc::cc_flush_cache(section, range)?, "CcFlushCache")
    }

    /// Drops cached data.
    pub fn CcPurgeCacheSection(section: *mut SECTION_OBJECT_POINTERS, offset: *mut i64, length: u32, flags: u32) -> bool [irql <= APC_LEVEL] {
        arg!(CcPurgeCacheSection: section);
        let range = load_if(offset)?.map(|offset| (offset, length));
        nt_cc::cc_purge_cache_section(section, range, flags & 1 != 0)
    }

    /// Tells the cache a stream's sizes.
    pub fn CcSetFileSizes(file: *mut FILE_OBJECT, file_sizes: *mut CC_FILE_SIZES) -> () [irql <= APC_LEVEL] {
        arg!(CcSetFileSizes: file, file_sizes);
        nt_cc::cc_set_file_sizes(file, sizes(file_sizes))
    }

    /// Writes zeros.
    pub fn CcZeroData(file: *mut FILE_OBJECT, start: *mut i64, end: *mut i64, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(CcZeroData: file);
        let (start, end) = (load(start, "CcZeroData", "StartOffset")?, load(end, "CcZeroData", "EndOffset")?);
        nt_cc::cc_zero_data(file, start, end, wait != 0)
    }

    /// Writes dirty data, then drops it.
    pub fn CcCoherencyFlushAndPurgeCache(section: *mut SECTION_OBJECT_POINTERS, offset: *mut i64, length: u32, status: *mut IO_STATUS_BLOCK, flags: u32) -> () [irql <= PASSIVE_LEVEL] {
        arg!(CcCoherencyFlushAndPurgeCache: section);
        let range = load_if(offset)?.map(|offset| (offset, length));
        let result = nt_cc::cc_coherency_flush_and_purge_cache(section, range, flags)?;
        answer(status, result, "CcCoherencyFlushAndPurgeCache")
    }

    /// The cache's pages for a reader.
    pub fn CcMdlRead(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, mdl_chain: *mut usize, status: *mut IO_STATUS_BLOCK) -> () [irql <= APC_LEVEL] {
        arg!(CcMdlRead: file);
        let mut chain = None;
        let result = nt_cc::mdl::cc_mdl_read(file, load(offset, "CcMdlRead", "FileOffset")?, length, &mut chain);
        chained(result, chain, mdl_chain, status, "CcMdlRead")
    }

    /// Gives them back.
    pub fn CcMdlReadComplete(_file: *mut FILE_OBJECT, mdl_chain: *mut MDL) -> () [irql <= PASSIVE_LEVEL] {
        arg!(CcMdlReadComplete: mdl_chain);
        nt_cc::mdl::cc_mdl_read_complete(mdl_chain)
    }

    /// The cache's pages for a writer.
    pub fn CcPrepareMdlWrite(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, mdl_chain: *mut usize, status: *mut IO_STATUS_BLOCK) -> () [irql <= APC_LEVEL] {
        arg!(CcPrepareMdlWrite: file);
        let mut chain = None;
        let offset = load(offset, "CcPrepareMdlWrite", "FileOffset")?;
        let result = nt_cc::mdl::cc_prepare_mdl_write(file, offset, length, &mut chain);
        chained(result, chain, mdl_chain, status, "CcPrepareMdlWrite")
    }

    /// Gives them back, changed.
    pub fn CcMdlWriteComplete(file: *mut FILE_OBJECT, offset: *mut i64, mdl_chain: *mut MDL) -> () [irql <= PASSIVE_LEVEL] {
        arg!(CcMdlWriteComplete: file, mdl_chain);
        nt_cc::mdl::cc_mdl_write_complete(file, load(offset, "CcMdlWriteComplete", "FileOffset")?, mdl_chain)
    }

    /// Gives them back, unchanged.
    pub fn CcMdlWriteAbort(_file: *mut FILE_OBJECT, mdl_chain: *mut MDL) -> () [irql <= PASSIVE_LEVEL] {
        arg!(CcMdlWriteAbort: mdl_chain);
        nt_cc::mdl::cc_mdl_write_abort(mdl_chain)
    }

    /// Switches read-ahead and write-behind.
    pub fn CcSetAdditionalCacheAttributes(file: *mut FILE_OBJECT, disable_read_ahead: u8, _disable_write_behind: u8) -> () [irql <= APC_LEVEL] {
        arg!(CcSetAdditionalCacheAttributes: file);
        nt_cc::cc_set_additional_attributes(file, disable_read_ahead != 0);
        Ok(())
    }

    /// Sets how much is read ahead.
    pub fn CcSetReadAheadGranularity(file: *mut FILE_OBJECT, bytes: u32) -> () [irql <= APC_LEVEL] {
        arg!(CcSetReadAheadGranularity: file);
        nt_cc::cc_set_read_ahead_granularity(file, bytes);
        Ok(())
    }

    /// Whether a volume has dirty data in the cache.
    pub fn CcIsThereDirtyData(vpb: *mut VPB) -> bool [irql <= APC_LEVEL] {
        arg!(CcIsThereDirtyData: vpb);
        Ok(nt_cc::cc_is_there_dirty_data(vpb))
    }

    /// Waits until the lazy writer has looked at everything that is dirty now.
    pub fn CcWaitForCurrentLazyWriterActivity() -> NtStatus [irql <= APC_LEVEL] {
        nt_cc::cc_wait_for_current_lazy_writer_activity()
    }
}
