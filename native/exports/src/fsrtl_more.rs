//! FsRtl: names, pool that raises, contexts of streams and files, MDLs through the cache, what a file is.
//!
//! UNSAFETY: the word in which a file system keeps the contexts of a file is used through its address.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{
    DEVICE_OBJECT, DISPATCHER_HEADER, FILE_OBJECT, FSRTL_ADVANCED_FCB_HEADER, FSRTL_FLAG2_IS_PAGING_FILE,
    FSRTL_PER_STREAM_CONTEXT, IRP, MDL, NtStatus, STRING, UNICODE_STRING,
};
use nt_rtl::case;
use nt_rtl::oem::CodePage::Oem;

use crate::argument::{arg, load, load_if, optional, rows, store};
use crate::flt_string::units;
use crate::ke::{WAIT_ALL, waited_for};
use crate::rtl_string::bytes;

rows! { "ntoskrnl.exe", "nt-fsrtl";
    FsRtlAllocatePoolWithTag done "raises INSUFFICIENT_RESOURCES";
    FsRtlAllocatePoolWithQuotaTag partial "quota is not counted";
    FsRtlAllocatePool done "raises INSUFFICIENT_RESOURCES";
    FsRtlAreNamesEqual partial "an upcase table of the caller's is not used; the system's is";
    FsRtlDissectName done "";
    FsRtlDoesDbcsContainWildCards done "code page 437";
    FsRtlIsDbcsInExpression done "code page 437";
    FsRtlIsFatDbcsLegal done "code page 437";
    FsRtlIsHpfsDbcsLegal done "code page 437";
    FsRtlIsTotalDeviceFailure done "";
    FsRtlIsPagingFile done "";
    FsRtlGetFileSize done "";
    FsRtlTeardownPerStreamContexts done "";
    FsRtlMdlReadCompleteDev done "";
    FsRtlMdlWriteCompleteDev done "";
    FsRtlAreVolumeStartupApplicationsComplete done "";
    FsRtlBalanceReads done "";
    FsRtlInsertPerStreamContext done "";
    FsRtlLookupPerStreamContextInternal done "";
    FsRtlRemovePerStreamContext done "";
    FsRtlInsertPerFileContext done "CTX-57";
    FsRtlLookupPerFileContext done "CTX-57";
    FsRtlRemovePerFileContext done "CTX-57";
    FsRtlTeardownPerFileContexts done "CTX-57";
    FsRtlCancellableWaitForSingleObject done "";
    FsRtlCancellableWaitForMultipleObjects partial "cancelling does not end a wait for all of several";
}

/// FileStandardInformation.
const STANDARD: u32 = 5;
const TAG: u32 = u32::from_le_bytes(*b"FSqs");
/// FT_BALANCED_READ_MODE.
const BALANCED_READ_MODE: u32 = 0x66_001B;

/// An identity that the driver may leave out.
fn given(id: usize) -> Option<usize> {
    (id != 0).then_some(id)
}

fn address(found: Option<&FSRTL_PER_STREAM_CONTEXT>) -> usize {
    found.map_or(0, |found| std::ptr::from_ref(found) as usize)
}

fn raising(block: *mut u8) -> Result<*mut u8, Raise> {
    if block.is_null() { Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES)) } else { Ok(block) }
}

/// Whether bytes are a name of a file system: at most `longest` long, of legal characters.
fn is_legal(name: &STRING, flags: (u8, u8, u8), fat: bool) -> Result<bool, Raise> {
    let (wild, path, leading) = (flags.0 != 0, flags.1 != 0, flags.2 != 0);
    let name = bytes(name)?;
    let mut rest = name.as_slice();
    match rest {
        [b'\\'] if leading => return Ok(path),
        [b'\\', tail @ ..] if leading => rest = tail,
        _ => {}
    }
    let mut parts = rest.split(|byte| *byte == b'\\');
    let legal = |part: &[u8]| if fat { fat_component(part, wild) } else { hpfs_component(part, wild) };
    Ok(if path { parts.all(legal) } else { parts.next().is_some_and(legal) && parts.next().is_none() })
}

