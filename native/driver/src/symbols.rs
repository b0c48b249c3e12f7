//! Names for offsets, from the best source there is: DWARF, a PDB, exports, bounds of functions.
//!
//! Looked into for reports only. An image without symbols, or with damaged ones, is no error: its places are told
//! by function bounds and offsets.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::dwarf::Dwarf;
use crate::images::LoadedImage;
use crate::pdb::Pdb;

/// What is known of an offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) function: String,
    pub(crate) offset: Option<u32>,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Symbol {
    pub(crate) fn new(function: impl Into<String>, offset: Option<u32>) -> Self {
        Self { function: function.into(), offset, ..Self::default() }
    }

    /// Adds the line; of a path only the file's name is kept.
    pub(crate) fn at_line(mut self, path: &str, line: u32) -> Self {
        self.file = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        self.line = line;
        self
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.offset, self.file.is_empty()) {
            _ if self.function.is_empty() => Ok(()),
            (_, false) => write!(f, "{} at {}:{}", self.function, self.file, self.line),
            (Some(offset), true) => write!(f, "{}+{offset:#x}", self.function),
            (None, true) => f.write_str(&self.function),
        }
    }
}

/// What is known of an image's functions.
pub(crate) struct Symbols {
    dwarf: Option<Dwarf>,
    pdb: Option<Pdb>,
}

impl Symbols {
    /// Reads what there is.
    pub(crate) fn of(image: &LoadedImage) -> Self {
        let dwarf = Dwarf::of(&image.file).or_else(|| {
            debug_files(&image.path).iter().find_map(|path| Dwarf::of(&std::fs::read(path).ok()?))
        });
        let pdb = if dwarf.is_some() { None } else { find_pdb(image) };
        Self { dwarf, pdb }
    }

    /// What stands at `rva`.
    pub(crate) fn at(&self, image: &LoadedImage, rva: u32) -> Symbol {
        let dwarf = self.dwarf.as_ref().and_then(|dwarf| dwarf.at(image, rva));
        dwarf
            .or_else(|| self.pdb.as_ref().and_then(|pdb| pdb.at(rva)))
            .or_else(|| exported(image, rva))
            .or_else(|| bounds(image, rva))
            .unwrap_or_default()
    }
}

/// Files that hold the DWARF of a stripped image.
fn debug_files(path: &str) -> [PathBuf; 2] {
    [PathBuf::from(format!("{path}.debug")), Path::new(path).with_extension("debug")]
}

/// The PDB of the image: beside it, by its own name or the linker's, or where the linker wrote it.
fn find_pdb(image: &LoadedImage) -> Option<Pdb> {
    let path = Path::new(&image.path);
    let mut candidates = vec![path.with_extension("pdb")];
    if let Some(debug) = &image.image.debug {
        let name = debug.pdb_name.rsplit(['/', '\\']).next().unwrap_or_default();
        candidates.push(path.with_file_name(name));
        candidates.push(PathBuf::from(&debug.pdb_name));
    }
    candidates.iter().find_map(|path| Pdb::open(path, image.image.debug.as_ref()))
}

/// The exported name in the same function, if one is.
fn exported(image: &LoadedImage, rva: u32) -> Option<Symbol> {
    let first = image.image.runtime_function_at(rva).map_or(0, |function| function.begin);
    let candidates = image.image.exports.iter().filter_map(|export| match export.target {
        pe::ExportTarget::Rva(start) if (first..=rva).contains(&start) => Some((start, &export.name)),
        _ => None,
    });
    let (start, name) = candidates.max()?;
    // Without unwind information nothing says where a function ends: stay in its section at least.
    image.image.section_at(start).filter(|section| section.contains(rva))?;
    Some(Symbol::new(name, Some(rva - start)))
}

fn bounds(image: &LoadedImage, rva: u32) -> Option<Symbol> {
    let function = image.image.runtime_function_at(rva)?;
    Some(Symbol::new(format!("sub_{:x}", function.begin), Some(rva - function.begin)))
}
