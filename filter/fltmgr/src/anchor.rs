//! What drivers hold of filters, instances and volumes: an opaque block in pool.
//!
//! ```text
//! driver ──PFLT_INSTANCE──► block { type code, size, address of the Rust object }
//! engine ──Arc<Instance>──► Instance { anchor } ──owns──► block
//! ```
//!
//! A rundown reference of a driver is a count in the anchor plus one strong count of the `Arc`. Once the
//! object is marked as going, new ones are refused with FLT_DELETING_OBJECT. Statements: OBJ-01 to OBJ-04,
//! ENUM-03, ENUM-10.
//!
//! UNSAFETY: turns addresses that drivers pass back into references, after checking the type code through a
//! fault-safe copy. A block outlives its `Arc` only with a cleared type code.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use boundary::{Raise, copy};
use nt_abi::{NtStatus, bugcheck};
use nt_ex::pool::{self, PoolKind};
use nt_ke::{BugCheck, current_core};

const TAG: u32 = u32::from_le_bytes(*b"FMob");
const SIZE: usize = 32;

/// Type code of a filter.
pub const FILTER: u16 = 0xF1F0;
/// Type code of an instance.
pub const INSTANCE: u16 = 0xF1F1;
/// Type code of a volume.
pub const VOLUME: u16 = 0xF1F2;

#[repr(C)]
struct Block {
    type_code: Cell<u16>,
    size: Cell<u16>,
    reserved: Cell<u32>,
    object: Cell<usize>,
    spare: [Cell<u64>; 2],
}

/// The block of an object and who holds it.
pub struct Anchor {
    address: usize,
    driver_references: AtomicU32,
    deleting: AtomicBool,
}

impl Anchor {
    /// A block of type `type_code`; `None` when pool is exhausted.
    pub fn new(type_code: u16) -> Option<Self> {
        let address = pool::allocate_engine(PoolKind::NonPaged, SIZE, TAG)?.as_ptr() as usize;
        let anchor = Self { address, driver_references: AtomicU32::new(0), deleting: AtomicBool::new(false) };
        let block = anchor.block();
        block.type_code.set(type_code);
        block.size.set(SIZE as u16);
        block.object.set(0);
        Some(anchor)
    }

    fn block(&self) -> &Block {
        // SAFETY: allocated in `new`, 16-aligned and large enough, freed when the anchor is dropped; all cells.
        unsafe { &*(self.address as *const Block) }
    }

    /// What drivers see.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Refuses rundown references from now on. Returns whether it was going already.
    pub fn mark_deleting(&self) -> bool {
        self.deleting.swap(true, Ordering::AcqRel)
    }

    /// Whether the object is being torn down.
    pub fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::Acquire)
    }

    /// Rundown references that drivers hold.
    pub fn driver_references(&self) -> u32 {
        self.driver_references.load(Ordering::Acquire)
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        // Outside every machine the slot is being taken down, and its pool with it.
        if boundary::try_current().is_some() {
            self.block().type_code.set(0);
            self.block().object.set(0);
            let _ = pool::free(self.address as *const u8, Some(TAG));
        }
    }
}

/// An object that drivers know by its anchor.
pub trait Anchored: Sized + Send + Sync + 'static {
    /// Type code of its block.
    const TYPE_CODE: u16;
    /// Word for messages.
    const WORD: &'static str;
    /// Its anchor.
    fn anchor(&self) -> &Anchor;
}

/// Makes the block of `object` point back at it. Once, right after the `Arc` exists.
pub fn bind<T: Anchored>(object: &Arc<T>) {
    object.anchor().block().object.set(Arc::as_ptr(object) as usize);
}

fn read(address: usize) -> Option<(u16, usize)> {
    let words: [u64; 2] = copy::read_value(address).ok()?;
    Some((words[0] as u16, words[1] as usize))
}

/// The object behind a pointer that a driver passed.
///
/// Errors: a pointer to anything else is a bug check.
pub fn from_address<T: Anchored>(address: usize) -> Result<Arc<T>, Raise> {
    match read(address) {
        Some((code, object)) if code == T::TYPE_CODE && object != 0 => {
            // SAFETY: the block of a live object names its `Arc`, which holds at least one count while the
            // type code stands.
            unsafe { Arc::increment_strong_count(object as *const T) };
            // SAFETY: the count taken above is the one that this `Arc` owns.
            Ok(unsafe { Arc::from_raw(object as *const T) })
        }
        found => Err(bad_pointer(address, T::WORD, found.map(|f| f.0))),
    }
}

/// A filter, and the instance of it that was meant.
pub type FilterAndInstance = (Arc<crate::filter::Filter>, Option<Arc<crate::instance::Instance>>);

