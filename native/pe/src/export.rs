//! The export directory: what other images can import from this one, by name.

use std::mem::{offset_of, size_of};

use object::pe;

use crate::header::Directory;
use crate::reader::{u16_at, u32_at};
use crate::view::View;
use crate::{PeError, limits};

/// One exported name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name.
    pub name: String,
    /// Its number.
    pub ordinal: u32,
    /// Where it is.
    pub target: ExportTarget,
}

/// What an exported name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportTarget {
    /// A place in this image.
    Rva(u32),
    /// `Module.Name` or `Module.#Ordinal` in another image.
    Forwarder(String),
}

pub(crate) fn parse(view: &View<'_>, directory: Directory) -> Result<Vec<Export>, PeError> {
    type Row = pe::ImageExportDirectory;
    const NAME: &str = "export directory";
    if !directory.is_present() {
        return Ok(Vec::new());
    }
    let start = u64::from(directory.rva);
    let row = view.bytes(start, size_of::<Row>() as u64, "the export directory")?;
    let functions = u32_at(&row, offset_of!(Row, number_of_functions));
    let names = u32_at(&row, offset_of!(Row, number_of_names));
    for (what, count) in [("exported functions", functions), ("exported names", names)] {
        if count > limits::EXPORTS {
            return Err(PeError::TooMany { what, count: count.into(), limit: limits::EXPORTS.into() });
        }
    }
    // A table at RVA 0 is none, whatever its count: the headers stand there.
    let places = [
        offset_of!(Row, address_of_functions),
        offset_of!(Row, address_of_names),
        offset_of!(Row, address_of_name_ordinals),
    ];
    if names == 0 || functions == 0 || places.iter().any(|place| u32_at(&row, *place) == 0) {
        return Ok(Vec::new());
    }
    let table = |place: usize, bytes: u64, what: &str| view.bytes(u32_at(&row, place).into(), bytes, what);
    let addresses =
        table(offset_of!(Row, address_of_functions), u64::from(functions) * 4, "the export addresses")?;
    let name_rvas = table(offset_of!(Row, address_of_names), u64::from(names) * 4, "the export names")?;
    let ordinals =
        table(offset_of!(Row, address_of_name_ordinals), u64::from(names) * 2, "the export ordinals")?;
    let base = u32_at(&row, offset_of!(Row, base));
    let own = start..start + u64::from(directory.bytes);

    let mut exports = Vec::with_capacity(names as usize);
    for (name_rva, ordinal) in name_rvas.chunks_exact(4).zip(ordinals.chunks_exact(2)) {
        let bad = |why| PeError::BadDirectory { directory: NAME, rva: start, why };
        let index = u16_at(ordinal, 0);
        if u32::from(index) >= functions {
            return Err(bad("a name refers to a function that the table does not have"));
        }
        let target = u32_at(&addresses, usize::from(index) * 4);
        let target = if own.contains(&target.into()) {
            ExportTarget::Forwarder(view.name(target.into(), "an export forwarder")?)
        } else if target >= view.size_of_image {
            return Err(bad("an exported function lies outside the image"));
        } else {
            ExportTarget::Rva(target)
        };
        exports.push(Export {
            name: view.name(u32_at(name_rva, 0).into(), "an exported name")?,
            ordinal: base.wrapping_add(index.into()),
            target,
        });
    }
    Ok(exports)
}
