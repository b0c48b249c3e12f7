//! The records that queries answer with, and the rules of their lengths.
//!
//! ```text
//! length < fixed part           BUFFER_TOO_SMALL, nothing written
//! length < whole record         BUFFER_OVERFLOW, as much as fits
//! else                          SUCCESS
//! ```
//! The length that the whole record takes is answered in each case.

#![expect(non_upper_case_globals, reason = "classes are matched by their NT names")]

use boundary::{Raise, copy};
use nt_abi::{
    KeyBasicInformation, KeyFullInformation, KeyNameInformation, KeyNodeInformation,
    KeyValueBasicInformation, KeyValueFullInformation, KeyValueFullInformationAlign64,
    KeyValuePartialInformation, KeyValuePartialInformationAlign64, NtStatus,
};

use crate::tree::{KeyId, NamedValue, Tree};

/// A whole record and how much of it is the fixed part.
pub(crate) struct Record {
    bytes: Vec<u8>,
    fixed: usize,
}

impl Record {
    fn new(words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self { fixed: bytes.len(), bytes }
    }

    fn text(mut self, text: &[u16]) -> Self {
        self.bytes.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
        self
    }

    fn data(mut self, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(data);
        self
    }

    /// Puts the record into a caller's buffer. Returns the status and the length of the whole record.
    pub(crate) fn deliver(self, buffer: usize, length: u32) -> Result<(NtStatus, u32), Raise> {
        let needed = self.bytes.len() as u32;
        let length = length as usize;
        if length < self.fixed {
            return Ok((NtStatus::BUFFER_TOO_SMALL, needed));
        }
        let fits = self.bytes.len().min(length);
        copy::write(buffer, &self.bytes[..fits])?;
        let status = if fits < self.bytes.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
        Ok((status, needed))
    }
}

/// The record of `class` for a value. Errors: InvalidParameter (class)
pub(crate) fn value_record(value: &NamedValue, class: u32) -> Result<Record, NtStatus> {
    let NamedValue { name, value } = value;
    let (kind, data) = (value.kind, value.data.as_slice());
    let name_bytes = name.len() as u32 * 2;
    let length = data.len() as u32;
    Ok(match class {
        KeyValueBasicInformation => Record::new(&[0, kind, name_bytes]).text(name),
        KeyValuePartialInformation => Record::new(&[0, kind, length]).data(data),
        KeyValuePartialInformationAlign64 => Record::new(&[kind, length]).data(data),
        KeyValueFullInformation | KeyValueFullInformationAlign64 => {
            let alignment = if class == KeyValueFullInformation { 4 } else { 8 };
            let offset = (20 + name_bytes).next_multiple_of(if data.is_empty() { 1 } else { alignment });
            let record =
                Record::new(&[0, kind, if data.is_empty() { u32::MAX } else { offset }, length, name_bytes]);
            let mut record = record.text(name);
            record.bytes.resize(offset as usize, 0);
            record.data(data)
        }
        _ => return Err(NtStatus::INVALID_PARAMETER),
    })
}

/// The record of `class` for a key. Errors: InvalidParameter (class) · KeyDeleted
pub(crate) fn key_record(tree: &Tree, id: KeyId, class: u32) -> Result<Record, NtStatus> {
    let node = tree.node(id)?;
    let time = [node.last_write as u32, (node.last_write >> 32) as u32];
    let name_bytes = node.name.len() as u32 * 2;
    let class_bytes = node.class.len() as u32 * 2;
    Ok(match class {
        KeyBasicInformation => Record::new(&[time[0], time[1], 0, name_bytes]).text(&node.name),
        KeyNodeInformation => {
            let offset = if class_bytes == 0 { u32::MAX } else { (24 + name_bytes).next_multiple_of(4) };
            let head = [time[0], time[1], 0, offset, class_bytes, name_bytes];
            let mut record = Record::new(&head).text(&node.name);
            if class_bytes != 0 {
                record.bytes.resize(offset as usize, 0);
            }
            record.text(&node.class)
        }
        KeyFullInformation => {
            let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0) as u32;
            let children = || node.subkeys.values().filter_map(|child| tree.node(*child).ok());
            Record::new(&[
                time[0],
                time[1],
                0,
                if class_bytes == 0 { u32::MAX } else { 0x2C },
                class_bytes,
                node.subkeys.len() as u32,
                longest(&mut children().map(|child| child.name.len() * 2)),
                longest(&mut children().map(|child| child.class.len() * 2)),
                node.values.len() as u32,
                longest(&mut node.values.iter().map(|value| value.name.len() * 2)),
                longest(&mut node.values.iter().map(|value| value.value.data.len())),
            ])
            .text(&node.class)
        }
        KeyNameInformation => {
            let path = tree.path(id)?;
            Record::new(&[path.len() as u32 * 2]).text(&path)
        }
        _ => return Err(NtStatus::INVALID_PARAMETER),
    })
}
