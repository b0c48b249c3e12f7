//! Judges crate `pe` by the `object` crate: what both read from the same bytes must be the same.
//!
//! Owns the comparison ([`judge`]), the damage done to good images ([`mutate`]), and the good images ([`seeds`],
//! [`builder`]). The fuzz target, the soak and the tests differ only in where the bytes come from.
//!
//! When `pe` accepts an image, these must agree with `object`:
//!
//! | what | how `object` is asked |
//! | --- | --- |
//! | headers: base, sizes, entry point, alignment, checksum, subsystem, time | the file as it is |
//! | sections: number, names, addresses, sizes, flags, and the bytes that stand in memory | the file as it is |
//! | imports: modules, names with hints, ordinals, places in the address table | the image as [`pe::Image::map`] lays it out, as one section |
//! | exports: names, numbers, places, forwarders | the same; only where all tables lie in the directory, since `object` looks nowhere else |
//! | relocations: places and types | the same; `object` stops at blocks without entries and at sizes that are no multiple of 4, which the loader of Windows passes: what it read until then must be the same |
//! | functions of the exception directory, in order | the same |
//! | load configuration: cookie and flow guard pointers | the same |
//! | PDB reference | the file as it is; where both find one |
//!
//! `pe` accepts on purpose what `object` refuses: `NumberOfRvaAndSizes` larger than the optional header (the loader reads at
//! most what is there), tables in the headers and in the zeros behind a section's file bytes, and exports outside
//! the directory. It refuses on purpose what `object` accepts: what is no x64 executable, images beyond
//! [`pe::limits`], overlapping sections, sections and directories outside the image, relocations of unknown types,
//! functions that end before they begin. What it must never do is refuse as truncated or as no PE image what `object` can read.
//!
//! Whatever is accepted must also map; and moving the image by a multiple of 64 KiB and back must restore every byte.
#![forbid(unsafe_code)]

#[path = "../../pe/tests/builder/mod.rs"]
pub mod builder;
mod compare;
mod flat;
mod moved;
pub mod mutate;
pub mod seeds;

use pe::{Image, PeError};

/// Larger images are parsed but neither mapped nor compared: laying them out costs more than it finds.
pub const MAPPED_BYTES: u32 = 4 << 20;

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted, and the oracle agrees.
    Accepted,
    /// Accepted, too large to be laid out here: only the headers were compared.
    TooLarge,
    /// Refused.
    Refused,
}

/// Parses `file` with both and compares.
///
/// Errors: what the two disagree about, or which promise of `pe` is broken, in words
pub fn judge(file: &[u8]) -> Result<Verdict, String> {
    match Image::parse(file) {
        Err(error) => {
            if error.to_string().is_empty() {
                return Err("an error without words".into());
            }
            refused(file, &error)?;
            Ok(Verdict::Refused)
        }
        Ok(image) => {
            let readable = compare::readable(file);
            let oracle = compare::parse(&readable)?;
            compare::headers(&image, &oracle)?;
            for warning in &image.warnings {
                if warning.to_string().is_empty() {
                    return Err("a warning without words".into());
                }
            }
            if image.size_of_image > MAPPED_BYTES {
                return Ok(Verdict::TooLarge);
            }
            let laid_out = image.map(file).map_err(|error| format!("accepted, but not mapped: {error}"))?;
            compare::sections(&image, &oracle, file, &laid_out)?;
            compare::debug(&image, &oracle)?;
            flat::all(&image, &oracle, &laid_out)?;
            moved::there_and_back(&image, laid_out)?;
            Ok(Verdict::Accepted)
        }
    }
}

/// Some refusals say that the file cannot be read as PE at all: then the oracle must not read it either.
fn refused(file: &[u8], error: &PeError) -> Result<(), String> {
    let unreadable = match error {
        PeError::Empty | PeError::NotPe { .. } => true,
        PeError::Truncated { what, .. } => {
            ["the DOS header", "the PE file header", "the PE optional header", "the section table"]
                .contains(&what.as_str())
        }
        PeError::BadField { field, .. } => ["SizeOfOptionalHeader", "Magic"].contains(field),
        _ => false,
    };
    if unreadable && compare::parse(file).is_ok() {
        return Err(format!("refused ({error}), but object reads it"));
    }
    Ok(())
}

/// Says what differs when two values that must be the same are not.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, oracle: T) -> Result<(), String> {
    if ours == oracle {
        return Ok(());
    }
    Err(format!("{what}: pe says {ours:x?}, object says {oracle:x?}"))
}