/// The object behind a pointer that a driver passed, without a count of its own: for routines that do not wait, on behalf
/// of a driver that keeps the object for the call. Spares two locked instructions.
///
/// Errors: a pointer to anything else is a bug check.
#[inline]
pub fn borrow<T: Anchored>(address: usize) -> Result<ManuallyDrop<Arc<T>>, Raise> {
    match read(address) {
        Some((code, object)) if code == T::TYPE_CODE && object != 0 => {
            // SAFETY: the block of a live object names its `Arc`. The copy made here is never dropped.
            Ok(ManuallyDrop::new(unsafe { Arc::from_raw(object as *const T) }))
        }
        found => Err(bad_pointer(address, T::WORD, found.map(|f| f.0))),
    }
}

/// The volume behind a pointer that a driver passed: its own, or that of an instance.
///
/// Errors: a pointer to anything else is a bug check.
pub fn volume_at(address: usize) -> Result<Arc<crate::volume::Volume>, Raise> {
    match read(address) {
        Some((INSTANCE, _)) => Ok(Arc::clone(&from_address::<crate::instance::Instance>(address)?.volume)),
        _ => from_address(address),
    }
}

/// The filter behind a pointer to it, or to one of its instances, which is named as well.
///
/// Errors: a pointer to anything else is a bug check.
pub fn filter_at(address: usize) -> Result<FilterAndInstance, Raise> {
    match read(address) {
        Some((INSTANCE, _)) => {
            let instance = from_address::<crate::instance::Instance>(address)?;
            Ok((Arc::clone(&instance.filter), Some(instance)))
        }
        _ => Ok((from_address(address)?, None)),
    }
}

fn bad_pointer(address: usize, word: &str, found: Option<u16>) -> Raise {
    let what = match found {
        Some(FILTER) => "which is a filter",
        Some(INSTANCE) => "which is an instance",
        Some(VOLUME) => "which is a volume",
        Some(_) => "which is none: freed, or never one",
        None => "which cannot be read",
    };
    current_core().bug_check(BugCheck::new(
        bugcheck::FLTMGR_FILE_SYSTEM,
        [address as u64, u64::from(found.unwrap_or(0)), 0, 0],
        format!("a filter manager routine was given {address:#x} as a {word}, {what}"),
    ))
}

/// Adds a rundown reference for a driver and returns the pointer to give it.
///
/// Errors:  FLT_DELETING_OBJECT (no reference is added)
pub fn reference_for_driver<T: Anchored>(object: &Arc<T>) -> Result<usize, NtStatus> {
    if object.anchor().is_deleting() {
        return Err(NtStatus::FLT_DELETING_OBJECT);
    }
    object.anchor().driver_references.fetch_add(1, Ordering::AcqRel);
    std::mem::forget(Arc::clone(object));
    Ok(object.anchor().address())
}

fn release<T: Anchored>(address: usize) -> Result<bool, Raise> {
    let object = from_address::<T>(address)?;
    let counted = object
        .anchor()
        .driver_references
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1))
        .is_ok();
    if counted {
        // SAFETY: `reference_for_driver` forgot one count for each driver reference, and one was just given up.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&object)) };
    }
    Ok(counted)
}

/// Gives up every reference that drivers still hold, when the machine goes.
pub fn forget_driver_references<T: Anchored>(object: &Arc<T>) {
    for _ in 0..object.anchor().driver_references.swap(0, Ordering::AcqRel) {
        // SAFETY: as in `release`.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(object)) };
    }
}

/// Adds a rundown reference to a filter, instance or volume.
///
/// Source:  FltObjectReference; OBJ-01, ENUM-10
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  FLT_DELETING_OBJECT; anything else than such an object is a bug check
pub fn flt_object_reference(address: usize) -> Result<NtStatus, Raise> {
    let result = match read(address) {
        Some((FILTER, _)) => reference_for_driver(&from_address::<crate::filter::Filter>(address)?),
        Some((INSTANCE, _)) => reference_for_driver(&from_address::<crate::instance::Instance>(address)?),
        Some((VOLUME, _)) => reference_for_driver(&from_address::<crate::volume::Volume>(address)?),
        found => return Err(bad_pointer(address, "object", found.map(|f| f.0))),
    };
    Ok(result.err().unwrap_or(NtStatus::SUCCESS))
}

/// Gives up a rundown reference.
///
/// Source:  FltObjectDereference; OBJ-02, OBJ-03
/// IRQL:    <= APC_LEVEL
/// Errors:  a reference that was never taken is a finding
pub fn flt_object_dereference(address: usize) -> Result<(), Raise> {
    let balanced = match read(address) {
        Some((FILTER, _)) => release::<crate::filter::Filter>(address)?,
        Some((INSTANCE, _)) => release::<crate::instance::Instance>(address)?,
        Some((VOLUME, _)) => release::<crate::volume::Volume>(address)?,
        found => return Err(bad_pointer(address, "object", found.map(|f| f.0))),
    };
    if !balanced {
        current_core().report(nt_ke::Finding::error(
            "OBJ-03",
            "",
            "FltObjectDereference was called for an object of which no reference is held",
        ));
    }
    Ok(())
}
