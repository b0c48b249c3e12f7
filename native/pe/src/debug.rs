//! The debug directory, of which only the reference to a PDB file matters here.
//!
//! Nothing in it is needed to run a driver, so damage gives a warning, not an error.

use std::mem::{offset_of, size_of};

use object::pe;

use crate::header::Directory;
use crate::reader::{field, u32_at};
use crate::view::View;
use crate::{PeError, Warning, limits};

/// Which PDB file belongs to the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeView {
    /// Identity, in the byte order of the file.
    pub guid: [u8; 16],
    /// Count of rewrites of the PDB file under that identity.
    pub age: u32,
    /// Path as the linker wrote it, often absolute on the build machine.
    pub pdb_name: String,
}

pub(crate) fn parse(view: &View<'_>, directory: Directory, warnings: &mut Vec<Warning>) -> Option<CodeView> {
    match find(view, directory) {
        Ok(found) => found,
        Err(error) => {
            warnings.push(Warning::DebugDirectory { why: error.to_string() });
            None
        }
    }
}

fn find(view: &View<'_>, directory: Directory) -> Result<Option<CodeView>, PeError> {
    type Row = pe::ImageDebugDirectory;
    if !directory.is_present() {
        return Ok(None);
    }
    let count = directory.bytes / size_of::<Row>() as u32;
    if count > limits::DEBUG_ENTRIES {
        return Err(PeError::TooMany {
            what: "debug directory entries",
            count: count.into(),
            limit: limits::DEBUG_ENTRIES.into(),
        });
    }
    let rows = view.bytes(directory.rva.into(), directory.bytes.into(), "the debug directory")?;
    for row in rows.chunks_exact(size_of::<Row>()) {
        if u32_at(row, offset_of!(Row, typ)) != pe::IMAGE_DEBUG_TYPE_CODEVIEW.0 {
            continue;
        }
        let bytes = u64::from(u32_at(row, offset_of!(Row, size_of_data)).min(limits::NAME_BYTES));
        let data = match u32_at(row, offset_of!(Row, address_of_raw_data)) {
            0 => {
                let offset = u32_at(row, offset_of!(Row, pointer_to_raw_data)).into();
                view.file.slice(offset, bytes, "the CodeView record")?
            }
            rva => &view.bytes(rva.into(), bytes, "the CodeView record")?,
        };
        if data.starts_with(b"RSDS") && data.len() >= 24 {
            let name = &data[24..];
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            return Ok(Some(CodeView {
                guid: field(data, 4),
                age: u32_at(data, 20),
                pdb_name: String::from_utf8_lossy(&name[..end]).into_owned(),
            }));
        }
    }
    Ok(None)
}
