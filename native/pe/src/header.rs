//! The DOS, COFF and optional headers, with every value checked that later steps rely on.

use std::mem::{offset_of, size_of};

use object::pe;

use crate::reader::{Bytes, u16_at, u32_at, u64_at};
use crate::{PeError, limits};

/// Place of a data directory: RVA and bytes; both 0 when the image has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) rva: u32,
    pub(crate) bytes: u32,
}

impl Directory {
    pub(crate) fn is_present(self) -> bool {
        self.rva != 0 && self.bytes != 0
    }
}

/// The header values that the crate uses.
pub(crate) struct Header {
    pub(crate) machine: u16,
    pub(crate) timestamp: u32,
    pub(crate) file_characteristics: u16,
    pub(crate) entry_rva: u32,
    pub(crate) image_base: u64,
    pub(crate) section_alignment: u32,
    pub(crate) size_of_image: u32,
    pub(crate) size_of_headers: u32,
    pub(crate) checksum: u32,
    pub(crate) subsystem: u16,
    pub(crate) directories: [Directory; 16],
    pub(crate) section_count: u16,
    pub(crate) section_table_offset: u64,
    pub(crate) symbol_table_offset: u32,
    pub(crate) symbol_count: u32,
}

type Nt = pe::ImageNtHeaders64;

