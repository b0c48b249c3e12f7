//! The exception directory: which function stands where, and how to unwind it.

use crate::header::Directory;
use crate::reader::u32_at;
use crate::view::View;
use crate::{PeError, Warning, limits};

/// One function with its unwind data, all as RVAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeFunction {
    /// First byte.
    pub begin: u32,
    /// Byte after the last.
    pub end: u32,
    /// Unwind information (or, with bit 0 set, another entry of this kind).
    pub unwind: u32,
}

/// Gives the entries in ascending order.
pub(crate) fn parse(
    view: &View<'_>,
    directory: Directory,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<RuntimeFunction>, PeError> {
    const NAME: &str = "exception directory";
    const ENTRY: u32 = 12;
    if !directory.is_present() {
        return Ok(Vec::new());
    }
    let count = directory.bytes / ENTRY;
    if count > limits::RUNTIME_FUNCTIONS {
        return Err(PeError::TooMany {
            what: "entries in the exception directory",
            count: count.into(),
            limit: limits::RUNTIME_FUNCTIONS.into(),
        });
    }
    let start = u64::from(directory.rva);
    let data = view.bytes(start, directory.bytes.into(), "the exception directory")?;
    let mut functions = Vec::with_capacity(count as usize);
    for (index, row) in data.chunks_exact(ENTRY as usize).enumerate() {
        let function = RuntimeFunction { begin: u32_at(row, 0), end: u32_at(row, 4), unwind: u32_at(row, 8) };
        if function.begin == 0 && function.end == 0 {
            continue;
        }
        let bad = |why| PeError::BadDirectory { directory: NAME, rva: start + index as u64 * 12, why };
        if function.begin >= function.end {
            return Err(bad("a function ends before it begins"));
        }
        if function.end > view.size_of_image {
            return Err(bad("a function lies outside the image"));
        }
        if function.unwind >= view.size_of_image {
            return Err(bad("unwind information lies outside the image"));
        }
        functions.push(function);
    }
    if !functions.is_sorted_by_key(|function| function.begin) {
        warnings.push(Warning::UnsortedRuntimeFunctions);
        functions.sort_by_key(|function| function.begin);
    }
    Ok(functions)
}