fn fat_component(part: &[u8], wild: bool) -> bool {
    if part == b"." || part == b".." {
        return true;
    }
    let class = |byte: &u8| {
        nt_fsrtl::LEGAL_ANSI_CHARACTERS.get(usize::from(*byte)).copied().unwrap_or(nt_fsrtl::legal::FAT)
    };
    let characters = part.iter().all(|byte| {
        *byte == b'.'
            || class(byte) & nt_fsrtl::legal::FAT != 0
            || (wild && class(byte) & nt_fsrtl::legal::WILD != 0)
    });
    let mut halves = part.split(|byte| *byte == b'.');
    let (base, extension) = (halves.next().unwrap_or_default(), halves.next());
    let lengths = (1..=8).contains(&base.len()) && extension.is_none_or(|e| (1..=3).contains(&e.len()));
    let shape =
        wild || (lengths && halves.next().is_none() && !base.ends_with(b" ") && !part.ends_with(b" "));
    !part.is_empty() && characters && shape
}

fn hpfs_component(part: &[u8], wild: bool) -> bool {
    let class = |byte: &u8| {
        nt_fsrtl::LEGAL_ANSI_CHARACTERS.get(usize::from(*byte)).copied().unwrap_or(nt_fsrtl::legal::HPFS)
    };
    let characters = part.iter().all(|byte| {
        class(byte) & nt_fsrtl::legal::HPFS != 0 || (wild && class(byte) & nt_fsrtl::legal::WILD != 0)
    });
    let ending = part == b"." || part == b".." || !(part.ends_with(b".") || part.ends_with(b" "));
    (1..=255).contains(&part.len()) && characters && ending
}

/// Makes `target` name a part of `whole`.
fn name_part(target: &UNICODE_STRING, whole: &UNICODE_STRING, from: usize, count: usize) {
    let empty = count == 0;
    target.Length.set((count * 2) as u16);
    target.MaximumLength.set((count * 2) as u16);
    target.Buffer.set(if empty { std::ptr::null_mut() } else { whole.Buffer.get().wrapping_add(from) });
}

fn is_paging_file(file: &FILE_OBJECT) -> Result<bool, Raise> {
    let header = file.FsContext.get().cast::<FSRTL_ADVANCED_FCB_HEADER>();
    let header = optional(header, "FsRtlIsPagingFile", "FileObject->FsContext")?;
    Ok(header.is_some_and(|header| header.Flags2.get() & FSRTL_FLAG2_IS_PAGING_FILE != 0))
}

/// A file system's pointer to the contexts of a file; null when the file supports none.
fn file_pointer(pointer: *mut usize) -> Option<&'static nt_fsrtl::FilePointer> {
    // SAFETY: a file system keeps it for the call; it is one word, changed by the routines behind these exports only.
    unsafe { pointer.cast::<nt_fsrtl::FilePointer>().as_ref() }
}

