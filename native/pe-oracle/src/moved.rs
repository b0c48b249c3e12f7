//! Moving an image and moving it back restores it.

use pe::{Image, PeError, RelocationKind, relocate};

/// A multiple of 64 KiB, as every move of the loader is, that leaves most 32-bit addresses in range.
const DELTA: u64 = 0x0123_0000;

/// Relocates by a delta, then by its opposite in reverse order (places may overlap), and compares.
///
/// Rounded halves (HIGHADJ) lose a bit by design and are left out; a 32-bit address that cannot follow is an error
/// of its own.
pub(crate) fn there_and_back(image: &Image, laid_out: Vec<u8>) -> Result<(), String> {
    if image.relocations.iter().any(|relocation| matches!(relocation.kind, RelocationKind::HighAdj { .. })) {
        return Ok(());
    }
    let mut moved = laid_out.clone();
    match relocate(&mut moved, &image.relocations, DELTA) {
        Ok(()) => {}
        Err(PeError::RelocationOverflow { .. }) => return Ok(()),
        Err(error) => return Err(format!("accepted, but not moved: {error}")),
    }
    let mut back = image.relocations.clone();
    back.reverse();
    relocate(&mut moved, &back, DELTA.wrapping_neg())
        .map_err(|error| format!("moved, but not moved back: {error}"))?;
    if moved != laid_out {
        return Err("moving the image and moving it back changed it".into());
    }
    Ok(())
}
