//! Name information as filters hold it: a pool block with a reference count and the text behind it.
//!
//! Owns: making, parsing, references. The cache of a volume holds one reference of each name that it keeps. A name that
//! somebody wrote to is found when its last reference goes.
//! Statements: NAME-21 to NAME-24, NAME-29 to NAME-33, NAME-44.
//!
//! UNSAFETY: name blocks are reached through the addresses that drivers hold, checked by a magic number.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use boundary::{Raise, copy};
use nt_abi::{FLT_FILE_NAME_INFORMATION, FLT_FILE_NAME_SHORT, NtStatus};
use nt_ex::pool::{self, PoolKind};

use crate::findings;
use crate::name_parts::{self, Parts};
use crate::text;

pub(super) const TAG: u32 = u32::from_le_bytes(*b"FMfn");
const MAGIC: u64 = 0x464D_666E_4E41_4D45;

#[repr(C)]
pub(super) struct Block {
    magic: AtomicU64,
    references: AtomicU64,
    /// Who called the export that made it.
    maker: AtomicUsize,
    /// [`sum`] of what nobody but the manager may write.
    sum: AtomicU64,
    pub(super) information: FLT_FILE_NAME_INFORMATION,
}

const HEAD: usize = std::mem::offset_of!(Block, information);

/// The name block that a driver means by `address`.
pub(super) fn block(address: usize) -> Result<&'static Block, NtStatus> {
    let base =
        address.checked_sub(HEAD).filter(|base| base.is_multiple_of(8)).ok_or(NtStatus::INVALID_PARAMETER)?;
    match copy::read_value::<u64>(base) {
        // SAFETY: the magic stands only in name blocks that are in use.
        Ok(MAGIC) => Ok(unsafe { &*(base as *const Block) }),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// Adds a reference to a name that its cache keeps.
#[inline]
pub(super) fn reference_kept(address: usize) {
    // SAFETY: an address that `make` returned, and the cache's own reference keeps it.
    let block = unsafe { &*((address - HEAD) as *const Block) };
    block.references.fetch_add(1, Ordering::Relaxed);
}

/// A new name block with one reference: `name` begins with `volume` units of volume name. It belongs to whoever
/// called the export that is being executed.
pub(super) fn make(name: &[u16], volume: usize, format: u32) -> Result<usize, NtStatus> {
    make_for(name, volume, format, true)
}

/// The same, for the manager itself: no driver's leak.
pub(super) fn make_own(name: &[u16], volume: usize, format: u32) -> Result<usize, NtStatus> {
    make_for(name, volume, format, false)
}

fn make_for(name: &[u16], volume: usize, format: u32, for_driver: bool) -> Result<usize, NtStatus> {
    let bytes = text::bytes(name);
    if bytes.len() > 0xFFFE {
        return Err(NtStatus::NAME_TOO_LONG);
    }
    let size = size_of::<Block>();
    let memory = if for_driver {
        pool::allocate(PoolKind::Paged, size + bytes.len(), TAG, true)
    } else {
        pool::allocate_engine(PoolKind::Paged, size + bytes.len(), TAG)
    };
    let address = memory.ok_or(NtStatus::INSUFFICIENT_RESOURCES)?.as_ptr() as usize;
    copy::write(address + size, &bytes).map_err(|_| NtStatus::INTERNAL_ERROR)?;
    // SAFETY: a fresh zeroed block, large enough and aligned; all of it cells and atomics.
    let block = unsafe { &*(address as *const Block) };
    block.magic.store(MAGIC, Ordering::Relaxed);
    block.references.store(1, Ordering::Relaxed);
    let information = &block.information;
    information.Size.set(size_of::<FLT_FILE_NAME_INFORMATION>() as u16);
    information.Format.set(format);
    text::set(&information.Name, address + size, bytes.len());
    text::set(&information.Volume, address + size, volume * 2);
    block.maker.store(boundary::caller_address(), Ordering::Relaxed);
    block.sum.store(sum(block), Ordering::Relaxed);
    Ok(address + HEAD)
}

/// Of the name and of the fields that parsing leaves alone.
fn sum(block: &Block) -> u64 {
    let information = &block.information;
    let (name, volume) = (&information.Name, &information.Volume);
    let fields = [
        u64::from(information.Size.get()) << 32 | u64::from(information.Format.get()),
        u64::from(name.Length.get()) << 48
            | u64::from(name.MaximumLength.get()) << 32
            | u64::from(volume.Length.get()) << 16
            | u64::from(volume.MaximumLength.get()),
        name.Buffer.get() as u64,
        volume.Buffer.get() as u64,
    ];
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let sum = fields.iter().fold(0, |sum, word| mix(sum, *word));
    let text = text::units(name).unwrap_or_default();
    text.iter().fold(sum, |sum, unit| mix(sum, u64::from(*unit)))
}

/// Says so when somebody wrote to a name. Source: NAME-22.
#[cold]
fn report_writer(block: &Block) {
    let maker = block.maker.load(Ordering::Relaxed);
    let filter = crate::filter::filter_at_code(maker);
    let message = "a name from FltGetFileNameInformation was written to: it is shared by all who ask for the file's name; \
                   copy it before changing it";
    findings::at("NAME-22", filter.as_ref().map_or("", |filter| &filter.label), maker, message);
}

/// Name, units of its volume name, and format.
pub(super) fn contents(address: usize) -> Result<(Vec<u16>, usize, u32), NtStatus> {
    let information = &block(address)?.information;
    let name = text::units(&information.Name).ok_or(NtStatus::INVALID_PARAMETER)?;
    Ok((name, usize::from(information.Volume.Length.get()) / 2, information.Format.get()))
}

/// Fills in the parts of a name.
///
/// Source:  FltParseFileNameInformation; NAME-24, NAME-29 to NAME-33
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (not a name of the manager's)
pub fn flt_parse_file_name_information(address: usize) -> NtStatus {
    let information = match block(address) {
        Ok(block) => &block.information,
        Err(status) => return status,
    };
    let Some(name) = text::units(&information.Name) else { return NtStatus::INVALID_PARAMETER };
    let short = information.Format.get() == FLT_FILE_NAME_SHORT;
    let volume = if short { 0 } else { usize::from(information.Volume.Length.get()) / 2 };
    let Parts { share, parent, component, extension, stream, .. } = name_parts::split(&name, volume, 0);
    let base = information.Name.Buffer.get() as usize;
    for (string, part) in [
        (&information.Share, share),
        (&information.ParentDir, parent),
        (&information.FinalComponent, component),
        (&information.Extension, extension),
        (&information.Stream, stream),
    ] {
        text::set(string, base + part.start * 2, part.len() * 2);
    }
    information.NamesParsed.set(0xF);
    NtStatus::SUCCESS
}

/// Source: FltReferenceFileNameInformation; NAME-44. IRQL: <= APC_LEVEL. Errors: INVALID_PARAMETER.
pub fn flt_reference_file_name_information(address: usize) -> NtStatus {
    match block(address) {
        Ok(block) => {
            block.references.fetch_add(1, Ordering::Relaxed);
            NtStatus::SUCCESS
        }
        Err(status) => status,
    }
}

/// Gives up a reference; the last one frees the block.
///
/// Source:  FltReleaseFileNameInformation; NAME-21, NAME-44
/// IRQL:    <= APC_LEVEL
/// Errors:  something that is no name, or was released, is a bug check
pub fn flt_release_file_name_information(address: usize) -> Result<(), Raise> {
    let Ok(block) = block(address) else {
        return Err(nt_ke::current_core().bug_check(nt_ke::BugCheck::new(
            nt_abi::bugcheck::FLTMGR_FILE_SYSTEM,
            [address as u64, 0, 0, 0],
            "FltReleaseFileNameInformation was given something that is no name information (released too often?)",
        )));
    };
    if block.references.fetch_sub(1, Ordering::AcqRel) == 1 {
        if sum(block) != block.sum.load(Ordering::Relaxed) {
            report_writer(block);
        }
        block.magic.store(0, Ordering::Relaxed);
        pool::free(std::ptr::from_ref(block).cast(), Some(TAG))?;
    }
    Ok(())
}
