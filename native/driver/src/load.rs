//! Loading and unloading.

use std::sync::{Arc, OnceLock};

use boundary::Raise;
use nt_abi::{DRIVER_OBJECT, NtStatus, UNICODE_STRING};
use nt_ex::pool::PoolKind;
use nt_ke::{Finding, current_core};
use pe::Image;

use crate::error::{LoadError, What};
use crate::images::LoadedImage;
use crate::map::Mapped;
use crate::{Loader, Resolver, bind, map};

const TAG: u32 = u32::from_le_bytes(*b"ADrv");

/// What to load.
pub struct LoadRequest<'a> {
    /// Path as it is shown.
    pub file: &'a str,
    /// Service name.
    pub service: &'a str,
    /// Full path of its service key.
    pub registry_path: &'a str,
    /// The bytes of the image.
    pub image: &'a [u8],
    /// Who exports what it imports.
    pub resolver: &'a dyn Resolver,
}

/// A driver whose `DriverEntry` has succeeded.
pub struct LoadedDriver {
    object: &'static DRIVER_OBJECT,
    image: Arc<LoadedImage>,
}

impl LoadedDriver {
    /// Where its image stands, and how many bytes it has.
    pub fn image(&self) -> (usize, usize) {
        (self.image.range.start, self.image.range.len())
    }

    /// Oddities of the image that kept it from nothing.
    pub fn warnings(&self) -> &[pe::Warning] {
        &self.image.image.warnings
    }

    /// Address of what its image exports under a name; `None` also for a forwarder.
    pub fn export(&self, name: &str) -> Option<usize> {
        match self.image.image.export(name)? {
            pe::ExportTarget::Rva(rva) => Some(self.image.range.start + *rva as usize),
            pe::ExportTarget::Forwarder(_) => None,
        }
    }

    /// Its driver object.
    pub fn object(&self) -> &'static DRIVER_OBJECT {
        self.object
    }
}

/// Maps, binds and starts a driver on the current thread.
///
/// IRQL:    PASSIVE_LEVEL, in the System process
/// Errors:  [`LoadError`]; nothing of the image stays accessible then
pub fn load(request: &LoadRequest<'_>) -> Result<Result<LoadedDriver, LoadError>, Raise> {
    let error = |what| LoadError::new(request.file, what);
    let image = match Image::parse(request.image) {
        Ok(image) => image,
        Err(reason) => return Ok(Err(error(What::Image(reason)))),
    };
    let (loaded, mapped) = match place(request, &image) {
        Ok(placed) => placed,
        Err(what) => return Ok(Err(error(what))),
    };
    let path: Vec<u16> = request.registry_path.encode_utf16().collect();
    let string = match RegistryString::new(&path)? {
        Ok(string) => string,
        Err(status) => {
            map::withdraw(mapped);
            return Ok(Err(error(What::Object(status))));
        }
    };
    let name: Vec<u16> = format!("\\Driver\\{}", request.service).encode_utf16().collect();
    let object = match nt_io::io_create_native_driver(&name, mapped.base, image.size_of_image, &path)? {
        Ok(object) => object,
        Err(status) => {
            string.free()?;
            map::withdraw(mapped);
            return Ok(Err(error(What::Object(status))));
        }
    };
    let entry = nt_abi::NativeFn(mapped.base + image.entry_rva as usize);
    object.DriverInit.set(entry);
    let image_path: Vec<u16> =
        format!("\\SystemRoot\\System32\\drivers\\{}", loaded.module).encode_utf16().collect();
    nt_ps::ps_call_image_routines(&image_path, 0, mapped.base, mapped.bytes)?;
    map::watch_pageable(&image, mapped);
    let arguments = [std::ptr::from_ref(object) as u64, std::ptr::from_ref(string.string) as u64];
    let status = NtStatus(boundary::call(entry, arguments)? as i32);
    string.free()?;
    if !status.is_success() {
        report_leaks(&loaded, "after DriverEntry had failed");
        nt_io::io_delete_driver(object)?;
        current_core().remove_pageable(mapped.base, mapped.bytes);
        map::withdraw(mapped);
        return Ok(Err(error(What::Entry(status))));
    }
    map::discard_initialization(&image, mapped);
    Ok(Ok(LoadedDriver { object, image: loaded }))
}

