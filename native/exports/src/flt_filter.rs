//! Filters: registration, start, end, attachment, references.

use std::sync::Arc;

use boundary::{Raise, export};
use fltmgr::{Filter, Instance, Volume, from_address};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DRIVER_OBJECT, NtStatus, UNICODE_STRING};

use crate::argument::{arg, optional, rows, store, store_if};
use crate::flt_string::units;

rows! { "fltmgr.sys", "fltmgr";
    FltRegisterFilter done "REG-01, REG-12";
    FltStartFiltering done "REG-14";
    FltUnregisterFilter done "LIFE-04";
    FltUnloadFilter partial "LIFE-05; the image stays until the host removes it";
    FltAttachVolume done "ATT-01 to ATT-07";
    FltAttachVolumeAtAltitude done "ATT-01 to ATT-07";
    FltDetachVolume done "ATT-08";
    FltObjectReference done "ENUM-10";
    FltObjectDereference done "OBJ-03";
    FltCompareInstanceAltitudes done "ALT-04";
}

/// `FLT_RELATED_OBJECTS` and others name objects by these.
pub(crate) fn filter(address: usize) -> Result<Arc<Filter>, Raise> {
    from_address::<Filter>(address)
}
pub(crate) fn instance(address: usize) -> Result<Arc<Instance>, Raise> {
    from_address::<Instance>(address)
}
pub(crate) fn volume(address: usize) -> Result<Arc<Volume>, Raise> {
    from_address::<Volume>(address)
}

/// Hands a referenced pointer out, or its failure.
pub(crate) fn answer(
    result: Result<usize, NtStatus>,
    out: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    match result {
        Ok(address) => {
            store(out, address, export, "the returned pointer")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

fn attached(result: Result<Arc<Instance>, NtStatus>, out: *mut usize) -> Result<NtStatus, Raise> {
    match result {
        Ok(_) if out.is_null() => Ok(NtStatus::SUCCESS),
        Ok(instance) => match fltmgr::instance_for_driver(&instance) {
            Ok(address) => {
                store_if(out, address)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        },
        Err(status) => Ok(status),
    }
}

export! {
    /// Registers a filter.
    pub fn FltRegisterFilter(driver: *mut DRIVER_OBJECT, registration: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltRegisterFilter: driver);
        answer(fltmgr::flt_register_filter(driver, registration)?, out, "FltRegisterFilter")
    }

    /// Starts filtering.
    pub fn FltStartFiltering(address: usize) -> NtStatus [irql <= APC_LEVEL] {
        fltmgr::flt_start_filtering(&filter(address)?)
    }

    /// Ends a filter.
    pub fn FltUnregisterFilter(address: usize) -> () [irql <= APC_LEVEL] {
        fltmgr::flt_unregister_filter(&filter(address)?)
    }

    /// Unloads another filter.
    pub fn FltUnloadFilter(name: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltUnloadFilter: name);
        fltmgr::flt_unload_filter(&units(name)?, fltmgr::Unload::Filter)
    }

    /// Attaches an instance by its registry definition.
    pub fn FltAttachVolume(owner: usize, target: usize, name: *mut UNICODE_STRING, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let name = optional(name, "FltAttachVolume", "InstanceName")?.map(units).transpose()?;
        attached(fltmgr::flt_attach_volume(&filter(owner)?, &volume(target)?, name.as_deref())?, out)
    }

    /// Attaches an instance at an altitude that is given: for debugging.
    pub fn FltAttachVolumeAtAltitude(owner: usize, target: usize, altitude: *mut UNICODE_STRING, name: *mut UNICODE_STRING, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltAttachVolumeAtAltitude: altitude);
        let name = optional(name, "FltAttachVolumeAtAltitude", "InstanceName")?.map(units).transpose()?;
        let altitude = units(altitude)?;
        attached(fltmgr::flt_attach_volume_at_altitude(&filter(owner)?, &volume(target)?, &altitude, name.as_deref())?, out)
    }

    /// Detaches an instance.
    pub fn FltDetachVolume(owner: usize, target: usize, name: *mut UNICODE_STRING) -> NtStatus [irql <= APC_LEVEL] {
        let name = optional(name, "FltDetachVolume", "InstanceName")?.map(units).transpose()?;
        fltmgr::flt_detach_volume(&filter(owner)?, &volume(target)?, name.as_deref())
    }

    /// Adds a rundown reference.
    pub fn FltObjectReference(address: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        fltmgr::flt_object_reference(address)
    }

    /// Takes a rundown reference back.
    pub fn FltObjectDereference(address: usize) -> () [irql <= APC_LEVEL] {
        fltmgr::flt_object_dereference(address)
    }

    /// Orders two instances.
    pub fn FltCompareInstanceAltitudes(first: usize, second: usize) -> i32 [irql <= DISPATCH_LEVEL] {
        Ok(fltmgr::flt_compare_instance_altitudes(&instance(first)?, &instance(second)?))
    }
}
