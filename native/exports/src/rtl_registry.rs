//! Rtl: the registry by path.

use boundary::{Raise, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE};
use nt_cm as cm;
use nt_ob::ObjectAttributes;
use nt_rtl::string::read_zero_terminated;

use crate::argument::{fault, rows};

rows! { "ntoskrnl.exe", "nt-cm";
    RtlQueryRegistryValues partial "environment variables in REG_EXPAND_SZ stay as they are";
    RtlQueryRegistryValuesEx partial "as RtlQueryRegistryValues";
    RtlWriteRegistryValue done "";
    RtlDeleteRegistryValue done "";
    RtlCheckRegistryKey done "";
    RtlCreateRegistryKey done "";
}

const KERNEL: u8 = 0;
/// KEY_ALL_ACCESS.
const ALL: u32 = 0xF_003F;
/// RTL_REGISTRY_HANDLE: the path is a handle; RTL_REGISTRY_OPTIONAL: the key need not be there.
const HANDLE: u32 = 0x4000_0000;
const OPTIONAL: u32 = 0x8000_0000;

fn text(address: usize) -> Result<String, Raise> {
    if address == 0 {
        return Ok(String::new());
    }
    Ok(String::from_utf16_lossy(&read_zero_terminated(address, 0x8000).map_err(fault)?))
}

/// The whole path of what a caller names.
fn path_of(relative_to: u32, path: usize) -> Result<Result<String, NtStatus>, Raise> {
    if relative_to & HANDLE != 0 {
        let key = match nt_ob::ob_reference_by_handle(path, 0, Some(cm::cm_key_type()), KERNEL) {
            Ok(information) => information.object,
            Err(status) => return Ok(Err(status)),
        };
        let name = nt_ob::ob_query_name(key.address())?;
        key.release()?;
        return Ok(name.map(|name| String::from_utf16_lossy(&name)));
    }
    let Some(base) = cm::cm_base_path(relative_to) else { return Ok(Err(NtStatus::INVALID_PARAMETER)) };
    let path = text(path)?;
    Ok(Ok(match (base.is_empty(), path.is_empty()) {
        (true, _) => path,
        (_, true) => base.to_owned(),
        _ => format!("{base}\\{}", path.trim_start_matches('\\')),
    }))
}

/// Opens or makes a key for `f`, which gets its handle.
fn with_key(
    path: &str,
    create: bool,
    f: impl FnOnce(usize) -> Result<NtStatus, Raise>,
) -> Result<NtStatus, Raise> {
    let units: Vec<u16> = path.encode_utf16().collect();
    let attributes = ObjectAttributes::named(&units, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE);
    let handle = if create {
        cm::cm_create_key(&attributes, ALL, &[], 0, KERNEL)?.map(|(handle, _)| handle)
    } else {
        cm::cm_open_key(&attributes, ALL, KERNEL)?
    };
    match handle {
        Ok(handle) => {
            let status = f(handle)?;
            nt_ob::ob_close_handle(handle, KERNEL)?;
            Ok(status)
        }
        Err(status) => Ok(status),
    }
}

fn delete(path: &str, name: &str) -> Result<NtStatus, Raise> {
    let name: Vec<u16> = name.encode_utf16().collect();
    with_key(path, false, |handle| Ok(cm::cm_delete_value_key(handle, &name, KERNEL)))
}

fn query(relative_to: u32, path: usize, table: usize, context: usize) -> Result<NtStatus, Raise> {
    match path_of(relative_to, path)? {
        Ok(path) => cm::cm_query_table(&path, table, context, relative_to & OPTIONAL != 0, |key, name| {
            delete(key, name).map(|_| ())
        }),
        Err(status) => Ok(status),
    }
}

export! {
    /// Works through a table of values.
    pub fn RtlQueryRegistryValues(relative_to: u32, path: usize, table: usize, context: usize, _environment: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        query(relative_to, path, table, context)
    }

    /// Works through a table of values.
    pub fn RtlQueryRegistryValuesEx(relative_to: u32, path: usize, table: usize, context: usize, _environment: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        query(relative_to, path, table, context)
    }

    /// Sets a value, in a key that is made if it is not there.
    pub fn RtlWriteRegistryValue(relative_to: u32, path: usize, name: usize, kind: u32, data: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let name: Vec<u16> = text(name)?.encode_utf16().collect();
        match path_of(relative_to, path)? {
            Ok(path) => with_key(&path, true, |handle| cm::cm_set_value_key(handle, &name, kind, data, length, KERNEL)),
            Err(status) => Ok(status),
        }
    }

    /// Deletes a value.
    pub fn RtlDeleteRegistryValue(relative_to: u32, path: usize, name: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let name = text(name)?;
        match path_of(relative_to, path)? {
            Ok(path) => delete(&path, &name),
            Err(status) => Ok(status),
        }
    }

    /// Whether a key is there.
    pub fn RtlCheckRegistryKey(relative_to: u32, path: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match path_of(relative_to, path)? {
            Ok(path) => with_key(&path, false, |_| Ok(NtStatus::SUCCESS)),
            Err(status) => Ok(status),
        }
    }

    /// Makes a key.
    pub fn RtlCreateRegistryKey(relative_to: u32, path: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match path_of(relative_to, path)? {
            Ok(path) => with_key(&path, true, |_| Ok(NtStatus::SUCCESS)),
            Err(status) => Ok(status),
        }
    }
}
