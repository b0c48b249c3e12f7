//! Finding filters, volumes and instances.
//!
//! Each pointer that goes out carries a rundown reference (ENUM-03). Statements: ENUM-01 to ENUM-09, OBJ-04 to
//! OBJ-12, OBJ-19 to OBJ-22.

use std::sync::Arc;

use boundary::Raise;
use nt_abi::{DEVICE_OBJECT, FILE_DEVICE_NETWORK_FILE_SYSTEM, FILE_OBJECT, NtStatus};

use crate::anchor::{Anchored, reference_for_driver};
use crate::filter::Filter;
use crate::instance::Instance;
use crate::situation::{self, Situation};
use crate::text::{BACKSLASH, equal_ignoring_case, wide};
use crate::volume::Volume;
use crate::{findings, flt};

/// The filter called `name`.
///
/// Source:  FltGetFilterFromName; ENUM-05. IRQL: <= APC_LEVEL
/// Errors:  FLT_FILTER_NOT_FOUND · FLT_DELETING_OBJECT
pub fn flt_get_filter_from_name(name: &[u16]) -> Result<usize, NtStatus> {
    reference_for_driver(&flt().filter_named(name).ok_or(NtStatus::FLT_FILTER_NOT_FOUND)?)
}

/// The volume called `name`: `\Device\X`, `\??\D:`, `\DosDevices\D:` or `D:`.
///
/// Source:  FltGetVolumeFromName; ENUM-06, OBJ-05, OBJ-06. IRQL: PASSIVE_LEVEL
/// Errors:  FLT_VOLUME_NOT_FOUND · INVALID_PARAMETER · FLT_DELETING_OBJECT
pub fn flt_get_volume_from_name(name: &[u16]) -> Result<Result<usize, NtStatus>, Raise> {
    Ok(match volume_named(name)? {
        Ok(volume) => reference_for_driver(&volume),
        Err(status) => Err(status),
    })
}

/// The volume called `name`, for the engine.
pub fn volume_named(name: &[u16]) -> Result<Result<Arc<Volume>, NtStatus>, Raise> {
    let name = name.strip_suffix(&[BACKSLASH]).unwrap_or(name);
    if name.is_empty() {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    let find = |name: &[u16]| flt().volumes().into_iter().find(|v| equal_ignoring_case(&v.name, name));
    if let Some(volume) = find(name) {
        return Ok(Ok(volume));
    }
    let path = if name.first() == Some(&BACKSLASH) {
        name.to_vec()
    } else {
        [wide("\\??\\"), name.to_vec()].concat()
    };
    match crate::names::resolve_link(&path)? {
        Some(target) => Ok(find(&target).ok_or(NtStatus::FLT_VOLUME_NOT_FOUND)),
        None => Ok(Err(NtStatus::FLT_VOLUME_NOT_FOUND)),
    }
}

/// The volume that an open file is on.
pub(crate) fn volume_of_file(file: &FILE_OBJECT) -> Option<Arc<Volume>> {
    let named = crate::pointer::device(file.DeviceObject.get());
    let disk =
        crate::pointer::vpb(file.Vpb.get()).and_then(|vpb| crate::pointer::device(vpb.RealDevice.get()));
    let known = |device: &DEVICE_OBJECT| flt().volume_of_disk(device);
    disk.and_then(known).or_else(|| named.and_then(known))
}

/// The volume of a file object.
///
/// Source:  FltGetVolumeFromFileObject; ENUM-08, OBJ-07. IRQL: <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (no volume of the manager) · FLT_DELETING_OBJECT
pub fn flt_get_volume_from_file_object(file: &FILE_OBJECT) -> Result<usize, NtStatus> {
    reference_for_driver(&volume_of_file(file).ok_or(NtStatus::INVALID_PARAMETER)?)
}

/// Source: FltGetVolumeFromInstance; ENUM-08. Errors: FLT_DELETING_OBJECT.
pub fn flt_get_volume_from_instance(instance: &Instance) -> Result<usize, NtStatus> {
    reference_for_driver(&instance.volume)
}

/// Source: FltGetFilterFromInstance. Errors: FLT_DELETING_OBJECT.
pub fn flt_get_filter_from_instance(instance: &Instance) -> Result<usize, NtStatus> {
    reference_for_driver(&instance.filter)
}

/// The first instance from the top that matches.
///
/// Source:  FltGetVolumeInstanceFromName; ENUM-07, OBJ-08. IRQL: <= APC_LEVEL
/// Errors:  FLT_INSTANCE_NOT_FOUND · FLT_DELETING_OBJECT
pub fn flt_get_volume_instance_from_name(
    filter: Option<&Arc<Filter>>,
    volume: &Volume,
    name: Option<&[u16]>,
) -> Result<usize, NtStatus> {
    let found = volume.instances().into_iter().find(|i| {
        filter.is_none_or(|f| Arc::ptr_eq(&i.filter, f))
            && name.is_none_or(|n| equal_ignoring_case(&i.name, n))
    });
    reference_for_driver(&found.ok_or(NtStatus::FLT_INSTANCE_NOT_FOUND)?)
}

/// Which neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// The next one above.
    Upper,
    /// The next one below.
    Lower,
}

