//! The locks of a file system that registered no callback for an operation: its fast I/O routines, or the defaults.
//!
//! | operation | default |
//! | --- | --- |
//! | section | main resource exclusive |
//! | cache flush | main resource (shared if the thread shares it, else exclusive), then paging resource shared |
//! | page writer | main resource exclusive beyond valid data, else paging resource shared; never waits |
//!
//! Statements: FSF-18 to FSF-22, FSF-24.
//!
//! UNSAFETY: a stream header names resources that live as long as it does, or none (CC-22).

use std::cell::Cell;
use std::ptr::from_ref;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, ERESOURCE, FAST_IO_DISPATCH, FILE_OBJECT, FSRTL_COMMON_FCB_HEADER,
    FSRTL_FLAG_ACQUIRE_MAIN_RSRC_EX, FSRTL_FLAG_ACQUIRE_MAIN_RSRC_SH, NativeFn, NtStatus,
};
use nt_ex::resource;
use nt_io::native_fast_io;
use nt_ke::{Finding, current_core};

fn header(file: &FILE_OBJECT) -> Option<&'static FSRTL_COMMON_FCB_HEADER> {
    // SAFETY: null, or the control block of whoever opened the file, which begins with the header.
    unsafe { file.FsContext.get().cast::<FSRTL_COMMON_FCB_HEADER>().as_ref() }
}

/// The main resource and the paging resource of a file's stream.
fn resources(file: &FILE_OBJECT) -> (Option<&'static ERESOURCE>, Option<&'static ERESOURCE>) {
    let Some(header) = header(file) else { return (None, None) };
    // SAFETY: see the module.
    unsafe { (header.Resource.get().as_ref(), header.PagingIoResource.get().as_ref()) }
}

/// The thread is about to wait for the main resource: it must not hold the paging resource alone, since those who hold
/// the main one wait for that. Source: FSF-21
pub fn check_order(file: &FILE_OBJECT) {
    if let (Some(main), Some(paging)) = resources(file)
        && resource::is_acquired_shared(paging) != 0
        && resource::is_acquired_shared(main) == 0
    {
        current_core().report(Finding::error(
            "FSF-21",
            "",
            format!(
                "a thread that holds the paging resource {paging:p} of a stream waits for its main resource {main:p}: \
                 the order is the main resource first, so acquire that before, or give the paging resource back"
            ),
        ));
    }
}

/// The file system's fast I/O routine, if it has one. Those of filters are obsolete and never called.
fn fast(device: &DEVICE_OBJECT, entry: fn(&FAST_IO_DISPATCH) -> NativeFn) -> Option<NativeFn> {
    native_fast_io(device).map(entry).filter(|routine| !routine.is_null())
}

/// Calls a fast I/O routine with a status. `None`: it leaves the operation to the default.
fn ask<const N: usize>(routine: NativeFn, arguments: [u64; N]) -> Result<Option<NtStatus>, Raise> {
    let status = NtStatus(boundary::call(routine, arguments)? as u32 as i32);
    Ok((status != NtStatus::INVALID_DEVICE_REQUEST).then_some(status))
}

/// Source: FAST_IO_DISPATCH.AcquireFileForNtCreateSection, FSF-20.
pub(super) fn section(device: &DEVICE_OBJECT, file: &FILE_OBJECT) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.AcquireFileForNtCreateSection.get()) {
        boundary::call(routine, [from_ref(file) as u64])?;
    } else if let (Some(main), _) = resources(file) {
        check_order(file);
        resource::acquire_exclusive(main, true)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// Source: FAST_IO_DISPATCH.ReleaseFileForNtCreateSection, FSF-20.
pub(super) fn release_section(device: &DEVICE_OBJECT, file: &FILE_OBJECT) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.ReleaseFileForNtCreateSection.get()) {
        boundary::call(routine, [from_ref(file) as u64])?;
    } else if let (Some(main), _) = resources(file) {
        resource::release(main)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// Takes the resources that a cache flush takes by default. Source: FSF-20.
pub fn acquire_flush_resources(file: &FILE_OBJECT) -> Result<(), Raise> {
    check_order(file);
    let (main, paging) = resources(file);
    if let Some(main) = main {
        let shares = resource::is_acquired_shared(main) != 0 && !resource::is_acquired_exclusive(main);
        if shares {
            resource::acquire_shared(main, true)?;
        } else {
            resource::acquire_exclusive(main, true)?;
        }
    }
    if let Some(paging) = paging {
        resource::acquire_shared(paging, true)?;
    }
    Ok(())
}

/// Gives them back.
pub fn release_flush_resources(file: &FILE_OBJECT) -> Result<(), Raise> {
    let (main, paging) = resources(file);
    for resource in [paging, main].into_iter().flatten() {
        resource::release(resource)?;
    }
    Ok(())
}

/// Source: FAST_IO_DISPATCH.AcquireForCcFlush, FSF-20.
pub(super) fn cc_flush(device: &DEVICE_OBJECT, file: &FILE_OBJECT) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.AcquireForCcFlush.get())
        && let Some(status) = ask(routine, [from_ref(file) as u64, from_ref(device) as u64])?
    {
        return Ok(status);
    }
    acquire_flush_resources(file).map(|()| NtStatus::SUCCESS)
}

