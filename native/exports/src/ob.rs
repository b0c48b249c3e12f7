//! Ob: references.

use boundary::export;
use nt_abi::NtStatus;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};

use crate::argument::{rows, store, store_if};

rows! { "ntoskrnl.exe", "nt-ob";
    ObfReferenceObject done "";
    ObfDereferenceObject done "";
    ObReferenceObjectByHandle done "";
    ObReferenceObjectByPointer done "";
    ObOpenObjectByPointer done "";
    ObQueryNameString done "";
}

pub(crate) fn kind(address: usize) -> Option<&'static nt_ob::ObjectType> {
    if address == 0 { None } else { nt_ob::ob_type_at(address) }
}

export! {
    /// Adds a reference and returns the count that it made, unless another thread changed it at the same time.
    pub fn ObfReferenceObject(object: usize) -> i64 [irql <= DISPATCH_LEVEL] {
        nt_ob::ob_reference(object)?;
        nt_ob::ob_pointer_count(object)
    }

    /// Takes a reference back and returns the count that it left, unless another thread changed it at the same time.
    pub fn ObfDereferenceObject(object: usize) -> i64 [irql <= DISPATCH_LEVEL] {
        let before = nt_ob::ob_pointer_count(object)?;
        nt_ob::ob_dereference(object)?;
        Ok(before - 1)
    }

    /// The object behind a handle, referenced.
    pub fn ObReferenceObjectByHandle(handle: usize, access: u32, wanted: usize, mode: u8, out: *mut usize, information: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match nt_ob::ob_reference_by_handle(handle, access, kind(wanted), mode) {
            Ok(found) => {
                let facts = u64::from(found.attributes) | u64::from(found.granted_access) << 32;
                store_if(information, facts)?;
                store(out, found.object.into_raw(), "ObReferenceObjectByHandle", "Object")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Adds a reference if the type is right.
    pub fn ObReferenceObjectByPointer(object: usize, _access: u32, wanted: usize, _mode: u8) -> NtStatus [irql <= DISPATCH_LEVEL] {
        match nt_ob::ob_reference_by_pointer(object, kind(wanted))? {
            Ok(reference) => {
                let _ = reference.into_raw();
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// A handle for an object.
    pub fn ObOpenObjectByPointer(object: usize, attributes: u32, _state: usize, access: u32, wanted: usize, _mode: u8, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match nt_ob::ob_open_by_pointer(object, attributes, access, kind(wanted))? {
            Ok(handle) => {
                store(out, handle, "ObOpenObjectByPointer", "Handle")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// The name of an object.
    pub fn ObQueryNameString(object: usize, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let (status, bytes) = nt_ob::ob_query_name_string(object, buffer, length)?;
        store_if(needed, bytes)?;
        Ok(status)
    }
}
