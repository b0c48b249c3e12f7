//! The machine below the filter manager, and services that filters are registered by.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use nt_abi::{
    DEVICE_OBJECT, DRIVER_OBJECT, FILE_DEVICE_DISK_FILE_SYSTEM, FLT_OPERATION_REGISTRATION, FLT_REGISTRATION,
    FLT_REGISTRATION_VERSION, NtStatus,
};
use nt_cm::{Value, cm_set};
use nt_io::{
    Dispatch, Io, io_create_device, io_create_driver, io_create_native_driver, io_register_file_system,
};
use nt_ke::Core;

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Boots all that the filter manager stands on.
pub fn boot(core: &Arc<Core>) {
    core.install(Box::new(nt_mm::Mm::new(core).expect("pages")));
    core.install(Box::new(nt_ex::Ex::new(core)));
    nt_ob::Ob::boot(core).expect("no raise").expect("objects");
    nt_se::Se::boot(core).expect("no raise").expect("security");
    nt_cm::Cm::boot(core).expect("no raise").expect("registry");
    let io = core.install(Io::new());
    assert_eq!(io.initialize(), Ok(NtStatus::SUCCESS));
    core.install(nt_fsrtl::FsRtl::new());
}

/// Starts the filter manager.
pub fn start_manager(core: &Arc<Core>) {
    let flt = core.install(Box::new(fltmgr::Flt::new()));
    assert_eq!(flt.start(), Ok(NtStatus::SUCCESS));
}

/// Registers a file system by its control device.
pub fn add_file_system(name: &str, dispatch: Arc<dyn Dispatch>) -> &'static DEVICE_OBJECT {
    let driver = io_create_driver(&units(&format!(r"\FileSystem\{name}")), dispatch).unwrap().unwrap();
    let control = io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false).unwrap().unwrap();
    io_register_file_system(control).unwrap();
    control
}

/// The driver of a service with one instance, its default one, called as the service and `Main`.
pub fn filter_driver(name: &str, altitude: &str) -> &'static DRIVER_OBJECT {
    let service = format!(r"\Registry\Machine\System\CurrentControlSet\Services\{name}");
    let default = Value::string(&format!("{name} Main"));
    cm_set(&format!(r"{service}\Instances"), "DefaultInstance", default).unwrap();
    let key = format!(r"{service}\Instances\{name} Main");
    cm_set(&key, "Altitude", Value::string(altitude)).unwrap();
    cm_set(&key, "Flags", Value::dword(0)).unwrap();
    let driver = io_create_native_driver(&units(&format!(r"\FileSystem\{name}")), 0, 0, &units(&service));
    driver.unwrap().unwrap()
}

/// Rules of the findings so far.
pub fn rules(core: &Core) -> Vec<&'static str> {
    core.findings().iter().map(|finding| finding.rule).collect()
}

/// Registers the filter of `driver` for `operations`, which an end follows.
pub fn register(
    driver: &DRIVER_OBJECT,
    registration: &FLT_REGISTRATION,
    operations: &[FLT_OPERATION_REGISTRATION],
) -> Arc<fltmgr::Filter> {
    registration.Size.set(size_of::<FLT_REGISTRATION>() as u16);
    registration.Version.set(FLT_REGISTRATION_VERSION);
    registration.OperationRegistration.set(operations.as_ptr().cast_mut());
    let address = std::ptr::from_ref(registration) as usize;
    let pointer = fltmgr::flt_register_filter(driver, address).unwrap().unwrap();
    fltmgr::from_address::<fltmgr::Filter>(pointer).unwrap()
}
