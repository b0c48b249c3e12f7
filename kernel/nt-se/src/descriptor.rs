//! Self-relative security descriptors as bytes: reading, picking parts, replacing parts.
//!
//! A descriptor from a driver is copied out of its memory first; nothing here touches machine memory.

use crate::sid::Sid;

/// OWNER_SECURITY_INFORMATION.
pub const OWNER: u32 = 1;
/// GROUP_SECURITY_INFORMATION.
pub const GROUP: u32 = 2;
/// DACL_SECURITY_INFORMATION.
pub const DACL: u32 = 4;
/// SACL_SECURITY_INFORMATION.
pub const SACL: u32 = 8;

const HEADER: usize = 20;
const SELF_RELATIVE: u16 = 0x8000;
const DACL_PRESENT: u16 = 4;
const SACL_PRESENT: u16 = 0x10;
const DACL_BITS: u16 = 0x140C;
const SACL_BITS: u16 = 0x2830;

/// The parts of a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Control bits without SE_SELF_RELATIVE.
    pub control: u16,
    /// Owner.
    pub owner: Option<Sid>,
    /// Primary group.
    pub group: Option<Sid>,
    /// Discretionary list; `None` with SE_DACL_PRESENT is a null list, which grants everything.
    pub dacl: Option<Vec<u8>>,
    /// System list.
    pub sacl: Option<Vec<u8>>,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn double_word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn list(bytes: &[u8], offset: u32) -> Option<Option<Vec<u8>>> {
    if offset == 0 {
        return Some(None);
    }
    let start = offset as usize;
    let length = usize::from(word(bytes, start + 2)?);
    if length < 8 {
        return None;
    }
    Some(Some(bytes.get(start..start + length)?.to_vec()))
}

impl Parts {
    /// The parts of the self-relative descriptor in `bytes`. `None` if it is malformed.
    ///
    /// Source: RtlValidRelativeSecurityDescriptor
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let control = word(bytes, 2)?;
        if bytes[0] != 1 || control & SELF_RELATIVE == 0 {
            return None;
        }
        let sid = |at: usize| match double_word(bytes, at)? {
            0 => Some(None),
            offset => Sid::read(bytes.get(offset as usize..)?).map(Some),
        };
        Some(Self {
            control: control & !SELF_RELATIVE,
            owner: sid(4)?,
            group: sid(8)?,
            sacl: if control & SACL_PRESENT != 0 { list(bytes, double_word(bytes, 12)?)? } else { None },
            dacl: if control & DACL_PRESENT != 0 { list(bytes, double_word(bytes, 16)?)? } else { None },
        })
    }

    /// The self-relative form: lists first, as NTFS writes them.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0] = 1;
        bytes[2..4].copy_from_slice(&(self.control | SELF_RELATIVE).to_le_bytes());
        let parts = [
            (12, self.sacl.as_deref()),
            (16, self.dacl.as_deref()),
            (4, self.owner.as_ref().map(Sid::bytes)),
            (8, self.group.as_ref().map(Sid::bytes)),
        ];
        for (at, part) in parts {
            if let Some(part) = part {
                let offset = bytes.len() as u32;
                bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
                bytes.extend_from_slice(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        bytes
    }

    /// The entries of the discretionary list: type, flags, mask, identifier. `None` when everything is granted.
    pub fn entries(&self) -> Option<Vec<(u8, u8, u32, Sid)>> {
        let dacl = self.dacl.as_ref()?;
        let count = word(dacl, 4).unwrap_or(0);
        let mut entries = Vec::new();
        let mut at = 8;
        for _ in 0..count {
            let (Some(&kind), Some(&flags), Some(size)) =
                (dacl.get(at), dacl.get(at + 1), word(dacl, at + 2))
            else {
                break;
            };
            let mask = double_word(dacl, at + 4);
            let sid = dacl.get(at + 8..).and_then(Sid::read);
            if let (Some(mask), Some(sid)) = (mask, sid) {
                entries.push((kind, flags, mask, sid));
            }
            if size < 4 {
                break;
            }
            at += usize::from(size);
        }
        Some(entries)
    }
}

/// A list of ACCESS_ALLOWED entries.
pub fn allow_list(entries: &[(u32, Sid)]) -> Vec<u8> {
    let mut list = vec![2, 0, 0, 0, entries.len() as u8, 0, 0, 0];
    for (mask, sid) in entries {
        let size = (8 + sid.bytes().len()) as u16;
        list.extend_from_slice(&[0, 0]);
        list.extend_from_slice(&size.to_le_bytes());
        list.extend_from_slice(&mask.to_le_bytes());
        list.extend_from_slice(sid.bytes());
    }
    let length = list.len() as u16;
    list[2..4].copy_from_slice(&length.to_le_bytes());
    list
}

/// What a file or object has that nobody gave a descriptor: owned by the administrators, full access for the
/// system, the administrators and everyone.
pub fn default_descriptor() -> Vec<u8> {
    const ALL: u32 = 0x1F_01FF;
    let everybody = [Sid::local_system(), Sid::administrators(), Sid::everyone()];
    Parts {
        control: DACL_PRESENT,
        owner: Some(Sid::administrators()),
        group: Some(Sid::local_system()),
        dacl: Some(allow_list(&everybody.map(|sid| (ALL, sid)))),
        sacl: None,
    }
    .write()
}

/// Bytes of a valid self-relative descriptor at the start of `bytes`. Source: RtlLengthSecurityDescriptor
pub fn descriptor_length(bytes: &[u8]) -> Option<usize> {
    Parts::read(bytes).map(|parts| parts.write().len())
}

/// The parts of `descriptor` that `information` asks for.
///
/// Source: SeQuerySecurityDescriptorInfo. `None` if the descriptor is malformed.
pub fn select_descriptor(descriptor: &[u8], information: u32) -> Option<Vec<u8>> {
    let mut parts = Parts::read(descriptor)?;
    if information & OWNER == 0 {
        parts.owner = None;
    }
    if information & GROUP == 0 {
        parts.group = None;
    }
    if information & DACL == 0 {
        parts.dacl = None;
        parts.control &= !DACL_BITS;
    }
    if information & SACL == 0 {
        parts.sacl = None;
        parts.control &= !SACL_BITS;
    }
    Some(parts.write())
}

/// `old` with the parts that `information` names taken from `new`.
///
/// Source: SeSetSecurityDescriptorInfo. `None` if either is malformed, or the owner or group would go.
pub fn merge_descriptor(old: &[u8], new: &[u8], information: u32) -> Option<Vec<u8>> {
    let mut parts = Parts::read(old)?;
    let given = Parts::read(new)?;
    if information & OWNER != 0 {
        parts.owner = Some(given.owner?);
    }
    if information & GROUP != 0 {
        parts.group = Some(given.group?);
    }
    if information & DACL != 0 {
        parts.dacl = given.dacl;
        parts.control = (parts.control & !DACL_BITS) | (given.control & DACL_BITS);
    }
    if information & SACL != 0 {
        parts.sacl = given.sacl;
        parts.control = (parts.control & !SACL_BITS) | (given.control & SACL_BITS);
    }
    Some(parts.write())
}
