//! Extended attributes: short named values of a file, kept by the store as one list.
//!
//! ```text
//! entry: next offset u32 | flags u8 | name length u8 | value length u16 | name, zero | value
//! ```
//!
//! Names are kept in upper case. Setting a value of no bytes takes the attribute away. Statements: PARM-29.

use nt_abi::{IO_STACK_LOCATION, IRP, NtStatus, sl_flags};
use nt_ex::resource::ResourceGuard;
use store::{Blob, FileId};

use crate::fcb::{Volume, of_file};
use crate::{Answer, Done, Failure, buffer};

/// All attributes of a file together.
const LARGEST: usize = 0xFFFF;
const HEAD: usize = 8;

/// One attribute.
#[derive(Clone)]
struct Attribute {
    flags: u8,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Attribute {
    fn record(&self) -> Vec<u8> {
        let mut record = vec![0, 0, 0, 0, self.flags, self.name.len() as u8];
        record.extend((self.value.len() as u16).to_le_bytes());
        record.extend(&self.name);
        record.push(0);
        record.extend(&self.value);
        record
    }
}

/// Takes a list apart that was checked.
fn parse(list: &[u8]) -> Vec<Attribute> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(head) = list.get(at..at + HEAD) {
        let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (name, value) = (usize::from(head[5]), usize::from(u16::from_le_bytes([head[6], head[7]])));
        let from = at + HEAD;
        let (Some(text), Some(bytes)) =
            (list.get(from..from + name), list.get(from + name + 1..from + name + 1 + value))
        else {
            break;
        };
        let name = text.to_ascii_uppercase();
        found.push(Attribute { flags: head[4], name, value: bytes.to_vec() });
        if next == 0 {
            break;
        }
        at += next;
    }
    found
}

/// Puts attributes behind each other, as many as fit. Returns how many.
fn lay_out(attributes: &[Attribute], room: usize) -> (Vec<u8>, usize) {
    let (mut out, mut last, mut count) = (Vec::new(), 0, 0);
    for attribute in attributes {
        let (record, start) = (attribute.record(), out.len().next_multiple_of(4));
        if start + record.len() > room {
            break;
        }
        if count != 0 {
            out[last..last + 4].copy_from_slice(&((start - last) as u32).to_le_bytes());
        }
        out.resize(start, 0);
        out.extend(record);
        (last, count) = (start, count + 1);
    }
    (out, count)
}

fn kept(volume: &Volume, id: FileId) -> Result<Vec<Attribute>, Failure> {
    Ok(volume.store.blob(id, Blob::ExtendedAttributes)?.map_or_else(Vec::new, |list| parse(&list)))
}

/// Bytes that a file's attributes take, as information classes show them.
pub(crate) fn size(volume: &Volume, id: FileId) -> u32 {
    kept(volume, id).map_or(0, |all| lay_out(&all, LARGEST).0.len() as u32)
}

fn is_legal(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| *byte > 0x1F && !br#""*+,/:;<=>?[\]|"#.contains(byte))
}

/// Attributes that a caller gave, checked: as many as one file may have.
pub(crate) struct Given(Vec<Attribute>);

impl Given {
    /// Takes a caller's list apart.
    ///
    /// Errors: EA_LIST_INCONSISTENT · INVALID_EA_NAME · EA_TOO_LARGE
    pub(crate) fn read(list: &[u8]) -> Result<Self, Failure> {
        if nt_io::io_check_ea_list(list).is_err() {
            return Err(NtStatus::EA_LIST_INCONSISTENT.into());
        }
        let given = parse(list);
        if given.iter().any(|attribute| !is_legal(&attribute.name) || attribute.flags & !0x80 != 0) {
            return Err(NtStatus::INVALID_EA_NAME.into());
        }
        if lay_out(&given, LARGEST).1 < given.len() {
            return Err(NtStatus::EA_TOO_LARGE.into());
        }
        Ok(Self(given))
    }
}

