//! Finding filters, volumes, instances and devices.

use boundary::{Raise, copy, export};
use fltmgr::lookup::{self, Neighbour};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DEVICE_OBJECT, FILE_OBJECT, NtStatus, UNICODE_STRING};

use crate::argument::{arg, fault, optional, rows, store, store_if};
use crate::flt_filter::{answer, filter, instance, volume};
use crate::flt_string::units;

rows! { "fltmgr.sys", "fltmgr";
    FltGetFilterFromName done "ENUM-05";
    FltGetVolumeFromName done "ENUM-06";
    FltGetVolumeFromFileObject done "ENUM-08";
    FltGetVolumeFromInstance done "ENUM-08";
    FltGetFilterFromInstance done "";
    FltGetVolumeInstanceFromName done "ENUM-07";
    FltGetUpperInstance done "ENUM-09";
    FltGetLowerInstance done "ENUM-09";
    FltGetTopInstance done "ENUM-09";
    FltGetBottomInstance done "ENUM-09";
    FltEnumerateFilters done "ENUM-01, ENUM-02";
    FltEnumerateVolumes done "ENUM-01, ENUM-02";
    FltEnumerateInstances done "ENUM-04";
    FltGetDeviceObject done "OBJ-19, OBJ-21";
    FltGetDiskDeviceObject done "OBJ-19";
    FltGetVolumeName done "OBJ-11, OBJ-12";
    FltGetVolumeProperties done "OBJ-15 to OBJ-18";
    FltGetVolumeGuidName done "OBJ-13, OBJ-14";
    FltGetVolumeFromDeviceObject done "";
    FltIsFltMgrVolumeDeviceObject done "";
    FltIsVolumeWritable done "OBJ-22";
    FltIsDirectory done "OBJ-23, OBJ-24";
    FltAllocatePoolAlignedWithTag done "SEED-FWF-21";
    FltFreePoolAlignedWithTag done "SEED-FWF-21";
}

fn enumerated(found: lookup::Enumeration, list: *mut usize, count: *mut u32) -> Result<NtStatus, Raise> {
    match found {
        Ok(pointers) => {
            for (index, pointer) in pointers.iter().enumerate() {
                store_if(list.wrapping_add(index), *pointer)?;
            }
            store(count, pointers.len() as u32, "FltEnumerate…", "NumberReturned")?;
            Ok(NtStatus::SUCCESS)
        }
        Err((status, needed)) => {
            store(count, needed as u32, "FltEnumerate…", "NumberReturned")?;
            Ok(status)
        }
    }
}

