//! Loading and unloading.

use std::sync::{Arc, OnceLock};

use boundary::Raise;
use boundary::slot::Protection;
use nt_abi::{DRIVER_OBJECT, NtStatus, UNICODE_STRING};
use nt_ke::{Finding, current_core};
use pe::Image;

use crate::error::{LoadError, What};
use crate::helpers::Helpers;
use crate::images::LoadedImage;
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
    let name: Vec<u16> = format!("\\Driver\\{}", request.service).encode_utf16().collect();
    let path: Vec<u16> = request.registry_path.encode_utf16().collect();
    let object = match nt_io::io_create_native_driver(&name, mapped.base, image.size_of_image, &path)? {
        Ok(object) => object,
        Err(status) => {
            withdraw(&loaded);
            return Ok(Err(error(What::Object(status))));
        }
    };
    let entry = mapped.base + image.entry_rva as usize;
    object.DriverInit.set(nt_abi::NativeFn(entry));
    let string = match registry_string(&path) {
        Ok(string) => string,
        Err(status) => return Ok(Err(error(What::Object(status)))),
    };
    let arguments = [std::ptr::from_ref(object) as u64, std::ptr::from_ref(string) as u64];
    let status = NtStatus(boundary::call(nt_abi::NativeFn(entry), arguments)? as i32);
    nt_ex::pool::free(string.Buffer.get().cast::<u8>().cast_const(), None)?;
    nt_ex::pool::free_new(string)?;
    if !status.is_success() {
        report_leaks(&loaded, "after DriverEntry had failed");
        nt_io::io_delete_driver(object)?;
        withdraw(&loaded);
        return Ok(Err(error(What::Entry(status))));
    }
    map::discard_initialization(&image, &mapped);
    Ok(Ok(LoadedDriver { object, image: loaded }))
}

fn place(request: &LoadRequest<'_>, image: &Image) -> Result<(Arc<LoadedImage>, map::Mapped), What> {
    if image.entry_rva == 0 {
        return Err(What::NoEntry);
    }
    let loader = current_core().get::<Loader>();
    if loader.helpers.get().is_none() {
        let _ = loader.helpers.set(Helpers::new()?);
    }
    let helpers = loader.helpers.get().ok_or(What::NoRoom)?;
    let mapped = map::map(image, request.image, helpers)?;
    bind::bind(image, mapped.base, request.resolver, helpers)?;
    map::protect(image, &mapped)?;
    let loaded = loader.images.add(LoadedImage {
        driver: request.service.to_owned(),
        module: request.file.rsplit(['/', '\\']).next().unwrap_or(request.file).to_owned(),
        range: mapped.base..mapped.base + mapped.bytes,
        image: image.clone(),
        file: Arc::new(request.image.to_vec()),
        path: request.file.to_owned(),
        symbols: OnceLock::new(),
    });
    Ok((loaded, mapped))
}

/// A `UNICODE_STRING` in pool, as `DriverEntry` gets its registry path.
fn registry_string(path: &[u16]) -> Result<&'static UNICODE_STRING, NtStatus> {
    let string = nt_ex::pool::allocate_new::<UNICODE_STRING>(TAG)?;
    let bytes: Vec<u8> = path.iter().chain([&0]).flat_map(|unit| unit.to_le_bytes()).collect();
    let buffer = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, bytes.len(), TAG)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let _ = boundary::copy::write(buffer.as_ptr() as usize, &bytes);
    string.Buffer.set(buffer.as_ptr().cast());
    string.Length.set((path.len() * 2) as u16);
    string.MaximumLength.set(bytes.len() as u16);
    Ok(string)
}

/// Makes an image inaccessible for ever.
fn withdraw(image: &LoadedImage) {
    let _ = current_core().slot.protect(image.range.start, image.range.len(), Protection::None);
}

/// Unloads a driver that has unregistered from everything.
pub fn unload(driver: LoadedDriver) -> Result<(), Raise> {
    report_leaks(&driver.image, "when it was unloaded");
    nt_io::io_delete_driver(driver.object)?;
    withdraw(&driver.image);
    Ok(())
}

fn report_leaks(image: &LoadedImage, when: &str) {
    for leak in nt_ex::pool::outstanding(image.range.clone()) {
        let mut finding = Finding::error(
            "pool-leak",
            image.driver.clone(),
            format!(
                "{} pool block{} with tag {:?} ({} bytes) {} not freed {when}; free {} before unloading",
                leak.count,
                if leak.count == 1 { "" } else { "s" },
                leak.tag_text(),
                leak.bytes,
                if leak.count == 1 { "was" } else { "were" },
                if leak.count == 1 { "it" } else { "them" },
            ),
        );
        finding.places = vec![leak.caller];
        current_core().report(finding);
    }
}
