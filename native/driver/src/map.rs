//! Placing an image: sections, relocations, cookie, guard pointers, protections.

use boundary::slot::{PAGE_SIZE, Protection};
use nt_ke::current_core;
use pe::Image;

use crate::error::What;
use crate::helpers::Helpers;

/// An image in memory, not yet protected.
pub(crate) struct Mapped {
    pub(crate) base: usize,
    pub(crate) bytes: usize,
}

/// Writes `value` into the image through the engine's alias.
pub(crate) fn put_u64(base: usize, rva: u32, value: u64) {
    let alias = current_core().slot.alias(base + rva as usize);
    // The alias of an image that is being loaded is always writable.
    let _ = boundary::copy::write_value(alias, value);
}

/// Reserves addresses and writes the relocated image there.
pub(crate) fn map(image: &Image, file: &[u8], helpers: &Helpers) -> Result<Mapped, What> {
    if image.relocations_stripped || (!image.has_relocations && needs_relocation(image)) {
        return Err(What::NoRelocations(image.image_base));
    }
    let bytes = (image.size_of_image as usize).next_multiple_of(PAGE_SIZE);
    let base = nt_mm::mm().images.reserve(bytes, 1 << 16).ok_or(What::NoRoom)?;
    let mut memory = image.map(file).map_err(What::Image)?;
    let delta = (base as u64).wrapping_sub(image.image_base);
    pe::relocate(&mut memory, &image.relocations, delta).map_err(What::Image)?;
    crate::rewrite::shared_user_data(image, &mut memory, current_core().slot.shared_user_data() as u64);
    let alias = current_core().slot.alias(base);
    boundary::copy::write(alias, &memory).map_err(|_| What::Host(std::io::ErrorKind::OutOfMemory.into()))?;
    if let Some(rva) = image.security_cookie_rva {
        // Any value but the default; 16 upper bits are zero on Windows, so that string copies cannot forge it.
        let mixed = (base as u64 ^ u64::from(image.timestamp)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        put_u64(base, rva, (mixed >> 16) | 1);
    }
    let checks = [image.guard_cf_check_function_pointer_rva, image.guard_xfg_check_function_pointer_rva];
    for rva in checks.into_iter().flatten() {
        put_u64(base, rva, helpers.guard_check as u64);
    }
    let dispatches = [
        image.guard_cf_dispatch_function_pointer_rva,
        image.guard_xfg_dispatch_function_pointer_rva,
        image.guard_xfg_table_dispatch_function_pointer_rva,
    ];
    for rva in dispatches.into_iter().flatten() {
        put_u64(base, rva, helpers.guard_dispatch as u64);
    }
    Ok(Mapped { base, bytes })
}

/// Whether anything in the image could hold an absolute address.
fn needs_relocation(image: &Image) -> bool {
    image.security_cookie_rva.is_some() || image.guard_cf_check_function_pointer_rva.is_some()
}

/// Gives each section the access that it asks for; headers are read only.
pub(crate) fn protect(image: &Image, mapped: &Mapped) -> Result<(), What> {
    let slot = &current_core().slot;
    slot.protect(mapped.base, mapped.bytes, Protection::Read).map_err(What::Host)?;
    for section in &image.sections {
        let protection = match (section.is_writable(), section.is_executable()) {
            (true, true) => Protection::ReadWriteExecute,
            (true, false) => Protection::ReadWrite,
            (false, true) => Protection::ReadExecute,
            (false, false) => Protection::Read,
        };
        let start = mapped.base + section.rva as usize;
        let bytes = (section.virtual_size.max(1) as usize).next_multiple_of(PAGE_SIZE);
        slot.protect(start, bytes.min(mapped.base + mapped.bytes - start), protection).map_err(What::Host)?;
    }
    Ok(())
}

/// Takes away what is needed only until `DriverEntry` has returned.
pub(crate) fn discard_initialization(image: &Image, mapped: &Mapped) {
    for section in image.sections.iter().filter(|section| section.is_init()) {
        let start = mapped.base + section.rva as usize;
        let bytes = (section.virtual_size.max(1) as usize).next_multiple_of(PAGE_SIZE);
        let _ = current_core().slot.protect(start, bytes, Protection::None);
    }
}