/// Gives a device out with an object reference, as `ObDereferenceObject` takes it back.
fn device(
    found: Result<&'static nt_abi::DEVICE_OBJECT, NtStatus>,
    out: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    match found {
        Ok(device) => {
            let address = std::ptr::from_ref(device) as usize;
            store(out, address, export, "DeviceObject")?;
            nt_ob::ob_reference(address)?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

/// Gives a volume's name out. Source: OBJ-11, OBJ-12.
fn give_name(
    text: &[u16],
    name: *mut UNICODE_STRING,
    needed: *mut u32,
    export: &str,
) -> Result<NtStatus, Raise> {
    if name.is_null() && needed.is_null() {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    let bytes: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    store_if(needed, bytes.len() as u32)?;
    let Some(name) = optional(name, export, "the name")? else { return Ok(NtStatus::SUCCESS) };
    if usize::from(name.MaximumLength.get()) < bytes.len() {
        return Ok(NtStatus::BUFFER_TOO_SMALL);
    }
    copy::write(name.Buffer.get() as usize, &bytes).map_err(fault)?;
    name.Length.set(bytes.len() as u16);
    Ok(NtStatus::SUCCESS)
}

export! {
    /// A filter by name.
    pub fn FltGetFilterFromName(name: *mut UNICODE_STRING, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetFilterFromName: name);
        answer(lookup::flt_get_filter_from_name(&units(name)?), out, "FltGetFilterFromName")
    }

    /// A volume by name.
    pub fn FltGetVolumeFromName(_filter: usize, name: *mut UNICODE_STRING, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltGetVolumeFromName: name);
        answer(lookup::flt_get_volume_from_name(&units(name)?)?, out, "FltGetVolumeFromName")
    }

    /// The volume of a file.
    pub fn FltGetVolumeFromFileObject(_filter: usize, file: *mut FILE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetVolumeFromFileObject: file);
        answer(lookup::flt_get_volume_from_file_object(file), out, "FltGetVolumeFromFileObject")
    }

    /// The volume of an instance.
    pub fn FltGetVolumeFromInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_volume_from_instance(&*instance(address)?), out, "FltGetVolumeFromInstance")
    }

    /// The filter of an instance.
    pub fn FltGetFilterFromInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_filter_from_instance(&*instance(address)?), out, "FltGetFilterFromInstance")
    }

    /// An instance on a volume.
    pub fn FltGetVolumeInstanceFromName(owner: usize, target: usize, name: *mut UNICODE_STRING, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let owner = if owner == 0 { None } else { Some(filter(owner)?) };
        let name = optional(name, "FltGetVolumeInstanceFromName", "InstanceName")?.map(units).transpose()?;
        let found = lookup::flt_get_volume_instance_from_name(owner.as_ref(), &*volume(target)?, name.as_deref());
        answer(found, out, "FltGetVolumeInstanceFromName")
    }

    /// The next instance above.
    pub fn FltGetUpperInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_neighbour_instance(&instance(address)?, Neighbour::Upper), out, "FltGetUpperInstance")
    }

    /// The next instance below.
    pub fn FltGetLowerInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_neighbour_instance(&instance(address)?, Neighbour::Lower), out, "FltGetLowerInstance")
    }

    /// The highest instance.
    pub fn FltGetTopInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_top_instance(&*volume(address)?), out, "FltGetTopInstance")
    }

    /// The lowest instance.
    pub fn FltGetBottomInstance(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(lookup::flt_get_bottom_instance(&*volume(address)?), out, "FltGetBottomInstance")
    }

    /// All filters.
    pub fn FltEnumerateFilters(list: *mut usize, room: u32, count: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let room = if list.is_null() { 0 } else { room };
        enumerated(lookup::flt_enumerate_filters(room as usize), list, count)
    }

    /// All volumes.
    pub fn FltEnumerateVolumes(_filter: usize, list: *mut usize, room: u32, count: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let room = if list.is_null() { 0 } else { room };
        enumerated(lookup::flt_enumerate_volumes(room as usize), list, count)
    }

    /// Instances of a filter, of a volume, or both.
    pub fn FltEnumerateInstances(target: usize, owner: usize, list: *mut usize, room: u32, count: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let target = if target == 0 { None } else { Some(volume(target)?) };
        let owner = if owner == 0 { None } else { Some(filter(owner)?) };
        let room = if list.is_null() { 0 } else { room };
        enumerated(lookup::flt_enumerate_instances(target.as_ref(), owner.as_ref(), room as usize), list, count)
    }

    /// The manager's device on a volume.
    pub fn FltGetDeviceObject(address: usize, out: *mut usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        device(lookup::flt_get_device_object(&*volume(address)?), out, "FltGetDeviceObject")
    }

    /// The storage device of a volume.
    pub fn FltGetDiskDeviceObject(address: usize, out: *mut usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        device(lookup::flt_get_disk_device_object(&*volume(address)?), out, "FltGetDiskDeviceObject")
    }

    /// The device name of a volume.
    pub fn FltGetVolumeName(address: usize, name: *mut UNICODE_STRING, needed: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let volume = volume(address)?;
        give_name(lookup::flt_get_volume_name(&volume), name, needed, "FltGetVolumeName")
    }

    /// The mount manager's name of a volume.
    pub fn FltGetVolumeGuidName(address: usize, name: *mut UNICODE_STRING, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match lookup::flt_get_volume_guid_name(&*volume(address)?) {
            Ok(text) => give_name(&text, name, needed, "FltGetVolumeGuidName"),
            Err(status) => Ok(status),
        }
    }

    /// The volume that a device belongs to.
    pub fn FltGetVolumeFromDeviceObject(_filter: usize, device: *mut DEVICE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetVolumeFromDeviceObject: device);
        answer(lookup::flt_get_volume_from_device_object(device), out, "FltGetVolumeFromDeviceObject")
    }

    /// Whether a device is the manager's above a volume.
    pub fn FltIsFltMgrVolumeDeviceObject(device: *mut DEVICE_OBJECT) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(FltIsFltMgrVolumeDeviceObject: device);
        Ok(lookup::flt_is_flt_mgr_volume_device_object(device))
    }

    /// Whether the medium of a volume, or of an instance's volume, takes writes.
    pub fn FltIsVolumeWritable(address: usize, writable: *mut bool) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match fltmgr::properties::flt_is_volume_writable(&*fltmgr::anchor::volume_at(address)?)? {
            Ok(answer) => {
                store(writable, answer, "FltIsVolumeWritable", "IsWritable")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Whether a file is a directory.
    pub fn FltIsDirectory(file: *mut FILE_OBJECT, address: usize, directory: *mut bool) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltIsDirectory: file);
        match fltmgr::directory::flt_is_directory(file, &*instance(address)?)? {
            Ok(answer) => {
                store(directory, answer, "FltIsDirectory", "IsDirectory")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// What is known of a volume and its devices.
    pub fn FltGetVolumeProperties(address: usize, properties: usize, room: u32, needed: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let volume = volume(address)?;
        let (status, bytes, length) = fltmgr::properties::flt_get_volume_properties(&volume, properties, room as usize);
        copy::write(properties, &bytes).map_err(fault)?;
        store_if(needed, length as u32)?;
        Ok(status)
    }

    /// Pool that the volume's device can use.
    pub fn FltAllocatePoolAlignedWithTag(address: usize, pool_type: u32, length: usize, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        fltmgr::properties::flt_allocate_pool_aligned_with_tag(&*instance(address)?, pool_type, length, tag)
    }

    /// Frees it.
    pub fn FltFreePoolAlignedWithTag(address: usize, memory: usize, tag: u32) -> () [irql <= DISPATCH_LEVEL] {
        fltmgr::properties::flt_free_pool_aligned_with_tag(&*instance(address)?, memory, tag)
    }
}