/// Merges attributes into what the file has. The caller holds the volume's resource exclusively.
pub(crate) fn merge(volume: &Volume, id: FileId, given: Given) -> Result<(), Failure> {
    let mut all = kept(volume, id)?;
    for attribute in given.0 {
        all.retain(|other| other.name != attribute.name);
        if !attribute.value.is_empty() {
            all.push(attribute);
        }
    }
    let (bytes, count) = lay_out(&all, LARGEST);
    if count < all.len() {
        return Err(NtStatus::EA_TOO_LARGE.into());
    }
    let bytes = (!bytes.is_empty()).then_some(&bytes[..]);
    volume.store.set_blob(id, Blob::ExtendedAttributes, bytes)?;
    Ok(())
}

/// Forgets all attributes of a file that is superseded or overwritten.
pub(crate) fn clear(volume: &Volume, id: FileId) -> Result<(), Failure> {
    Ok(volume.store.set_blob(id, Blob::ExtendedAttributes, None)?)
}

/// IRP_MJ_SET_EA.
pub(crate) fn set(volume: &Volume, irp: &IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, _) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let mut list = vec![0; stack.Parameters.SetEa().Length.get() as usize];
    boundary::copy::read(buffer::data_address(irp)?, &mut list)?;
    let given = Given::read(&list)?;
    let _guard = ResourceGuard::exclusive(volume.resource)?;
    merge(volume, fcb.id(), given)?;
    Ok(NtStatus::SUCCESS.into())
}

/// The names that a `FILE_GET_EA_INFORMATION` list asks for.
fn wanted(address: usize, length: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let mut list = vec![0; length];
    boundary::copy::read(address, &mut list)?;
    let (mut names, mut at) = (Vec::new(), 0);
    loop {
        let head = list.get(at..at + 5).ok_or(NtStatus::EA_LIST_INCONSISTENT)?;
        let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = list.get(at + 5..at + 5 + usize::from(head[4])).ok_or(NtStatus::EA_LIST_INCONSISTENT)?;
        names.push(name.to_ascii_uppercase());
        match next {
            0 => return Ok(names),
            next if next % 4 == 0 => at += next,
            _ => return Err(NtStatus::EA_LIST_INCONSISTENT.into()),
        }
    }
}

/// IRP_MJ_QUERY_EA. Source: PARM-29.
pub(crate) fn query(volume: &Volume, irp: &IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, ccb) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.QueryEa();
    let (flags, room) = (stack.Flags.get(), parameters.Length.get() as usize);
    let list = (parameters.EaList.get() as usize, parameters.EaListLength.get() as usize);
    let to = buffer::data_address(irp)?;
    let _guard = ResourceGuard::shared(volume.resource)?;
    let all = kept(volume, fcb.id())?;
    let named = list.0 != 0 && list.1 != 0;
    let mut chosen = if named {
        let of = |name: Vec<u8>| {
            let missing = Attribute { flags: 0, name: name.clone(), value: Vec::new() };
            all.iter().find(|attribute| attribute.name == name).cloned().unwrap_or(missing)
        };
        wanted(list.0, list.1)?.into_iter().map(of).collect()
    } else {
        if all.is_empty() {
            return Err(NtStatus::NO_EAS_ON_FILE.into());
        }
        let from = if flags & sl_flags::SL_INDEX_SPECIFIED != 0 {
            match parameters.EaIndex.get() as usize {
                index if index >= 1 && index <= all.len() + 1 => index - 1,
                _ => return Err(NtStatus::NONEXISTENT_EA_ENTRY.into()),
            }
        } else if flags & sl_flags::SL_RESTART_SCAN != 0 {
            0
        } else {
            ccb.ea_next.get() as usize
        };
        ccb.ea_next.set(from as u32);
        all.get(from..).unwrap_or_default().to_vec()
    };
    if chosen.is_empty() {
        return Err(NtStatus::NO_MORE_EAS.into());
    }
    if flags & sl_flags::SL_RETURN_SINGLE_ENTRY != 0 {
        chosen.truncate(1);
    }
    let (out, count) = lay_out(&chosen, room);
    if count == 0 {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    if !named {
        ccb.ea_next.set(ccb.ea_next.get() + count as u32);
    }
    boundary::copy::write(to, &out)?;
    let status = if count < chosen.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
    Ok(Done::new(status, out.len()))
}