/// Source: FltGetUpperInstance, FltGetLowerInstance; ENUM-09, OBJ-09. Errors: NO_MORE_ENTRIES.
pub fn flt_get_neighbour_instance(instance: &Arc<Instance>, which: Neighbour) -> Result<usize, NtStatus> {
    let all = instance.volume.instances();
    let own = all.iter().position(|i| Arc::ptr_eq(i, instance)).ok_or(NtStatus::NO_MORE_ENTRIES)?;
    let place = match which {
        Neighbour::Upper => own.checked_sub(1),
        Neighbour::Lower => Some(own + 1),
    };
    reference_for_driver(place.and_then(|place| all.get(place)).ok_or(NtStatus::NO_MORE_ENTRIES)?)
}

/// Source: FltGetTopInstance; ENUM-09. Errors: NO_MORE_ENTRIES.
pub fn flt_get_top_instance(volume: &Volume) -> Result<usize, NtStatus> {
    reference_for_driver(volume.instances().first().ok_or(NtStatus::NO_MORE_ENTRIES)?)
}

/// Source: FltGetBottomInstance; ENUM-09. Errors: NO_MORE_ENTRIES.
pub fn flt_get_bottom_instance(volume: &Volume) -> Result<usize, NtStatus> {
    reference_for_driver(volume.instances().last().ok_or(NtStatus::NO_MORE_ENTRIES)?)
}

/// What an enumeration found: referenced pointers, or how many there are when `room` is too small.
pub type Enumeration = Result<Vec<usize>, (NtStatus, usize)>;

fn enumerate<T: Anchored>(objects: &[Arc<T>], room: usize) -> Enumeration {
    let live: Vec<_> = objects.iter().filter(|object| !object.anchor().is_deleting()).collect();
    if live.len() > room {
        return Err((NtStatus::BUFFER_TOO_SMALL, live.len()));
    }
    Ok(live.into_iter().filter_map(|object| reference_for_driver(object).ok()).collect())
}

/// Source: FltEnumerateFilters; ENUM-01, ENUM-02. `room` is the size of the caller's list.
pub fn flt_enumerate_filters(room: usize) -> Enumeration {
    enumerate(&flt().filters(), room)
}

/// Source: FltEnumerateVolumes; ENUM-01, ENUM-02. Only volumes that the filter may attach to are all of them.
pub fn flt_enumerate_volumes(room: usize) -> Enumeration {
    enumerate(&flt().volumes(), room)
}

/// Source: FltEnumerateInstances; ENUM-01, ENUM-02, ENUM-04 (INVALID_PARAMETER when both are absent).
pub fn flt_enumerate_instances(
    volume: Option<&Arc<Volume>>,
    filter: Option<&Arc<Filter>>,
    room: usize,
) -> Enumeration {
    let found = match (volume, filter) {
        (None, None) => return Err((NtStatus::INVALID_PARAMETER, 0)),
        (Some(volume), filter) => volume
            .instances()
            .into_iter()
            .filter(|i| filter.is_none_or(|f| Arc::ptr_eq(&i.filter, f)))
            .collect(),
        (None, Some(filter)) => flt().instances_of(filter),
    };
    enumerate(&found, room)
}

