//! Zw: handles and registry keys.

use boundary::{Raise, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{NtStatus, UNICODE_STRING};
use nt_cm::{self as cm, Disposition};
use nt_ob::ObjectAttributes;

use crate::argument::{arg, optional, rows, store, store_if};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-cm";
    ZwClose done "";
    NtClose done "";
    ZwOpenKey done "";
    ZwOpenKeyEx done "";
    ZwCreateKey done "";
    ZwQueryValueKey done "";
    ZwEnumerateValueKey done "";
    ZwQueryKey done "";
    ZwEnumerateKey done "";
    ZwSetValueKey done "";
    ZwDeleteValueKey done "";
    ZwDeleteKey done "";
    ZwFlushKey done "";
    IoOpenDriverRegistryKey partial "DriverRegKeyParameters only";
}

/// Zw calls come from kernel mode.
const KERNEL: u8 = 0;

fn attributes(address: usize) -> Result<Result<ObjectAttributes, NtStatus>, Raise> {
    ObjectAttributes::capture(address)
}

fn open(out: *mut usize, access: u32, address: usize) -> Result<NtStatus, Raise> {
    let attributes = match attributes(address)? {
        Ok(attributes) => attributes,
        Err(status) => return Ok(status),
    };
    give(cm::cm_open_key(&attributes, access, KERNEL)?, out)
}

fn give(handle: Result<usize, NtStatus>, out: *mut usize) -> Result<NtStatus, Raise> {
    match handle {
        Ok(handle) => {
            store(out, handle, "ZwOpenKey", "KeyHandle")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

fn told(result: (NtStatus, u32), needed: *mut u32) -> Result<NtStatus, Raise> {
    store_if(needed, result.1)?;
    Ok(result.0)
}

export! {
    /// Closes a handle.
    pub fn ZwClose(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        nt_ob::ob_close_handle(handle, KERNEL)
    }

    /// Closes a handle of the previous mode.
    pub fn NtClose(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        nt_io::nt_close(handle)
    }

    /// Opens a key.
    pub fn ZwOpenKey(out: *mut usize, access: u32, address: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        open(out, access, address)
    }

    /// Opens a key.
    pub fn ZwOpenKeyEx(out: *mut usize, access: u32, address: usize, _options: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        open(out, access, address)
    }

    /// Opens or makes a key.
    pub fn ZwCreateKey(out: *mut usize, access: u32, address: usize, _index: u32, class: *mut UNICODE_STRING, options: u32, disposition: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = match attributes(address)? {
            Ok(attributes) => attributes,
            Err(status) => return Ok(status),
        };
        let class = optional(class, "ZwCreateKey", "Class")?.map(units).transpose()?.unwrap_or_default();
        match cm::cm_create_key(&attributes, access, &class, options, KERNEL)? {
            Ok((handle, found)) => {
                store_if(disposition, if found == Disposition::Opened { 2 } else { 1 })?;
                give(Ok(handle), out)
            }
            Err(status) => Ok(status),
        }
    }

    /// A value of a key.
    pub fn ZwQueryValueKey(handle: usize, name: *mut UNICODE_STRING, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ZwQueryValueKey: name);
        told(cm::cm_query_value_key(handle, &units(name)?, class, buffer, length, KERNEL)?, needed)
    }

    /// A value of a key, by index.
    pub fn ZwEnumerateValueKey(handle: usize, index: u32, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(cm::cm_enumerate_value_key(handle, index, class, buffer, length, KERNEL)?, needed)
    }

    /// What is known of a key.
    pub fn ZwQueryKey(handle: usize, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(cm::cm_query_key(handle, class, buffer, length, KERNEL)?, needed)
    }

    /// A subkey, by index.
    pub fn ZwEnumerateKey(handle: usize, index: u32, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(cm::cm_enumerate_key(handle, index, class, buffer, length, KERNEL)?, needed)
    }

    /// Sets a value.
    pub fn ZwSetValueKey(handle: usize, name: *mut UNICODE_STRING, _index: u32, kind: u32, data: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ZwSetValueKey: name);
        cm::cm_set_value_key(handle, &units(name)?, kind, data, length, KERNEL)
    }

    /// Deletes a value.
    pub fn ZwDeleteValueKey(handle: usize, name: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ZwDeleteValueKey: name);
        Ok(cm::cm_delete_value_key(handle, &units(name)?, KERNEL))
    }

    /// Deletes a key.
    pub fn ZwDeleteKey(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(cm::cm_delete_key(handle, KERNEL))
    }

    /// The registry is in memory: nothing waits to be written.
    pub fn ZwFlushKey(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(cm::cm_flush_key(handle, KERNEL))
    }

    /// A driver's `Parameters` key.
    pub fn IoOpenDriverRegistryKey(driver: *mut nt_abi::DRIVER_OBJECT, kind: u32, access: u32, _flags: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoOpenDriverRegistryKey: driver);
        if kind != 0 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        let name = nt_io::driver_name(driver);
        let service = name.rsplit('\\').next().unwrap_or(&name);
        let path = format!(r"\Registry\Machine\System\CurrentControlSet\Services\{service}\Parameters");
        let path: Vec<u16> = path.encode_utf16().collect();
        let attributes = ObjectAttributes::named(&path, nt_abi::OBJ_CASE_INSENSITIVE | nt_abi::OBJ_KERNEL_HANDLE);
        match cm::cm_create_key(&attributes, access, &[], 0, KERNEL)? {
            Ok((handle, _)) => give(Ok(handle), out),
            Err(status) => Ok(status),
        }
    }
}
