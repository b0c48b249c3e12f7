//! Comparison of what stands in the file as it is: headers, sections, PDB reference.

use std::borrow::Cow;

use object::LittleEndian as LE;
use object::read::pe::{ImageNtHeaders, PeFile64};
use object::{Object, pe as raw};
use pe::{Image, Section};

use crate::same;

type Oracle<'a> = PeFile64<'a>;

/// The file as `object` can read it: `NumberOfRvaAndSizes` cut to what the optional header has room for.
pub(crate) fn readable(file: &[u8]) -> Cow<'_, [u8]> {
    mended(file).map_or(Cow::Borrowed(file), Cow::Owned)
}

fn mended(file: &[u8]) -> Option<Vec<u8>> {
    let at = |offset: usize| Some(u32::from_le_bytes(file.get(offset..offset + 4)?.try_into().ok()?));
    let nt = at(0x3C)? as usize;
    let optional_bytes = at(nt.checked_add(20)?)? & 0xFFFF;
    let room = optional_bytes.checked_sub(112)? / 8;
    let count = nt.checked_add(24 + 108)?;
    if at(count)? <= room {
        return None;
    }
    let mut copy = file.to_vec();
    copy.get_mut(count..count + 4)?.copy_from_slice(&room.to_le_bytes());
    Some(copy)
}

pub(crate) fn parse(readable: &[u8]) -> Result<Oracle<'_>, String> {
    PeFile64::parse(readable).map_err(|error| format!("accepted, but object says: {error}"))
}

pub(crate) fn headers(image: &Image, oracle: &Oracle<'_>) -> Result<(), String> {
    let nt = oracle.nt_headers();
    let optional = &nt.optional_header;
    let file = nt.file_header();
    same("machine", image.machine, file.machine.get(LE).0)?;
    same("timestamp", image.timestamp, file.time_date_stamp.get(LE))?;
    let stripped = file.characteristics.get(LE).0 & raw::IMAGE_FILE_RELOCS_STRIPPED.0 != 0;
    same("relocations stripped", image.relocations_stripped, stripped)?;
    same("image base", image.image_base, optional.image_base.get(LE))?;
    same("size of image", image.size_of_image, optional.size_of_image.get(LE))?;
    same("size of headers", image.size_of_headers, optional.size_of_headers.get(LE))?;
    same("entry point", image.entry_rva, optional.address_of_entry_point.get(LE))?;
    same("entry address", image.image_base.wrapping_add(image.entry_rva.into()), oracle.entry())?;
    same("section alignment", image.section_alignment, optional.section_alignment.get(LE))?;
    same("checksum", image.checksum, optional.check_sum.get(LE))?;
    same("subsystem", image.subsystem, optional.subsystem.get(LE).0)?;
    let tls = oracle.data_directory(raw::IMAGE_DIRECTORY_ENTRY_TLS);
    same("has TLS", image.has_tls, tls.is_some_and(|directory| directory.size.get(LE) != 0))
}

/// The table, and what each section looks like in memory.
pub(crate) fn sections(
    image: &Image,
    oracle: &Oracle<'_>,
    file: &[u8],
    laid_out: &[u8],
) -> Result<(), String> {
    let table = oracle.section_table();
    same("number of sections", image.sections.len(), table.len())?;
    for (ours, theirs) in image.sections.iter().zip(table.iter()) {
        let rva = theirs.virtual_address.get(LE);
        same("address of a section", ours.rva, rva)?;
        same("flags of a section", ours.characteristics, theirs.characteristics.get(LE).0)?;
        section_name(ours, theirs)?;
        let declared = theirs.virtual_size.get(LE);
        if declared == 0 {
            // Windows takes the file's size then; object calls the section empty.
            same("size of a section without one", ours.virtual_size, theirs.size_of_raw_data.get(LE))?;
            continue;
        }
        same("size of a section", ours.virtual_size, declared)?;
        if theirs.pointer_to_raw_data.get(LE) == 0 {
            // Nothing of the file belongs to it, whatever size it declares; object would give the headers.
            same("file bytes of a section without place", ours.file_range.clone(), 0..0)?;
            continue;
        }
        let data =
            theirs.pe_data(file).map_err(|error| format!("section {}: object says {error}", ours.name))?;
        let mapped = laid_out.get(rva as usize..rva as usize + data.len());
        if mapped != Some(data) {
            return Err(format!("section {} at {rva:#x} is not laid out as object gives it", ours.name));
        }
    }
    Ok(())
}

/// Short names stand in the table. Long ones are a matter of the string table, which object reads by other rules
/// (base 64, names of any bytes): there, ours must be the short form or what object found.
fn section_name(ours: &Section, theirs: &raw::ImageSectionHeader) -> Result<(), String> {
    let short = String::from_utf8_lossy(theirs.raw_name()).into_owned();
    if short.starts_with('/') {
        return Ok(());
    }
    same("name of a section", &ours.name, &short)
}

pub(crate) fn debug(image: &Image, oracle: &Oracle<'_>) -> Result<(), String> {
    let (Some(ours), Ok(Some(theirs))) = (&image.debug, oracle.pdb_info()) else { return Ok(()) };
    let path = String::from_utf8_lossy(theirs.path()).into_owned();
    if path.len() < 4000 {
        same("PDB path", &ours.pdb_name, &path)?;
        same("PDB age", ours.age, theirs.age())?;
        same("PDB identity", ours.guid, theirs.guid())?;
    }
    Ok(())
}
