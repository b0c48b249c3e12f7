//! The section table.

use std::mem::{offset_of, size_of};
use std::ops::Range;

use object::pe;

use crate::PeError;
use crate::header::Header;
use crate::reader::{Bytes, field, u32_at};

/// One section. Names are not unique: drivers may have two sections with the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name; a long name is resolved through the string table of the file.
    pub name: String,
    /// First byte in the image.
    pub rva: u32,
    /// Bytes in the image, as the linker gave them (the raw size where the linker gave 0).
    pub virtual_size: u32,
    /// Bytes in the file; empty for a section that is all zeros.
    pub file_range: Range<u32>,
    /// `IMAGE_SCN_*` flags as they stand in the file.
    pub characteristics: u32,
}

impl Section {
    /// Whether code may run there.
    pub fn is_executable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_EXECUTE.0 != 0
    }

    /// Whether it may be read.
    pub fn is_readable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_READ.0 != 0
    }

    /// Whether it may be written.
    pub fn is_writable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_WRITE.0 != 0
    }

    /// Whether it goes away after DriverEntry: marked so, or named `INIT`.
    pub fn is_discardable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_DISCARDABLE.0 != 0 || self.is_init()
    }

    /// Whether this is the initialization section.
    pub fn is_init(&self) -> bool {
        self.name == "INIT"
    }

    /// Whether it may be paged out: its name starts with `PAGE`.
    pub fn is_pageable(&self) -> bool {
        self.name.starts_with("PAGE")
    }

    /// End in the image, not rounded.
    pub fn end_rva(&self) -> u64 {
        u64::from(self.rva) + u64::from(self.virtual_size)
    }

    /// Whether the RVA is one of this section's.
    pub fn contains(&self, rva: u32) -> bool {
        rva >= self.rva && u64::from(rva) < self.end_rva()
    }

    /// End in the image, rounded to the section alignment.
    pub(crate) fn aligned_end(&self, alignment: u32) -> u64 {
        self.end_rva().next_multiple_of(alignment.max(1).into())
    }
}

pub(crate) fn parse(file: Bytes<'_>, header: &Header) -> Result<Vec<Section>, PeError> {
    let entry = size_of::<pe::ImageSectionHeader>();
    let table = file.slice(
        header.section_table_offset,
        u64::from(header.section_count) * entry as u64,
        "the section table",
    )?;
    let mut sections = Vec::with_capacity(header.section_count.into());
    for row in table.chunks_exact(entry) {
        sections.push(parse_one(file, header, row)?);
    }
    check_layout(&sections, header)?;
    Ok(sections)
}

fn parse_one(file: Bytes<'_>, header: &Header, row: &[u8]) -> Result<Section, PeError> {
    type Row = pe::ImageSectionHeader;
    let name = section_name(file, header, &field::<8>(row, offset_of!(Row, name)));
    let rva = u32_at(row, offset_of!(Row, virtual_address));
    let raw_bytes = u32_at(row, offset_of!(Row, size_of_raw_data));
    let raw_start = u32_at(row, offset_of!(Row, pointer_to_raw_data));
    let virtual_size = match u32_at(row, offset_of!(Row, virtual_size)) {
        0 => raw_bytes,
        bytes => bytes,
    };
    let file_range = if raw_bytes == 0 || raw_start == 0 {
        0..0
    } else {
        file.slice(raw_start.into(), raw_bytes.into(), &format!("section {name}"))?;
        raw_start..raw_start.saturating_add(raw_bytes)
    };
    let section = Section {
        name,
        rva,
        virtual_size,
        file_range,
        characteristics: u32_at(row, offset_of!(Row, characteristics)),
    };
    if section.end_rva() > header.size_of_image.into() {
        return Err(PeError::SectionOutsideImage {
            end: section.end_rva(),
            name: section.name,
            size_of_image: header.size_of_image,
        });
    }
    Ok(section)
}

/// Up to eight bytes, or `/<decimal>`: an offset into the string table behind the symbols. A long name that cannot be
/// resolved stays as it is: nothing but a label depends on it.
fn section_name(file: Bytes<'_>, header: &Header, raw: &[u8; 8]) -> String {
    let end = raw.iter().position(|byte| *byte == 0).unwrap_or(raw.len());
    let short = String::from_utf8_lossy(&raw[..end]).into_owned();
    let long = || {
        let index: u64 = short.strip_prefix('/')?.parse().ok()?;
        if header.symbol_table_offset == 0 {
            return None;
        }
        let symbols = u64::from(header.symbol_count) * pe::IMAGE_SIZEOF_SYMBOL as u64;
        let start = u64::from(header.symbol_table_offset) + symbols + index;
        let rest = file.0.get(usize::try_from(start).ok()?..)?;
        let rest = &rest[..rest.len().min(crate::limits::NAME_BYTES as usize)];
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    long().unwrap_or(short)
}

/// Sections, rounded to the alignment, and the headers must not share addresses.
fn check_layout(sections: &[Section], header: &Header) -> Result<(), PeError> {
    let mut order: Vec<&Section> = sections.iter().filter(|section| section.virtual_size != 0).collect();
    order.sort_by_key(|section| section.rva);
    let mut previous = ("the headers".to_owned(), u64::from(header.size_of_headers));
    for section in order {
        let label = format!("section {}", section.name);
        if u64::from(section.rva) < previous.1 {
            return Err(PeError::Overlap {
                first: previous.0,
                first_end: previous.1,
                second: label,
                second_rva: section.rva,
            });
        }
        previous = (label, section.aligned_end(header.section_alignment));
    }
    Ok(())
}
