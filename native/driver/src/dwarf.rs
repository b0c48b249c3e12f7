//! Symbols from DWARF sections, in the image or in a file beside it.

use std::collections::BTreeMap;

use addr2line::Context;
use addr2line::gimli::{self, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};

use crate::images::LoadedImage;
use crate::symbols::Symbol;

/// DWARF sections by name. They are looked into for reports only, so each question parses them afresh.
pub(crate) struct Dwarf {
    sections: BTreeMap<String, Vec<u8>>,
    /// Where the addresses in them begin.
    base: u64,
}

impl Dwarf {
    /// The sections of an object file, if it has any.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        let file = object::File::parse(file).ok()?;
        file.section_by_name(SectionId::DebugInfo.name())?;
        let sections = file.sections().filter_map(|section| {
            let name = section.name().ok().filter(|name| name.starts_with(".debug_"))?.to_owned();
            Some((name, section.uncompressed_data().ok()?.into_owned()))
        });
        Some(Self { sections: sections.collect(), base: file.relative_address_base() })
    }

    /// The innermost function at `rva`, and its line.
    pub(crate) fn at(&self, image: &LoadedImage, rva: u32) -> Option<Symbol> {
        let load = |id: SectionId| -> Result<EndianSlice<'_, LittleEndian>, ()> {
            Ok(EndianSlice::new(
                self.sections.get(id.name()).map(Vec::as_slice).unwrap_or_default(),
                LittleEndian,
            ))
        };
        let context = Context::from_dwarf(gimli::Dwarf::load(load).ok()?).ok()?;
        let mut frames = context.find_frames(self.base + u64::from(rva)).skip_all_loads().ok()?;
        let frame = frames.next().ok()??;
        let name = frame.function.as_ref()?.raw_name().ok()?.into_owned();
        // Where an inlined function begins is not known; the outermost one begins where its unwind entry does.
        let inlined = frames.next().ok().flatten().is_some();
        let begin = image.image.runtime_function_at(rva).filter(|_| !inlined).map(|f| f.begin);
        let symbol = Symbol::new(name, begin.map(|begin| rva - begin));
        Some(match frame.location.and_then(|location| Some((location.file?, location.line?))) {
            Some((file, line)) => symbol.at_line(file, line),
            None => symbol,
        })
    }
}
