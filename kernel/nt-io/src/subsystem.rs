//! The I/O manager of one machine: its object types, its lists, its locks.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nt_abi::{
    FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_OBJECT, NativeFn,
    NtStatus,
};
use nt_ke::core::index;
use nt_ke::{Lock, Raise, Rank, Subsystem};
use nt_ob::{Mapping, ObjectType, TypeDescription, ob_create_type};

use crate::irp::FreeIrps;
use crate::paging::PageWritten;
use crate::volume::FileSystems;
use crate::{create, device, driver, file};

pub(crate) struct Types {
    pub device: &'static ObjectType,
    pub driver: &'static ObjectType,
    pub file: &'static ObjectType,
}

/// The I/O manager.
pub struct Io {
    types: OnceLock<Types>,
    default_dispatch: AtomicUsize,
    rust_dispatch: AtomicUsize,
    /// Device stacks, drivers' device lists, VPB counts.
    pub(crate) database: Lock<()>,
    pub(crate) file_systems: Lock<FileSystems>,
    /// Storage devices of the disk driver.
    pub(crate) disks: Lock<Vec<usize>>,
    pub(crate) disk_driver: OnceLock<usize>,
    /// Counts of associated IRPs.
    pub(crate) cancel_state: Lock<()>,
    /// Asynchronous requests of services that are on their way.
    pub(crate) pending: Lock<Vec<usize>>,
    /// Requests that a thread waits for.
    pub(crate) waiting: Lock<Vec<usize>>,
    /// Whom to tell of asynchronous paging writes, by IRP.
    pub(crate) page_writes: Lock<BTreeMap<usize, PageWritten>>,
    /// The cancel spin lock.
    pub(crate) cancel_lock: AtomicUsize,
    fast_io: AtomicBool,
    /// Frees lists of extra create parameters that filters attached.
    pub(crate) free_ecp_list: OnceLock<FreeEcpList>,
    pub(crate) free_irps: FreeIrps,
}

/// Frees a list of extra create parameters, by its address.
pub type FreeEcpList = fn(usize) -> Result<(), Raise>;

impl Subsystem for Io {
    const INDEX: usize = index::IO;
}

/// The I/O manager of the current thread's machine.
#[inline]
pub(crate) fn subsystem() -> &'static Io {
    nt_ke::subsystem::<Io>()
}

/// What generic rights mean for files.
pub const FILE_MAPPING: Mapping = Mapping {
    read: FILE_GENERIC_READ,
    write: FILE_GENERIC_WRITE,
    execute: FILE_GENERIC_EXECUTE,
    all: FILE_ALL_ACCESS,
};

impl Io {
    /// An I/O manager without types: [`Io::initialize`] comes next.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            types: OnceLock::new(),
            default_dispatch: AtomicUsize::new(0),
            rust_dispatch: AtomicUsize::new(0),
            database: Lock::new(Rank::IoDatabase, ()),
            file_systems: Lock::new(Rank::IoDatabase, FileSystems::default()),
            disks: Lock::new(Rank::IoDatabase, Vec::new()),
            disk_driver: OnceLock::new(),
            cancel_state: Lock::new(Rank::IoCancel, ()),
            pending: Lock::new(Rank::IoCancel, Vec::new()),
            waiting: Lock::new(Rank::IoCancel, Vec::new()),
            page_writes: Lock::new(Rank::Leaf, BTreeMap::new()),
            cancel_lock: AtomicUsize::new(0),
            fast_io: AtomicBool::new(true),
            free_ecp_list: OnceLock::new(),
            free_irps: FreeIrps::default(),
        })
    }

    /// Makes the object types. In an attached thread, once, after `install`.
    ///
    /// Errors: INSUFFICIENT_RESOURCES
    pub fn initialize(&self) -> Result<NtStatus, Raise> {
        let base = |name, tag| TypeDescription {
            mapping: FILE_MAPPING,
            valid_access: FILE_ALL_ACCESS,
            ..TypeDescription::new(name, tag)
        };
        let made = (|| {
            Ok(Types {
                device: ob_create_type(TypeDescription {
                    parse: Some(create::parse_device_name),
                    delete: Some(device::deleted),
                    ..base("Device", *b"Devi")
                })?,
                driver: ob_create_type(TypeDescription {
                    delete: Some(driver::deleted),
                    ..base("Driver", *b"Driv")
                })?,
                file: ob_create_type(TypeDescription {
                    parse: Some(create::parse_relative_name),
                    close: Some(file::handle_closed),
                    delete: Some(file::deleted),
                    query_name: Some(file::query_name),
                    wait_offset: Some(std::mem::offset_of!(FILE_OBJECT, Event)),
                    ..base("File", *b"File")
                })?,
            })
        })();
        match made {
            Ok(types) => {
                let _ = self.types.set(types);
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Whether services try fast I/O before they send an IRP. Off, drivers see IRPs only, as they must be able to.
    pub fn set_fast_io(&self, tried: bool) {
        self.fast_io.store(tried, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn tries_fast_io(&self) -> bool {
        self.fast_io.load(Ordering::Relaxed)
    }

    pub(crate) fn types(&self) -> &Types {
        self.types.get().expect("the I/O manager is initialised at boot")
    }

    /// The type of file objects: `*IoFileObjectType`.
    pub fn file_type(&self) -> &'static ObjectType {
        self.types().file
    }

    /// The type of device objects.
    pub fn device_type(&self) -> &'static ObjectType {
        self.types().device
    }

    /// The type of driver objects.
    pub fn driver_type(&self) -> &'static ObjectType {
        self.types().driver
    }

    /// Sets what a fresh native driver's table holds. The exports know it; at boot.
    pub fn set_default_dispatch(&self, routine: NativeFn) {
        self.default_dispatch.store(routine.0, Ordering::Release);
    }

    /// Sets what a Rust driver's table holds, for native callers. The exports know it; at boot.
    pub fn set_rust_dispatch(&self, routine: NativeFn) {
        self.rust_dispatch.store(routine.0, Ordering::Release);
    }

    pub(crate) fn default_dispatch(&self) -> NativeFn {
        NativeFn(self.default_dispatch.load(Ordering::Acquire))
    }

    pub(crate) fn rust_dispatch(&self) -> NativeFn {
        NativeFn(self.rust_dispatch.load(Ordering::Acquire))
    }
}

/// Tells the machine's I/O manager how lists of extra create parameters are freed. Once.
pub fn set_ecp_list_free(free: FreeEcpList) {
    let _ = subsystem().free_ecp_list.set(free);
}
