//! Ob: references with tags, objects by name, types and temporary objects.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NtStatus, UNICODE_STRING};
use nt_ob as ob;

use crate::argument::{arg, rows, store, store_if};
use crate::flt_string::units;
use crate::ob::kind;

rows! { "ntoskrnl.exe", "nt-ob";
    ObfReferenceObjectWithTag done "tags are not kept";
    ObfDereferenceObjectWithTag done "tags are not kept";
    ObReferenceObjectByPointerWithTag done "tags are not kept";
    ObReferenceObjectByHandleWithTag done "tags are not kept";
    ObDereferenceObjectDeferDelete done "above PASSIVE_LEVEL every deletion is deferred";
    ObDereferenceObjectDeferDeleteWithTag done "tags are not kept";
    ObReferenceObjectSafe done "";
    ObReferenceObjectByName done "";
    ObOpenObjectByName partial "no parse context";
    ObMakeTemporaryObject done "";
    ObCloseHandle done "";
    ObIsKernelHandle done "";
    ObGetObjectType done "";
}

fn referenced(object: usize, wanted: usize) -> Result<NtStatus, Raise> {
    Ok(match ob::ob_reference_by_pointer(object, kind(wanted))? {
        Ok(reference) => {
            let _ = reference.into_raw();
            NtStatus::SUCCESS
        }
        Err(status) => status,
    })
}

export! {
    /// Adds a reference.
    pub fn ObfReferenceObjectWithTag(object: usize, _tag: u32) -> usize [irql <= DISPATCH_LEVEL] {
        ob::ob_reference(object)?;
        Ok(ob::ob_pointer_count(object)? as usize)
    }

    /// Takes a reference back.
    pub fn ObfDereferenceObjectWithTag(object: usize, _tag: u32) -> usize [irql <= DISPATCH_LEVEL] {
        let left = ob::ob_pointer_count(object)? - 1;
        ob::ob_dereference(object)?;
        Ok(left.max(0) as usize)
    }

    /// Adds a reference if the type is right.
    pub fn ObReferenceObjectByPointerWithTag(object: usize, _access: u32, wanted: usize, _mode: u8, _tag: u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        referenced(object, wanted)
    }

    /// The object behind a handle, referenced.
    pub fn ObReferenceObjectByHandleWithTag(handle: usize, access: u32, wanted: usize, mode: u8, _tag: u32, out: *mut usize, information: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match ob::ob_reference_by_handle(handle, access, kind(wanted), mode) {
            Ok(found) => {
                store_if(information, u64::from(found.attributes) | u64::from(found.granted_access) << 32)?;
                store(out, found.object.into_raw(), "ObReferenceObjectByHandleWithTag", "Object")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Takes a reference back.
    pub fn ObDereferenceObjectDeferDelete(object: usize) -> () [irql <= DISPATCH_LEVEL] { ob::ob_dereference(object) }

    /// Takes a reference back.
    pub fn ObDereferenceObjectDeferDeleteWithTag(object: usize, _tag: u32) -> () [irql <= DISPATCH_LEVEL] { ob::ob_dereference(object) }

    /// Adds a reference unless the object is being deleted.
    pub fn ObReferenceObjectSafe(object: usize) -> bool [irql <= DISPATCH_LEVEL] { Ok(ob::ob_reference_safe(object)) }

    /// An object by absolute name, referenced.
    pub fn ObReferenceObjectByName(name: *mut UNICODE_STRING, attributes: u32, _state: usize, _access: u32, wanted: usize, _mode: u8, _context: usize, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ObReferenceObjectByName: name);
        match ob::ob_reference_by_name(&units(name)?, attributes, kind(wanted))? {
            Ok(reference) => {
                store(out, reference.into_raw(), "ObReferenceObjectByName", "Object")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// A handle to an object by name.
    pub fn ObOpenObjectByName(attributes: usize, wanted: usize, mode: u8, _state: usize, access: u32, context: usize, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = crate::zw_object::captured!(attributes);
        if context != 0 {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        crate::zw_object::give(ob::ob_open_by_name(&attributes, kind(wanted), mode, access, &mut ())?, out, "ObOpenObjectByName")
    }

    /// Lets a name go with the last handle.
    pub fn ObMakeTemporaryObject(object: usize) -> () [irql <= PASSIVE_LEVEL] { ob::ob_make_temporary(object) }

    /// Closes a handle.
    pub fn ObCloseHandle(handle: usize, mode: u8) -> NtStatus [irql <= PASSIVE_LEVEL] { ob::ob_close_handle(handle, mode) }

    /// Whether a handle is the kernel's.
    pub fn ObIsKernelHandle(handle: usize) -> bool [irql <= HIGH_LEVEL] { Ok(ob::ob_is_kernel_handle(handle)) }

    /// The type of an object.
    pub fn ObGetObjectType(object: usize) -> usize [irql <= APC_LEVEL] { Ok(ob::ob_object_type(object)?.address()) }
}
