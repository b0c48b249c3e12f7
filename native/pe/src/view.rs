//! Reads at RVAs, as if the image were laid out, without laying it out.

use std::borrow::Cow;

use crate::reader::Bytes;
use crate::{PeError, Section, limits};

/// The image seen through its sections. Bytes of a section that the file does not hold read as zero.
pub(crate) struct View<'a> {
    pub(crate) file: Bytes<'a>,
    pub(crate) sections: &'a [Section],
    pub(crate) image_base: u64,
    pub(crate) size_of_image: u32,
    pub(crate) size_of_headers: u32,
}

impl<'a> View<'a> {
    /// The `bytes` bytes at `rva`, all in one section (or the headers); `what` names them in the error.
    pub(crate) fn bytes(&self, rva: u64, bytes: u64, what: &str) -> Result<Cow<'a, [u8]>, PeError> {
        let outside = || PeError::NotInImage { what: what.to_owned(), rva, bytes };
        let (held, room) = self.tail(rva).ok_or_else(outside)?;
        if bytes > room {
            return Err(outside());
        }
        let wanted = usize::try_from(bytes).map_err(|_| outside())?;
        Ok(match held.get(..wanted) {
            Some(slice) => Cow::Borrowed(slice),
            None => {
                let mut padded = held.to_vec();
                padded.resize(wanted, 0);
                Cow::Owned(padded)
            }
        })
    }

    /// The zero-terminated name at `rva`.
    pub(crate) fn name(&self, rva: u64, what: &str) -> Result<String, PeError> {
        let limit = limits::NAME_BYTES;
        let outside = || PeError::NotInImage { what: what.to_owned(), rva, bytes: 1 };
        let (held, room) = self.tail(rva).ok_or_else(outside)?;
        let held = &held[..held.len().min(limit as usize)];
        let end = match held.iter().position(|byte| *byte == 0) {
            Some(end) => end,
            // The section goes on with zeros that the file does not hold.
            None if held.len() < limit as usize && (held.len() as u64) < room => held.len(),
            None => {
                return Err(PeError::BadDirectory {
                    directory: "name table",
                    rva,
                    why: "a name does not end within its section and 4096 bytes",
                });
            }
        };
        Ok(String::from_utf8_lossy(&held[..end]).into_owned())
    }

    /// Turns a virtual address of the preferred base into an RVA; `None` for a null address.
    pub(crate) fn rva_of(&self, address: u64, what: &str) -> Result<Option<u32>, PeError> {
        if address == 0 {
            return Ok(None);
        }
        match address.checked_sub(self.image_base).and_then(|rva| u32::try_from(rva).ok()) {
            Some(rva) if rva < self.size_of_image => Ok(Some(rva)),
            _ => Err(PeError::NotInImage {
                what: what.to_owned(),
                rva: address.wrapping_sub(self.image_base),
                bytes: 8,
            }),
        }
    }

    /// What the file holds from `rva` to the end of its section, and the bytes up to that end.
    fn tail(&self, rva: u64) -> Option<(&'a [u8], u64)> {
        if rva < self.size_of_headers.into() {
            let held = self.file.0.get(usize::try_from(rva).ok()?..self.size_of_headers as usize)?;
            return Some((held, held.len() as u64));
        }
        let small = u32::try_from(rva).ok()?;
        let section = self.sections.iter().find(|section| section.contains(small))?;
        let raw = self.file.0.get(section.file_range.start as usize..section.file_range.end as usize)?;
        let inside = usize::try_from(rva - u64::from(section.rva)).ok()?;
        let held = raw.get(inside..).unwrap_or(&[]);
        let room = section.end_rva() - rva;
        let held = &held[..held.len().min(usize::try_from(room).ok()?)];
        Some((held, room))
    }
}
