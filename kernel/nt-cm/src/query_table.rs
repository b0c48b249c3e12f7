//! `RtlQueryRegistryValues` and the other registry routines of the run-time library, which take paths.
//!
//! ```text
//! RTL_QUERY_REGISTRY_TABLE entries, one after the other:
//!   SUBKEY, TOPKEY move ─► a value, or all values of the key ─► the driver's routine, or (DIRECT) a buffer of its own
//! ```
//!
//! Values go through buffers in pool, since the driver's routine gets their addresses. Environment variables in
//! REG_EXPAND_SZ stay as they are: there is no environment.

use boundary::{Raise, copy};
use nt_abi::{NativeFn, NtStatus, REG_EXPAND_SZ, REG_MULTI_SZ, REG_NONE, REG_SZ};
use nt_ex::pool::{self, PoolKind};

use crate::store::{cm_get, cm_values};
use crate::tree::Value;

const TAG: u32 = u32::from_le_bytes(*b"CmRt");
/// Tag of buffers that `RtlFreeUnicodeString` gives back.
const STRING_TAG: u32 = u32::from_le_bytes(*b"RtlS");
/// Bytes of an entry.
const ENTRY: usize = 0x38;

mod flag {
    pub const SUBKEY: u32 = 1;
    pub const TOPKEY: u32 = 2;
    pub const REQUIRED: u32 = 4;
    pub const NOVALUE: u32 = 8;
    pub const NOEXPAND: u32 = 0x10;
    pub const DIRECT: u32 = 0x20;
    pub const DELETE: u32 = 0x40;
    pub const TYPECHECK: u32 = 0x100;
}

/// Where the paths of `RelativeTo` begin. `None` for a number that there is not.
///
/// Source: RTL_REGISTRY_ABSOLUTE to RTL_REGISTRY_USER
pub fn cm_base_path(relative_to: u32) -> Option<&'static str> {
    Some(match relative_to & 0xFF {
        0 => "",
        1 => r"\Registry\Machine\System\CurrentControlSet\Services",
        2 => r"\Registry\Machine\System\CurrentControlSet\Control",
        3 => r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion",
        4 => r"\Registry\Machine\Hardware\DeviceMap",
        5 => r"\Registry\User\.Default",
        _ => return None,
    })
}

/// One entry of a table.
struct Entry {
    routine: NativeFn,
    flags: u32,
    name: Option<String>,
    context: usize,
    default: (u32, usize, u32),
}

fn text_at(address: usize) -> Result<Option<String>, Raise> {
    if address == 0 {
        return Ok(None);
    }
    let mut units = Vec::new();
    loop {
        match copy::read_value::<u16>(address + units.len() * 2)? {
            0 => return Ok(Some(String::from_utf16_lossy(&units))),
            unit => units.push(unit),
        }
    }
}

