//! The import directory. Delay-loaded imports are left alone: kernel drivers do not have them.

use std::mem::{offset_of, size_of};

use object::pe;

use crate::header::Directory;
use crate::reader::{field, u16_at, u32_at};
use crate::view::View;
use crate::{PeError, limits};

/// What an image imports from one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedModule {
    /// File name as written by the linker, such as `FLTMGR.SYS`.
    pub name: String,
    /// Imported functions and variables, in order.
    pub entries: Vec<Import>,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What is imported.
    pub symbol: ImportSymbol,
    /// Where its 64-bit address must be written.
    pub iat_rva: u32,
}

/// How an import is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportSymbol {
    /// By name, with the linker's guess of its place in the name table.
    Name { hint: u16, name: String },
    /// By number.
    Ordinal(u16),
}

pub(crate) fn parse(view: &View<'_>, directory: Directory) -> Result<Vec<ImportedModule>, PeError> {
    type Row = pe::ImageImportDescriptor;
    let mut modules = Vec::new();
    if !directory.is_present() {
        return Ok(modules);
    }
    let mut total = 0u32;
    // The directory ends with an empty row; its size field is not reliable, so only the section bounds it.
    for index in 0.. {
        let rva = u64::from(directory.rva) + index * size_of::<Row>() as u64;
        let row = view.bytes(rva, size_of::<Row>() as u64, "a row of the import directory")?;
        let name_rva = u32_at(&row, offset_of!(Row, name));
        let first_thunk = u32_at(&row, offset_of!(Row, first_thunk));
        if name_rva == 0 || first_thunk == 0 {
            break;
        }
        if index >= limits::IMPORTED_MODULES.into() {
            return Err(PeError::TooMany {
                what: "imported modules",
                count: index + 1,
                limit: limits::IMPORTED_MODULES.into(),
            });
        }
        let lookup = match u32_at(&row, offset_of!(Row, original_first_thunk)) {
            0 => first_thunk,
            table => table,
        };
        let name = view.name(name_rva.into(), "the name of an imported module")?;
        let entries = parse_thunks(view, &name, lookup, first_thunk, &mut total)?;
        modules.push(ImportedModule { name, entries });
    }
    Ok(modules)
}

fn parse_thunks(
    view: &View<'_>,
    module: &str,
    lookup: u32,
    first_thunk: u32,
    total: &mut u32,
) -> Result<Vec<Import>, PeError> {
    const ORDINAL_FLAG: u64 = 1 << 63;
    let mut entries = Vec::new();
    for index in 0u64.. {
        let rva = u64::from(lookup) + index * 8;
        let thunk = view.bytes(rva, 8, "an import lookup table")?;
        let thunk = u64::from_le_bytes(field(&thunk, 0));
        if thunk == 0 {
            break;
        }
        *total += 1;
        if *total > limits::IMPORTS {
            return Err(PeError::TooMany {
                what: "imports",
                count: (*total).into(),
                limit: limits::IMPORTS.into(),
            });
        }
        let iat_rva = u64::from(first_thunk) + index * 8;
        view.bytes(iat_rva, 8, "an import address table")?;
        let symbol = if thunk & ORDINAL_FLAG != 0 {
            ImportSymbol::Ordinal(thunk as u16)
        } else {
            let hint = view.bytes(thunk, 2, &format!("an import name of {module}"))?;
            let name = view.name(thunk + 2, &format!("an import name of {module}"))?;
            if name.is_empty() {
                return Err(PeError::BadDirectory {
                    directory: "import directory",
                    rva: thunk,
                    why: "an imported name is empty",
                });
            }
            ImportSymbol::Name { hint: u16_at(&hint, 0), name }
        };
        entries.push(Import { symbol, iat_rva: iat_rva as u32 });
    }
    Ok(entries)
}
