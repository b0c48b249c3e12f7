//! Names for offsets: DWARF in the image, a PDB beside it, exports, function bounds.

use std::collections::BTreeMap;

use addr2line::Context;
use addr2line::gimli::{EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};
use pdb2::FallibleIterator;

use crate::images::LoadedImage;

/// DWARF sections by name. Looked into for reports only, so each question parses them afresh.
type Sections = BTreeMap<String, Vec<u8>>;

/// What is known of an image's functions.
pub(crate) struct Symbols {
    dwarf: Option<Sections>,
    /// Functions of a PDB by offset.
    functions: Vec<(u32, String)>,
}

impl Symbols {
    /// Reads what there is; an image without symbols has none, which is no error.
    pub(crate) fn of(image: &LoadedImage) -> Self {
        Self { dwarf: dwarf(image), functions: pdb(image).unwrap_or_default() }
    }

    /// `Function+0x12 at file.c:34`, or what is known of it.
    pub(crate) fn name(&self, image: &LoadedImage, offset: u32) -> String {
        if let Some(dwarf) = &self.dwarf
            && let Some(name) = from_dwarf(dwarf, image, offset)
        {
            return name;
        }
        let at = self.functions.partition_point(|(start, _)| *start <= offset);
        if at > 0 {
            let (start, name) = &self.functions[at - 1];
            return format!("{name}+{:#x}", offset - start);
        }
        let exported = image.image.exports.iter().filter_map(|export| match export.target {
            pe::ExportTarget::Rva(rva) if rva <= offset => Some((rva, export.name.clone())),
            _ => None,
        });
        match (exported.max(), image.image.runtime_function_at(offset)) {
            (Some((rva, name)), _) => format!("{name}+{:#x}", offset - rva),
            (None, Some(function)) => format!("sub_{:x}+{:#x}", function.begin, offset - function.begin),
            (None, None) => String::new(),
        }
    }
}

/// The image's DWARF sections, if it has any.
fn dwarf(image: &LoadedImage) -> Option<Sections> {
    let file = object::File::parse(image.file.as_slice()).ok()?;
    file.section_by_name(SectionId::DebugInfo.name())?;
    let sections = file.sections().filter_map(|section| {
        let name = section.name().ok().filter(|name| name.starts_with(".debug_"))?.to_owned();
        Some((name, section.uncompressed_data().ok()?.into_owned()))
    });
    Some(sections.collect())
}

fn from_dwarf(sections: &Sections, image: &LoadedImage, offset: u32) -> Option<String> {
    let load = |id: SectionId| -> Result<EndianSlice<'_, LittleEndian>, ()> {
        Ok(EndianSlice::new(sections.get(id.name()).map(Vec::as_slice).unwrap_or_default(), LittleEndian))
    };
    let context = Context::from_dwarf(addr2line::gimli::Dwarf::load(load).ok()?).ok()?;
    let address = image.image.image_base + u64::from(offset);
    let mut frames = context.find_frames(address).skip_all_loads().ok()?;
    let frame = frames.next().ok()??;
    let mut text = frame.function.as_ref().and_then(|f| f.raw_name().ok().map(|n| n.into_owned()))?;
    if let Some(location) = frame.location
        && let Some(file) = location.file
    {
        let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
        text = format!("{text} at {file}:{}", location.line.unwrap_or(0));
    }
    Some(text)
}

/// Functions of the PDB that stands beside the image, by offset.
fn pdb(image: &LoadedImage) -> Option<Vec<(u32, String)>> {
    let path = std::path::Path::new(&image.path).with_extension("pdb");
    let mut pdb = pdb2::PDB::open(std::fs::File::open(path).ok()?).ok()?;
    let map = pdb.address_map().ok()?;
    let symbols = pdb.global_symbols().ok()?;
    let mut functions = Vec::new();
    let mut iter = symbols.iter();
    while let Ok(Some(symbol)) = iter.next() {
        if let Ok(pdb2::SymbolData::Public(public)) = symbol.parse()
            && public.function
            && let Some(rva) = public.offset.to_rva(&map)
        {
            functions.push((rva.0, public.name.to_string().into_owned()));
        }
    }
    functions.sort();
    Some(functions)
}