/// The manager's device of a volume, without an object reference: the caller adds one.
///
/// Source: FltGetDeviceObject; OBJ-19, OBJ-21. Errors: FLT_NO_DEVICE_OBJECT.
pub fn flt_get_device_object(volume: &Volume) -> Result<&'static DEVICE_OBJECT, NtStatus> {
    volume.device().ok_or(NtStatus::FLT_NO_DEVICE_OBJECT)
}

/// The storage device of a volume, without an object reference: the caller adds one.
///
/// Source:  FltGetDiskDeviceObject; OBJ-19, OBJ-20
/// Errors:  FLT_NO_DEVICE_OBJECT; calling it in a teardown callback is a finding
pub fn flt_get_disk_device_object(volume: &Volume) -> Result<&'static DEVICE_OBJECT, NtStatus> {
    if situation::is(Situation::Teardown) {
        findings::error(
            "OBJ-20",
            "",
            "FltGetDiskDeviceObject was called in a teardown callback of an instance, where the volume's disk may be \
             gone: ask in InstanceSetup or in a callback of an operation",
        );
    }
    volume.disk.ok_or(NtStatus::FLT_NO_DEVICE_OBJECT)
}

/// The name that the mount manager gives the volume: `\??\Volume{…}`, without a backslash at the end.
///
/// Source:  FltGetVolumeGuidName; OBJ-13, OBJ-14
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INVALID_DEVICE_REQUEST (a volume on the network) · FLT_VOLUME_NOT_FOUND (the disk has no such name);
///          calling it in a mount callback is a finding
pub fn flt_get_volume_guid_name(volume: &Volume) -> Result<Vec<u16>, NtStatus> {
    if situation::is(Situation::Mount) {
        findings::error(
            "OBJ-14",
            "",
            "FltGetVolumeGuidName was called in a mount callback, where asking the mount manager can deadlock: ask in \
             InstanceSetup",
        );
    }
    if volume.device_type == FILE_DEVICE_NETWORK_FILE_SYSTEM {
        return Err(NtStatus::INVALID_DEVICE_REQUEST);
    }
    let disk = volume.disk.ok_or(NtStatus::FLT_VOLUME_NOT_FOUND)?;
    let guid = nt_io::disk::volume_guid(disk).map_err(|_| NtStatus::FLT_VOLUME_NOT_FOUND)?;
    Ok(nt_io::disk::volume_guid_name(&guid))
}

/// The volume whose devices `device` is one of: the manager's, the file system's or the disk.
///
/// Source:  FltGetVolumeFromDeviceObject. IRQL: <= APC_LEVEL
/// Errors:  FLT_VOLUME_NOT_FOUND · FLT_DELETING_OBJECT
pub fn flt_get_volume_from_device_object(device: &DEVICE_OBJECT) -> Result<usize, NtStatus> {
    let base = nt_io::io_get_device_attachment_base(device);
    let disk = nt_io::io_get_disk_device(base).unwrap_or(base);
    reference_for_driver(&flt().volume_of_disk(disk).ok_or(NtStatus::FLT_VOLUME_NOT_FOUND)?)
}

/// Whether `device` is the manager's own above a volume. Source: FltIsFltMgrVolumeDeviceObject.
pub fn flt_is_flt_mgr_volume_device_object(device: &DEVICE_OBJECT) -> bool {
    flt().volumes().iter().any(|volume| volume.device().is_some_and(|own| std::ptr::eq(own, device)))
}

/// The name of a volume. OBJ-11 and OBJ-12 are about the caller's buffer. Source: FltGetVolumeName.
pub fn flt_get_volume_name(volume: &Volume) -> &[u16] {
    &volume.name
}
