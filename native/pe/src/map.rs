//! Layout of an image in memory, and its move to another base address.

use crate::reader::{Bytes, u16_at, u32_at, u64_at};
use crate::{Image, PeError, Relocation, RelocationKind};

impl Image {
    /// Lays the image out in a new buffer of `size_of_image` bytes, at its preferred base.
    ///
    /// Errors: `Truncated` when `file` is not the file that was parsed
    pub fn map(&self, file: &[u8]) -> Result<Vec<u8>, PeError> {
        let mut image = vec![0; self.size_of_image as usize];
        self.copy_into(file, &mut image)?;
        Ok(image)
    }

    /// Lays the image out in the caller's memory; bytes that the file does not hold become zero.
    ///
    /// Units:  `image` has exactly `size_of_image` bytes
    /// Errors: `BufferSize` · `Truncated` when `file` is not the file that was parsed
    pub fn map_into(&self, file: &[u8], image: &mut [u8]) -> Result<(), PeError> {
        if image.len() as u64 != u64::from(self.size_of_image) {
            return Err(PeError::BufferSize { bytes: image.len() as u64, size_of_image: self.size_of_image });
        }
        image.fill(0);
        self.copy_into(file, image)
    }

    /// Copies headers and sections. A section's file bytes count up to its end rounded to the alignment.
    fn copy_into(&self, file: &[u8], image: &mut [u8]) -> Result<(), PeError> {
        let file = Bytes(file);
        let headers = file.slice(0, self.size_of_headers.into(), "the headers")?;
        put(image, 0, headers, "the headers")?;
        for section in &self.sections {
            let range = &section.file_range;
            let raw_bytes = u64::from(range.end.saturating_sub(range.start));
            let end = section.aligned_end(self.section_alignment).min(self.size_of_image.into());
            let bytes = raw_bytes.min(end.saturating_sub(section.rva.into()));
            let raw = file.slice(range.start.into(), bytes, &format!("section {}", section.name))?;
            put(image, section.rva, raw, &section.name)?;
        }
        Ok(())
    }
}

fn put(image: &mut [u8], rva: u32, bytes: &[u8], what: &str) -> Result<(), PeError> {
    let start = rva as usize;
    match start.checked_add(bytes.len()).and_then(|end| image.get_mut(start..end)) {
        Some(target) => {
            target.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(outside(what, rva, bytes.len())),
    }
}

fn outside(what: &str, rva: u32, bytes: usize) -> PeError {
    PeError::NotInImage { what: what.to_owned(), rva: rva.into(), bytes: bytes as u64 }
}

/// Adds `delta` to every address that the relocations name.
///
/// Units:  `delta` is the new base minus the old one, wrapping
/// Errors: `NotInImage` when a relocation lies outside `image` · `RelocationOverflow` when a 32-bit address would not fit;
///         the relocations before the failing one have been applied then
pub fn relocate(image: &mut [u8], relocations: &[Relocation], delta: u64) -> Result<(), PeError> {
    if delta == 0 {
        return Ok(());
    }
    for relocation in relocations {
        let rva = relocation.rva;
        let start = rva as usize;
        let width = relocation.kind.bytes() as usize;
        let place = start
            .checked_add(width)
            .and_then(|end| image.get_mut(start..end))
            .ok_or_else(|| outside("the target of a relocation", rva, width))?;
        match relocation.kind {
            RelocationKind::Dir64 => {
                let value = u64_at(place, 0).wrapping_add(delta);
                place.copy_from_slice(&value.to_le_bytes());
            }
            RelocationKind::HighLow => {
                let value = u64::from(u32_at(place, 0)).wrapping_add(delta);
                let value = u32::try_from(value).map_err(|_| PeError::RelocationOverflow { rva, delta })?;
                place.copy_from_slice(&value.to_le_bytes());
            }
            // The halves of a 32-bit address know only their own part of it: the whole cannot be checked.
            RelocationKind::High => {
                let value = (u32::from(u16_at(place, 0)) << 16).wrapping_add(delta as u32);
                place.copy_from_slice(&((value >> 16) as u16).to_le_bytes());
            }
            RelocationKind::Low => {
                let value = u16_at(place, 0).wrapping_add(delta as u16);
                place.copy_from_slice(&value.to_le_bytes());
            }
            RelocationKind::HighAdj { low } => {
                let low = i32::from(low as i16) as u32;
                let value = (u32::from(u16_at(place, 0)) << 16).wrapping_add(low);
                let value = value.wrapping_add(delta as u32).wrapping_add(0x8000);
                place.copy_from_slice(&((value >> 16) as u16).to_le_bytes());
            }
        }
    }
    Ok(())
}
