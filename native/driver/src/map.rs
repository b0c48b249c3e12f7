//! Placing an image: sections, relocations, cookie, guard pointers, protections.
//!
//! Everything is written through the engine's alias; the image's own pages get their access afterwards, page by
//! page, because sections of images with a small alignment share pages.

use boundary::slot::{PAGE_SIZE, Protection};
use nt_ke::current_core;
use nt_ke::pageable::Holds;
use pe::Image;

use crate::error::What;
use crate::stubs::Stubs;

/// What compilers put into `__security_cookie`; a driver that finds it there has not been initialised.
const DEFAULT_COOKIE: u64 = 0x2B99_2DDF_A232;

/// Addresses of an image.
#[derive(Clone, Copy)]
pub(crate) struct Mapped {
    pub(crate) base: usize,
    pub(crate) bytes: usize,
}

/// Writes `value` into the image through the engine's alias.
pub(crate) fn put_u64(base: usize, rva: u32, value: u64) -> Result<(), What> {
    let alias = current_core().slot.alias(base + rva as usize);
    boundary::copy::write_value(alias, value).map_err(|_| out_of_memory())
}

fn out_of_memory() -> What {
    What::Host(std::io::ErrorKind::OutOfMemory.into())
}

/// Reserves addresses for an image that can stand at any.
pub(crate) fn reserve(image: &Image) -> Result<Mapped, What> {
    if image.relocations_stripped || (!image.has_relocations && holds_addresses(image)) {
        return Err(What::NoRelocations(image.image_base));
    }
    let bytes = (image.size_of_image as usize).next_multiple_of(PAGE_SIZE);
    let base = nt_mm::mm().images.reserve(bytes, 1 << 16).ok_or(What::NoRoom)?;
    Ok(Mapped { base, bytes })
}

/// Whether the load configuration names variables: it does so by absolute addresses.
fn holds_addresses(image: &Image) -> bool {
    let pointers = [image.guard_cf_check_function_pointer_rva, image.guard_cf_dispatch_function_pointer_rva];
    image.security_cookie_rva.is_some() || pointers.iter().any(Option::is_some)
}

/// Writes the relocated image to its addresses, still inaccessible.
pub(crate) fn fill(image: &Image, file: &[u8], mapped: Mapped, stubs: &Stubs) -> Result<(), What> {
    let base = mapped.base;
    let mut memory = image.map(file).map_err(What::Image)?;
    let delta = (base as u64).wrapping_sub(image.image_base);
    pe::relocate(&mut memory, &image.relocations, delta).map_err(What::Image)?;
    crate::rewrite::shared_user_data(image, &mut memory, current_core().slot.shared_user_data() as u64);
    boundary::copy::write(current_core().slot.alias(base), &memory).map_err(|_| out_of_memory())?;
    if let Some(rva) = image.security_cookie_rva {
        put_u64(base, rva, cookie(base, image.timestamp))?;
    }
    let checks = [image.guard_cf_check_function_pointer_rva, image.guard_xfg_check_function_pointer_rva];
    for rva in checks.into_iter().flatten() {
        put_u64(base, rva, stubs.guard_check as u64)?;
    }
    let dispatches = [
        image.guard_cf_dispatch_function_pointer_rva,
        image.guard_xfg_dispatch_function_pointer_rva,
        image.guard_xfg_table_dispatch_function_pointer_rva,
    ];
    for rva in dispatches.into_iter().flatten() {
        put_u64(base, rva, stubs.guard_dispatch as u64)?;
    }
    Ok(())
}

/// The same for the same image at the same addresses; never the default, never 0. The upper 16 bits are zero as
/// on Windows, so that no copied string can forge it.
fn cookie(base: usize, timestamp: u32) -> u64 {
    let mixed = (base as u64 ^ u64::from(timestamp)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    match (mixed >> 16) | 1 {
        DEFAULT_COOKIE => DEFAULT_COOKIE ^ 1,
        cookie => cookie,
    }
}

/// What one page of an image is for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Page {
    read: bool,
    write: bool,
    execute: bool,
    /// Something in it is needed after `DriverEntry`.
    lasting: bool,
}

impl Page {
    fn protection(self) -> Protection {
        match (self.read, self.write, self.execute) {
            (_, true, true) => Protection::ReadWriteExecute,
            (_, true, false) => Protection::ReadWrite,
            (_, false, true) => Protection::ReadExecute,
            (true, false, false) => Protection::Read,
            (false, false, false) => Protection::None,
        }
    }
}

fn pages(image: &Image, mapped: Mapped) -> Vec<Page> {
    let mut pages = vec![Page::default(); mapped.bytes / PAGE_SIZE];
    let headers = (image.size_of_headers as usize).div_ceil(PAGE_SIZE);
    for page in pages.iter_mut().take(headers) {
        *page = Page { read: true, lasting: true, ..Page::default() };
    }
    for section in &image.sections {
        let first = section.rva as usize / PAGE_SIZE;
        let end = (section.end_rva() as usize).max(section.rva as usize + 1).div_ceil(PAGE_SIZE);
        for page in pages.iter_mut().take(end).skip(first) {
            page.read = true;
            page.write |= section.is_writable();
            page.execute |= section.is_executable();
            page.lasting |= !section.is_discardable();
        }
    }
    pages
}

/// Applies `choose` to runs of equal pages.
fn protect_runs(
    image: &Image,
    mapped: Mapped,
    choose: impl Fn(Page) -> Option<Protection>,
) -> Result<(), What> {
    let mut at = mapped.base;
    for run in pages(image, mapped).chunk_by(|a, b| a == b) {
        let bytes = run.len() * PAGE_SIZE;
        if let Some(protection) = choose(run[0]) {
            current_core().slot.protect(at, bytes, protection).map_err(What::Host)?;
        }
        at += bytes;
    }
    Ok(())
}

/// Gives each page the access that its sections ask for; headers are read only.
pub(crate) fn protect(image: &Image, mapped: Mapped) -> Result<(), What> {
    protect_runs(image, mapped, |page| Some(page.protection()))
}

/// Takes away what is needed only until `DriverEntry` has returned: INIT and discardable sections.
pub(crate) fn discard_initialization(image: &Image, mapped: Mapped) {
    // Failing to take access away only costs a later diagnosis.
    let _ = protect_runs(image, mapped, |page| (!page.lasting).then_some(Protection::None));
}

/// Watches the sections that may be paged out: those whose name begins with `PAGE`, where they have pages of their own.
pub(crate) fn watch_pageable(image: &Image, mapped: Mapped) {
    if image.sections.iter().any(|section| !(section.rva as usize).is_multiple_of(PAGE_SIZE)) {
        return;
    }
    for section in image.sections.iter().filter(|section| section.name.starts_with("PAGE")) {
        let holds = match (section.is_executable(), section.is_writable()) {
            (true, true) => Holds::Everything,
            (true, false) => Holds::Code,
            (false, true) => Holds::Data,
            (false, false) => Holds::Constants,
        };
        let bytes = (section.end_rva() as usize - section.rva as usize).next_multiple_of(PAGE_SIZE);
        if bytes != 0 && !section.is_discardable() {
            current_core().add_pageable(mapped.base + section.rva as usize, bytes, holds);
        }
    }
}

/// Makes all of an image inaccessible for ever and gives its memory back.
pub(crate) fn withdraw(mapped: Mapped) {
    let slot = &current_core().slot;
    // Failing to take access away only costs a later diagnosis; kept pages only stay resident.
    let _ = slot.protect(mapped.base, mapped.bytes, Protection::None);
    let _ = slot.discard(mapped.base, mapped.bytes);
}