export! {
    /// Waits for an object, or until an IRP is cancelled.
    pub fn FsRtlCancellableWaitForSingleObject(object: *mut DISPATCHER_HEADER, timeout: *mut i64, irp: *mut IRP) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlCancellableWaitForSingleObject: object);
        let irp = optional(irp, "FsRtlCancellableWaitForSingleObject", "Irp")?;
        nt_io::io_wait_cancellable(&[object], false, load_if(timeout)?, irp)
    }

    /// The same for several.
    pub fn FsRtlCancellableWaitForMultipleObjects(count: u32, objects: *mut usize, wait_type: u32, timeout: *mut i64, wait_blocks: usize, irp: *mut IRP) -> NtStatus [irql <= APC_LEVEL] {
        let headers = waited_for(count, objects, wait_blocks, "FsRtlCancellableWaitForMultipleObjects")?;
        let irp = optional(irp, "FsRtlCancellableWaitForMultipleObjects", "Irp")?;
        nt_io::io_wait_cancellable(&headers, wait_type == WAIT_ALL, load_if(timeout)?, irp)
    }

    /// Allocates pool or raises.
    pub fn FsRtlAllocatePoolWithTag(kind: u32, bytes: u32, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        raising(nt_ex::pool::allocate_pool_with_tag(kind, bytes as usize, tag)?)
    }

    /// Allocates pool on the account of the current process or raises.
    pub fn FsRtlAllocatePoolWithQuotaTag(kind: u32, bytes: u32, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        raising(nt_ex::pool::allocate_pool_with_quota_tag(kind, bytes as usize, tag)?)
    }

    /// Allocates pool or raises.
    pub fn FsRtlAllocatePool(kind: u32, bytes: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        raising(nt_ex::pool::allocate_pool_with_tag(kind, bytes as usize, u32::from_le_bytes(*b"FSrt"))?)
    }

    /// Whether two names are the same.
    pub fn FsRtlAreNamesEqual(first: *mut UNICODE_STRING, second: *mut UNICODE_STRING, ignore_case: u8, _table: usize) -> bool [irql <= APC_LEVEL] {
        arg!(FsRtlAreNamesEqual: first, second);
        Ok(case::equal(&units(first)?, &units(second)?, ignore_case != 0))
    }

    /// The first component of a path, and the rest.
    pub fn FsRtlDissectName(path: *mut UNICODE_STRING, first: *mut UNICODE_STRING, rest: *mut UNICODE_STRING) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlDissectName: path, first, rest);
        let text = units(path)?;
        let (head, tail) = nt_fsrtl::dissect_name(&text);
        let leading = usize::from(text.first() == Some(&u16::from(b'\\')));
        // The arguments may be one string: what is read of the path is read first.
        let whole = UNICODE_STRING::default();
        whole.Buffer.set(path.Buffer.get());
        name_part(first, &whole, leading, head.len());
        name_part(rest, &whole, text.len() - tail.len(), tail.len());
        Ok(())
    }

    /// Whether a name is an expression.
    pub fn FsRtlDoesDbcsContainWildCards(name: *mut STRING) -> bool [irql <= APC_LEVEL] {
        arg!(FsRtlDoesDbcsContainWildCards: name);
        Ok(nt_fsrtl::does_name_contain_wild_cards(&Oem.to_units(&bytes(name)?)))
    }

    /// Whether a name matches an expression.
    pub fn FsRtlIsDbcsInExpression(expression: *mut STRING, name: *mut STRING) -> bool [irql <= APC_LEVEL] {
        arg!(FsRtlIsDbcsInExpression: expression, name);
        Ok(nt_fsrtl::name_in_expression(&Oem.to_units(&bytes(expression)?), &Oem.to_units(&bytes(name)?), None))
    }

    /// Whether a name, which comes by value, is one of FAT's.
    pub fn FsRtlIsFatDbcsLegal(name: *mut STRING, wild: u8, path: u8, leading: u8) -> bool [irql <= APC_LEVEL] {
        arg!(FsRtlIsFatDbcsLegal: name);
        is_legal(name, (wild, path, leading), true)
    }

    /// Whether a name, which comes by value, is one of HPFS'.
    pub fn FsRtlIsHpfsDbcsLegal(name: *mut STRING, wild: u8, path: u8, leading: u8) -> bool [irql <= APC_LEVEL] {
        arg!(FsRtlIsHpfsDbcsLegal: name);
        is_legal(name, (wild, path, leading), false)
    }

    /// Whether a status says that the whole device has failed.
    pub fn FsRtlIsTotalDeviceFailure(status: NtStatus) -> bool [irql <= DISPATCH_LEVEL] {
        // Errors of single sectors are none of the device.
        const OF_SECTORS: [NtStatus; 3] = [NtStatus::CRC_ERROR, NtStatus::DEVICE_DATA_ERROR, NtStatus::from_bits(0xC000_0168)];
        Ok(status.is_error() && !OF_SECTORS.contains(&status))
    }

    /// Whether a file is a paging file.
    pub fn FsRtlIsPagingFile(file: *mut FILE_OBJECT) -> u32 [irql <= APC_LEVEL] {
        arg!(FsRtlIsPagingFile: file);
        is_paging_file(file).map(u32::from)
    }

    /// The end of a file.
    pub fn FsRtlGetFileSize(file: *mut FILE_OBJECT, size: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlGetFileSize: file);
        let Some(block) = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, 0x18, TAG) else {
            return Ok(NtStatus::INSUFFICIENT_RESOURCES);
        };
        let at = block.as_ptr() as usize;
        let result = nt_io::io_query_file_information(file, at, 0x18, STANDARD)?;
        let end = boundary::copy::read_value::<i64>(at + 8)?;
        let is_directory = boundary::copy::read_value::<u8>(at + 0x15)?;
        nt_ex::pool::free(block.as_ptr(), Some(TAG))?;
        if !result.status.is_success() {
            return Ok(result.status);
        }
        if is_directory != 0 {
            return Ok(NtStatus::FILE_IS_A_DIRECTORY);
        }
        store(size, end, "FsRtlGetFileSize", "FileSize")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Frees what filters keep with a stream.
    pub fn FsRtlTeardownPerStreamContexts(header: *mut FSRTL_ADVANCED_FCB_HEADER) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlTeardownPerStreamContexts: header);
        nt_fsrtl::teardown_per_stream_contexts(header)
    }

    /// Gives the cache's pages back.
    pub fn FsRtlMdlReadCompleteDev(_file: *mut FILE_OBJECT, mdl_chain: *mut MDL, _device: *mut DEVICE_OBJECT) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlMdlReadCompleteDev: mdl_chain);
        nt_cc::mdl::cc_mdl_read_complete(mdl_chain)?;
        Ok(true)
    }

    /// Gives the cache's pages back, written.
    pub fn FsRtlMdlWriteCompleteDev(file: *mut FILE_OBJECT, offset: *mut i64, mdl_chain: *mut MDL, _device: *mut DEVICE_OBJECT) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlMdlWriteCompleteDev: file, mdl_chain);
        nt_cc::mdl::cc_mdl_write_complete(file, load(offset, "FsRtlMdlWriteCompleteDev", "FileOffset")?, mdl_chain)?;
        Ok(true)
    }

    /// Whether everything that starts with a volume has started.
    pub fn FsRtlAreVolumeStartupApplicationsComplete() -> bool [irql <= PASSIVE_LEVEL] { Ok(true) }

    /// Asks a fault-tolerant disk to read from both sides.
    pub fn FsRtlBalanceReads(device: *mut DEVICE_OBJECT) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlBalanceReads: device);
        nt_io::io_send_device_control(device, BALANCED_READ_MODE)
    }

    /// Attaches a filter's context to a stream.
    pub fn FsRtlInsertPerStreamContext(header: *mut FSRTL_ADVANCED_FCB_HEADER, context: *mut FSRTL_PER_STREAM_CONTEXT) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlInsertPerStreamContext: header, context);
        Ok(nt_fsrtl::insert_per_stream_context(header, context))
    }

    /// A filter's context of a stream; null when there is none.
    pub fn FsRtlLookupPerStreamContextInternal(header: *mut FSRTL_ADVANCED_FCB_HEADER, owner: usize, instance: usize) -> usize [irql <= APC_LEVEL] {
        arg!(FsRtlLookupPerStreamContextInternal: header);
        Ok(address(nt_fsrtl::lookup_per_stream_context(header, given(owner), given(instance))))
    }

    /// Takes a filter's context off a stream; null when there was none.
    pub fn FsRtlRemovePerStreamContext(header: *mut FSRTL_ADVANCED_FCB_HEADER, owner: usize, instance: usize) -> usize [irql <= APC_LEVEL] {
        arg!(FsRtlRemovePerStreamContext: header);
        Ok(address(nt_fsrtl::remove_per_stream_context(header, given(owner), given(instance))))
    }

    /// Attaches a filter's context to a file.
    pub fn FsRtlInsertPerFileContext(pointer: *mut usize, context: *mut FSRTL_PER_STREAM_CONTEXT) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlInsertPerFileContext: context);
        Ok(match file_pointer(pointer) {
            Some(pointer) => nt_fsrtl::insert_per_file_context(pointer, context),
            None => NtStatus::INVALID_DEVICE_REQUEST,
        })
    }

    /// A filter's context of a file; null when there is none.
    pub fn FsRtlLookupPerFileContext(pointer: *mut usize, owner: usize, instance: usize) -> usize [irql <= APC_LEVEL] {
        Ok(file_pointer(pointer)
            .map_or(0, |pointer| address(nt_fsrtl::lookup_per_file_context(pointer, given(owner), given(instance)))))
    }

    /// Takes a filter's context off a file; null when there was none.
    pub fn FsRtlRemovePerFileContext(pointer: *mut usize, owner: usize, instance: usize) -> usize [irql <= APC_LEVEL] {
        Ok(file_pointer(pointer)
            .map_or(0, |pointer| address(nt_fsrtl::remove_per_file_context(pointer, given(owner), given(instance)))))
    }

    /// Frees what filters keep with a file.
    pub fn FsRtlTeardownPerFileContexts(pointer: *mut usize) -> () [irql <= APC_LEVEL] {
        file_pointer(pointer).map_or(Ok(()), nt_fsrtl::teardown_per_file_contexts)
    }
}