impl Entry {
    fn read(at: usize) -> Result<Self, Raise> {
        Ok(Self {
            routine: NativeFn(copy::read_value(at)?),
            flags: copy::read_value(at + 8)?,
            name: text_at(copy::read_value(at + 0x10)?)?,
            context: copy::read_value(at + 0x18)?,
            default: (
                copy::read_value(at + 0x20)?,
                copy::read_value(at + 0x28)?,
                copy::read_value(at + 0x30)?,
            ),
        })
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The value that stands for one that is not there.
    fn default(&self) -> Result<Option<Value>, Raise> {
        let (kind, address, length) = self.default;
        let kind = if self.has(flag::TYPECHECK) { kind & 0xFF_FFFF } else { kind };
        if kind == REG_NONE || address == 0 {
            return Ok(None);
        }
        let bytes = match length {
            0 if kind == REG_MULTI_SZ => multi_length(address)?,
            0 => (text_at(address)?.unwrap_or_default().encode_utf16().count() + 1) * 2,
            length => length as usize,
        };
        let mut data = vec![0; bytes];
        copy::read(address, &mut data)?;
        Ok(Some(Value { kind, data }))
    }
}

/// Bytes of strings that an empty one ends.
fn multi_length(address: usize) -> Result<usize, Raise> {
    let mut at = 0;
    loop {
        let text = text_at(address + at)?.unwrap_or_default();
        at += (text.encode_utf16().count() + 1) * 2;
        if text.is_empty() {
            return Ok(at);
        }
    }
}

fn units(data: &[u8]) -> Vec<u16> {
    data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// Bytes in pool while `f` runs.
fn lent<R>(bytes: &[u8], f: impl FnOnce(usize) -> Result<R, Raise>) -> Result<Result<R, NtStatus>, Raise> {
    let Some(block) = pool::allocate_engine(PoolKind::Paged, bytes.len().max(1), TAG) else {
        return Ok(Err(NtStatus::NO_MEMORY));
    };
    copy::write(block.as_ptr() as usize, bytes)?;
    let result = f(block.as_ptr() as usize)?;
    pool::free(block.as_ptr(), Some(TAG))?;
    Ok(Ok(result))
}

/// Calls the driver's routine with a value.
fn call(entry: &Entry, name: &str, value: &Value, context: usize) -> Result<NtStatus, Raise> {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let answer = lent(&bytes_of(&name), |name| {
        lent(&value.data, |data| {
            let data = if value.data.is_empty() { 0 } else { data as u64 };
            let arguments = [
                name as u64,
                u64::from(value.kind),
                data,
                value.data.len() as u64,
                context as u64,
                entry.context as u64,
            ];
            boundary::call(entry.routine, arguments)
        })
    })?;
    Ok(match answer {
        Ok(Ok(status)) => NtStatus(status as i32),
        Ok(Err(status)) | Err(status) => status,
    })
}

/// Stores a value where the entry's context says.
fn store(entry: &Entry, value: &Value) -> Result<NtStatus, Raise> {
    let length = value.data.len();
    if matches!(value.kind, REG_SZ | REG_EXPAND_SZ | REG_MULTI_SZ) {
        let mut text = units(&value.data);
        if value.kind != REG_MULTI_SZ {
            text.truncate(text.iter().position(|unit| *unit == 0).unwrap_or(text.len()));
        }
        let bytes = bytes_of(&text);
        if bytes.len() + 2 > 0xFFFF {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        let mut buffer = copy::read_value::<usize>(entry.context + 8)?;
        if buffer == 0 {
            let Some(block) = pool::allocate(PoolKind::Paged, bytes.len() + 2, STRING_TAG, true) else {
                return Ok(NtStatus::NO_MEMORY);
            };
            buffer = block.as_ptr() as usize;
            copy::write_value(entry.context + 2, (bytes.len() + 2) as u16)?;
            copy::write_value(entry.context + 8, buffer)?;
        } else if usize::from(copy::read_value::<u16>(entry.context + 2)?) < bytes.len() + 2 {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        copy::write(buffer, &bytes)?;
        copy::write_value(buffer + bytes.len(), 0u16)?;
        copy::write_value(entry.context, bytes.len() as u16)?;
        return Ok(NtStatus::SUCCESS);
    }
    if length <= 4 {
        copy::write(entry.context, &value.data)?;
        return Ok(NtStatus::SUCCESS);
    }
    // The buffer says how large it is; a negative number asks for the data alone.
    let room = copy::read_value::<i32>(entry.context)?;
    let head = if room < 0 { 0 } else { 8 };
    if (room.unsigned_abs() as usize) < length + head {
        return Ok(NtStatus::BUFFER_TOO_SMALL);
    }
    if head != 0 {
        copy::write_value(entry.context, length as u32)?;
        copy::write_value(entry.context + 4, value.kind)?;
    }
    copy::write(entry.context + head, &value.data)?;
    Ok(NtStatus::SUCCESS)
}

/// Gives a value to whoever wants it.
fn deliver(entry: &Entry, name: &str, value: &Value, context: usize) -> Result<NtStatus, Raise> {
    let expand = !entry.has(flag::NOEXPAND);
    if entry.has(flag::DIRECT) {
        if entry.has(flag::TYPECHECK) && entry.default.0 >> 24 != value.kind {
            return Ok(NtStatus::OBJECT_TYPE_MISMATCH);
        }
        return store(entry, value);
    }
    match value.kind {
        REG_MULTI_SZ if expand => {
            for text in units(&value.data).split(|unit| *unit == 0).filter(|text| !text.is_empty()) {
                let mut data = bytes_of(text);
                data.extend([0, 0]);
                let status = call(entry, name, &Value { kind: REG_SZ, data }, context)?;
                if !status.is_success() {
                    return Ok(status);
                }
            }
            Ok(NtStatus::SUCCESS)
        }
        REG_EXPAND_SZ if expand => {
            call(entry, name, &Value { kind: REG_SZ, data: value.data.clone() }, context)
        }
        _ => call(entry, name, value, context),
    }
}

/// Works through the table at `table`, beginning at the key `path`. `delete` takes away a value that DELETE names.
///
/// Source:  RtlQueryRegistryValues
/// IRQL:    PASSIVE_LEVEL
/// Errors:  ObjectNameNotFound (the key, unless `optional`; a REQUIRED value) · InvalidParameter · BufferTooSmall ·
///          ObjectTypeMismatch (TYPECHECK) · what the driver's routine answers
pub fn cm_query_table(
    path: &str,
    table: usize,
    context: usize,
    optional: bool,
    mut delete: impl FnMut(&str, &str) -> Result<(), Raise>,
) -> Result<NtStatus, Raise> {
    if !optional && let Err(status) = cm_values(path) {
        return Ok(status);
    }
    let mut key = path.to_owned();
    let mut at = table;
    loop {
        let entry = Entry::read(at)?;
        at += ENTRY;
        if entry.routine.is_null() && !entry.has(flag::SUBKEY | flag::DIRECT) {
            return Ok(NtStatus::SUCCESS);
        }
        let wrong = (entry.has(flag::DIRECT)
            && (entry.name.is_none() || entry.has(flag::SUBKEY) || !entry.routine.is_null()))
            || (entry.has(flag::SUBKEY) && entry.name.is_none());
        if wrong {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        if entry.has(flag::TOPKEY | flag::SUBKEY) {
            key = path.to_owned();
        }
        let all = entry.name.is_none() || entry.has(flag::SUBKEY);
        if let Some(name) = entry.name.as_deref().filter(|_| entry.has(flag::SUBKEY)) {
            key = format!("{path}\\{name}");
            match cm_values(&key) {
                Err(status) if entry.has(flag::REQUIRED) => return Ok(status),
                Err(_) => continue,
                Ok(_) if entry.routine.is_null() => continue,
                Ok(_) => {}
            }
        }
        let status = if entry.has(flag::NOVALUE) {
            call(&entry, "", &Value { kind: REG_NONE, data: Vec::new() }, context)?
        } else if all {
            let mut status = NtStatus::SUCCESS;
            for (name, value) in cm_values(&key).unwrap_or_default() {
                status = deliver(&entry, &name, &value, context)?;
                if !status.is_success() {
                    break;
                }
                if entry.has(flag::DELETE) {
                    delete(&key, &name)?;
                }
            }
            status
        } else {
            let name = entry.name.as_deref().unwrap_or_default();
            match cm_get(&key, name) {
                Ok(value) => {
                    let status = deliver(&entry, name, &value, context)?;
                    if status.is_success() && entry.has(flag::DELETE) {
                        delete(&key, name)?;
                    }
                    status
                }
                Err(status) if entry.has(flag::REQUIRED) => status,
                Err(_) => match entry.default()? {
                    Some(value) => deliver(&entry, name, &value, context)?,
                    None => NtStatus::SUCCESS,
                },
            }
        };
        if !status.is_success() {
            return Ok(status);
        }
    }
}