/// Source: FAST_IO_DISPATCH.ReleaseForCcFlush, FSF-20.
pub(super) fn release_cc_flush(device: &DEVICE_OBJECT, file: &FILE_OBJECT) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.ReleaseForCcFlush.get())
        && let Some(status) = ask(routine, [from_ref(file) as u64, from_ref(device) as u64])?
    {
        return Ok(status);
    }
    release_flush_resources(file).map(|()| NtStatus::SUCCESS)
}

/// Which resource a write up to `end` needs, and whether alone. Source: FSF-19.
fn needed(header: &FSRTL_COMMON_FCB_HEADER, end: i64) -> Option<(&'static ERESOURCE, bool)> {
    // SAFETY: see the module.
    let (main, paging) = unsafe { (header.Resource.get().as_ref()?, header.PagingIoResource.get().as_ref()) };
    let (flags, valid) = (header.Flags.get(), header.ValidDataLength.get());
    let extends = end > valid && valid < header.FileSize.get();
    if extends || flags & FSRTL_FLAG_ACQUIRE_MAIN_RSRC_EX != 0 {
        return Some((main, true));
    }
    match paging {
        Some(paging) if flags & FSRTL_FLAG_ACQUIRE_MAIN_RSRC_SH == 0 => Some((paging, false)),
        _ => Some((main, false)),
    }
}

/// Takes the resource that a page writer takes by default, without waiting. Source: FSF-18, FSF-19.
fn acquire_page_writer_resource(
    file: &FILE_OBJECT,
    end: i64,
    into: &Cell<*mut ERESOURCE>,
) -> Result<NtStatus, Raise> {
    let Some(header) = header(file) else { return Ok(NtStatus::SUCCESS) };
    let mut choice = needed(header, end);
    // Valid data may grow before the resource is ours: look again. What it grew to stays while it is held.
    while let Some((resource, exclusive)) = choice {
        let got = if exclusive {
            resource::acquire_exclusive(resource, false)?
        } else {
            resource::acquire_shared(resource, false)?
        };
        if !got {
            return Ok(NtStatus::CANT_WAIT);
        }
        let again = needed(header, end);
        if again.is_some_and(|(other, alone)| std::ptr::eq(other, resource) && (exclusive || !alone)) {
            into.set(from_ref(resource).cast_mut());
            return Ok(NtStatus::SUCCESS);
        }
        resource::release(resource)?;
        choice = again;
    }
    Ok(NtStatus::SUCCESS)
}

/// Source: FAST_IO_DISPATCH.AcquireForModWrite, FSF-19.
pub(super) fn mod_write(
    device: &DEVICE_OBJECT,
    file: &FILE_OBJECT,
    end: &Cell<i64>,
    into: &Cell<*mut ERESOURCE>,
) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.AcquireForModWrite.get()) {
        let arguments =
            [from_ref(file) as u64, end.as_ptr() as u64, into.as_ptr() as u64, from_ref(device) as u64];
        if let Some(status) = ask(routine, arguments)? {
            return Ok(status);
        }
    }
    acquire_page_writer_resource(file, end.get(), into)
}

/// Source: FAST_IO_DISPATCH.ReleaseForModWrite, FSF-19.
pub(super) fn release_mod_write(
    device: &DEVICE_OBJECT,
    file: &FILE_OBJECT,
    held: &ERESOURCE,
) -> Result<NtStatus, Raise> {
    if let Some(routine) = fast(device, |table| table.ReleaseForModWrite.get()) {
        let arguments = [from_ref(file) as u64, from_ref(held) as u64, from_ref(device) as u64];
        if let Some(status) = ask(routine, arguments)? {
            return Ok(status);
        }
    }
    resource::release(held).map(|()| NtStatus::SUCCESS)
}