/// Gives the image addresses and writes it there, ready to run.
fn place(request: &LoadRequest<'_>, image: &Image) -> Result<(Arc<LoadedImage>, Mapped), What> {
    let entry_rva = image.entry_rva;
    match image.section_at(entry_rva) {
        _ if entry_rva == 0 => return Err(What::NoEntry),
        Some(section) if section.is_executable() => {}
        _ => return Err(What::EntryNotExecutable(entry_rva)),
    }
    let loader = current_core().get::<Loader>();
    let stubs = loader.stubs()?;
    let mapped = map::reserve(image)?;
    let ready = map::fill(image, request.image, mapped, stubs)
        .and_then(|()| bind::bind(image, mapped.base, request.resolver, stubs))
        .and_then(|()| map::protect(image, mapped));
    if let Err(what) = ready {
        map::withdraw(mapped);
        return Err(what);
    }
    let loaded = loader.images.add(LoadedImage {
        driver: request.service.to_owned(),
        module: request.file.rsplit(['/', '\\']).next().unwrap_or(request.file).to_owned(),
        range: mapped.base..mapped.base + mapped.bytes,
        image: image.clone(),
        file: request.image.to_vec(),
        path: request.file.to_owned(),
        layout: LoadedImage::lay_out(image, request.image),
        looked_up: [const { std::sync::atomic::AtomicU32::new(0) }; 64],
        symbols: OnceLock::new(),
    });
    Ok((loaded, mapped))
}

/// A `UNICODE_STRING` in pool, as `DriverEntry` gets its registry path. The driver may write over it: what is freed
/// is remembered here.
struct RegistryString {
    string: &'static UNICODE_STRING,
    buffer: *const u8,
}

impl RegistryString {
    fn new(path: &[u16]) -> Result<Result<Self, NtStatus>, Raise> {
        let bytes: Vec<u8> = path.iter().chain([&0]).flat_map(|unit| unit.to_le_bytes()).collect();
        let (Ok(length), Ok(maximum)) = (u16::try_from(path.len() * 2), u16::try_from(bytes.len())) else {
            return Ok(Err(NtStatus::NAME_TOO_LONG));
        };
        let string = match nt_ex::pool::allocate_new::<UNICODE_STRING>(TAG) {
            Ok(string) => string,
            Err(status) => return Ok(Err(status)),
        };
        let Some(buffer) = nt_ex::pool::allocate_engine(PoolKind::NonPaged, bytes.len(), TAG) else {
            nt_ex::pool::free_new(string)?;
            return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        let buffer = buffer.as_ptr();
        // Fresh pool is writable.
        let _ = boundary::copy::write(buffer as usize, &bytes);
        string.Buffer.set(buffer.cast());
        string.Length.set(length);
        string.MaximumLength.set(maximum);
        Ok(Ok(Self { string, buffer }))
    }

    fn free(self) -> Result<(), Raise> {
        nt_ex::pool::free(self.buffer, None)?;
        nt_ex::pool::free_new(self.string)
    }
}

/// Unloads a driver that has unregistered from everything and whose unload routine has run: what it left in pool
/// becomes findings (rule `pool-leak`), its image inaccessible for ever.
///
/// IRQL:    PASSIVE_LEVEL, in the System process
pub fn unload(driver: LoadedDriver) -> Result<(), Raise> {
    report_leaks(&driver.image, "when it was unloaded");
    report_timers(&driver.image);
    nt_io::io_delete_driver(driver.object)?;
    let range = &driver.image.range;
    nt_ex::resource::memory_freed(range.start, range.len());
    current_core().remove_pageable(range.start, range.len());
    map::withdraw(Mapped { base: range.start, bytes: range.len() });
    Ok(())
}

/// Timers and DPCs that would run code of an image that is gone. The timers are ended.
///
/// Statements: EXEC-35
fn report_timers(image: &LoadedImage) {
    let core = current_core();
    let (timers, dpcs) =
        (nt_ke::timer::end_all_in(core, &image.range), nt_ke::dpc::queued_in(core, &image.range));
    for (left, rule, what) in [
        (timers, "timer-left", "timers were still set when it was unloaded; call KeCancelTimer before"),
        (dpcs, "dpc-left", "DPCs were still queued when it was unloaded; call KeFlushQueuedDpcs before"),
    ] {
        if !left.is_empty() {
            let message = format!("{} of its {what}", left.len());
            let mut finding = Finding::error(rule, image.driver.clone(), message);
            finding.places = left;
            core.report(finding);
        }
    }
}

/// What a routine allocated that does not give pool, but blocks with a tag of the manager's.
fn kind_of(tag: u32) -> &'static str {
    match &tag.to_le_bytes() {
        b"FMcd" => ", callback data of FltAllocateCallbackData",
        b"FMwi" => ", a work item of FltAllocateDeferredIoWorkItem or FltAllocateGenericWorkItem",
        b"Mdl " => ", an MDL",
        _ => "",
    }
}

fn report_leaks(image: &LoadedImage, when: &str) {
    for leak in nt_ex::pool::outstanding(image.range.clone()) {
        let mut finding = Finding::error(
            "pool-leak",
            image.driver.clone(),
            format!(
                "{} pool block{} with tag {:?}{} ({} bytes) {} not freed {when}; free {} before unloading",
                leak.count,
                if leak.count == 1 { "" } else { "s" },
                leak.tag_text(),
                kind_of(leak.tag),
                leak.bytes,
                if leak.count == 1 { "was" } else { "were" },
                if leak.count == 1 { "it" } else { "them" },
            ),
        );
        finding.places = vec![leak.caller];
        current_core().report(finding);
    }
}