pub(crate) fn parse(file: Bytes<'_>) -> Result<Header, PeError> {
    let nt_offset = nt_headers_offset(file)?;
    let nt = file.slice(nt_offset, size_of::<pe::ImageFileHeader>() as u64 + 4, "the PE file header")?;
    if nt.get(..4) != Some(b"PE\0\0") {
        return Err(PeError::NotPe {
            offset: nt_offset,
            found: "no PE signature",
            hint: "this is another kind of executable: give a driver linked for x64 Windows",
        });
    }
    let at = |field: usize| nt_offset + field as u64;
    let machine = u16_at(nt, offset_of!(Nt, file_header.machine));
    let machine_offset = at(offset_of!(Nt, file_header.machine));
    if machine == pe::IMAGE_FILE_MACHINE_I386.0 {
        return Err(PeError::ThirtyTwoBit { offset: machine_offset });
    }
    if machine != pe::IMAGE_FILE_MACHINE_AMD64.0 {
        return Err(PeError::WrongMachine { machine, offset: machine_offset });
    }
    let file_characteristics = u16_at(nt, offset_of!(Nt, file_header.characteristics));
    if file_characteristics & pe::IMAGE_FILE_EXECUTABLE_IMAGE.0 == 0 {
        return Err(PeError::NotExecutable {
            offset: at(offset_of!(Nt, file_header.characteristics)),
            characteristics: file_characteristics,
        });
    }

    let optional_bytes = u16_at(nt, offset_of!(Nt, file_header.size_of_optional_header));
    let fixed = size_of::<Nt>() - offset_of!(Nt, optional_header);
    let bad = |field, value: u64, place: usize, expected| {
        Err(PeError::BadField { field, value, offset: at(place), expected })
    };
    if usize::from(optional_bytes) < fixed {
        return bad(
            "SizeOfOptionalHeader",
            optional_bytes.into(),
            offset_of!(Nt, file_header.size_of_optional_header),
            "at least 0x70",
        );
    }
    let whole = offset_of!(Nt, optional_header) as u64 + u64::from(optional_bytes);
    let nt = file.slice(nt_offset, whole, "the PE optional header")?;
    let magic = u16_at(nt, offset_of!(Nt, optional_header.magic));
    if magic != pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC {
        return bad("Magic", magic.into(), offset_of!(Nt, optional_header.magic), "0x20b (PE32+)");
    }
    let section_alignment = u32_at(nt, offset_of!(Nt, optional_header.section_alignment));
    if !section_alignment.is_power_of_two() || section_alignment > limits::IMAGE_BYTES {
        return bad(
            "SectionAlignment",
            section_alignment.into(),
            offset_of!(Nt, optional_header.section_alignment),
            "a power of two, usually 0x1000",
        );
    }
    let size_of_image = u32_at(nt, offset_of!(Nt, optional_header.size_of_image));
    if size_of_image == 0 || size_of_image > limits::IMAGE_BYTES {
        return bad(
            "SizeOfImage",
            size_of_image.into(),
            offset_of!(Nt, optional_header.size_of_image),
            "1 byte to 1 GiB",
        );
    }
    let image_base = u64_at(nt, offset_of!(Nt, optional_header.image_base));
    if image_base.checked_add(size_of_image.into()).is_none() || image_base & 0xFFFF != 0 {
        return bad(
            "ImageBase",
            image_base,
            offset_of!(Nt, optional_header.image_base),
            "a multiple of 64 KiB with room for the image",
        );
    }
    let size_of_headers = u32_at(nt, offset_of!(Nt, optional_header.size_of_headers));
    file.slice(0, size_of_headers.into(), "the headers (SizeOfHeaders)")?;
    let entry_rva = u32_at(nt, offset_of!(Nt, optional_header.address_of_entry_point));
    if entry_rva >= size_of_image {
        return bad(
            "AddressOfEntryPoint",
            entry_rva.into(),
            offset_of!(Nt, optional_header.address_of_entry_point),
            "an RVA inside the image",
        );
    }

    let section_count = u16_at(nt, offset_of!(Nt, file_header.number_of_sections));
    if u32::from(section_count) > limits::SECTIONS {
        return Err(PeError::TooMany {
            what: "sections",
            count: section_count.into(),
            limit: limits::SECTIONS.into(),
        });
    }
    let section_table_offset = at(nt.len());
    let table_bytes = u64::from(section_count) * size_of::<pe::ImageSectionHeader>() as u64;
    file.slice(section_table_offset, table_bytes, "the section table")?;
    if section_table_offset + table_bytes > size_of_headers.into() || size_of_headers > size_of_image {
        return bad(
            "SizeOfHeaders",
            size_of_headers.into(),
            offset_of!(Nt, optional_header.size_of_headers),
            "the end of the section table or more, and at most SizeOfImage",
        );
    }

    let declared = u32_at(nt, offset_of!(Nt, optional_header.number_of_rva_and_sizes)) as usize;
    let room = (nt.len() - size_of::<Nt>()) / size_of::<pe::ImageDataDirectory>();
    let mut directories = [Directory::default(); 16];
    for (index, directory) in directories.iter_mut().enumerate().take(declared.min(room)) {
        let place = size_of::<Nt>() + index * size_of::<pe::ImageDataDirectory>();
        *directory = Directory { rva: u32_at(nt, place), bytes: u32_at(nt, place + 4) };
    }

    Ok(Header {
        machine,
        timestamp: u32_at(nt, offset_of!(Nt, file_header.time_date_stamp)),
        file_characteristics,
        entry_rva,
        image_base,
        section_alignment,
        size_of_image,
        size_of_headers,
        checksum: u32_at(nt, offset_of!(Nt, optional_header.check_sum)),
        subsystem: u16_at(nt, offset_of!(Nt, optional_header.subsystem)),
        directories,
        section_count,
        section_table_offset,
        symbol_table_offset: u32_at(nt, offset_of!(Nt, file_header.pointer_to_symbol_table)),
        symbol_count: u32_at(nt, offset_of!(Nt, file_header.number_of_symbols)),
    })
}

/// Finds the PE header through the DOS header, or says what kind of file this is instead.
fn nt_headers_offset(file: Bytes<'_>) -> Result<u64, PeError> {
    let start = file.0;
    if start.is_empty() {
        return Err(PeError::Empty);
    }
    if !start.starts_with(b"MZ") {
        let (found, hint) = if start.starts_with(b"\x7fELF") {
            ("an ELF file", "it is built for Linux or another Unix: build it with a Windows target")
        } else if start.starts_with(&[0x64, 0x86]) || start.starts_with(&[0x4c, 0x01]) {
            ("a COFF object file", "link it into a .sys file first")
        } else if start.starts_with(b"!<arch>") {
            ("a library archive", "link it into a .sys file first")
        } else if start.starts_with(b"M") && start.len() == 1 {
            return Err(PeError::Truncated { what: "the DOS header".to_owned(), end: 64, file_bytes: 1 });
        } else {
            ("no MZ signature", "give the .sys file that the linker wrote")
        };
        return Err(PeError::NotPe { offset: 0, found, hint });
    }
    let dos = file.slice(0, size_of::<pe::ImageDosHeader>() as u64, "the DOS header")?;
    Ok(u32_at(dos, offset_of!(pe::ImageDosHeader, e_lfanew)).into())
}
