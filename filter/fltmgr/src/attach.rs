//! Instances come and go: automatic and manual attachment, detachment, teardown.
//!
//! ```text
//! reserve name and altitude on the volume ─► setup callback ─accepts─► publish
//!                                                └─refuses─► give the place up
//! tear_down: no new callbacks ─► teardown-start callback ─► drain ─► teardown-complete callback ─► forget
//! ```
//!
//! Statements: ATT-01 to ATT-12, LIFE-07 to LIFE-20, ALT-04, ALT-06, REG-10.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::{Raise, call};
use nt_abi::{
    DO_DAX_VOLUME, FLT_RELATED_OBJECTS, FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT,
    FLTFL_INSTANCE_SETUP_MANUAL_ATTACHMENT, FLTFL_INSTANCE_SETUP_NEWLY_MOUNTED_VOLUME,
    FLTFL_INSTANCE_TEARDOWN_MANUAL, FLTFL_REGISTRATION_SUPPORT_DAX_VOLUME,
    FLTFL_REGISTRATION_SUPPORT_NPFS_MSFS, NativeFn, NtStatus,
};
use nt_ke::current_core;

use crate::altitude::Altitude;
use crate::anchor::{self, Anchored};
use crate::completion;
use crate::contexts::objects;
use crate::definitions::NO_AUTOMATIC_ATTACHMENT;
use crate::filter::Filter;
use crate::instance::{ACTIVE, GOING, GONE, Instance, SETTLING};
use crate::situation::{self, Situation};
use crate::text::{equal_ignoring_case, lossy};
use crate::volume::Volume;
use crate::{findings, flt, frame, pend};

/// Why an instance cannot have its place.
enum Taken {
    Name,
    Altitude(String),
    Going,
    NoMemory,
}

/// Named pipes and mailslots. Source: REG-10.
const FILE_DEVICE_NAMED_PIPE: u32 = 0x11;
const FILE_DEVICE_MAILSLOT: u32 = 0x0C;

fn supports(filter: &Filter, volume: &Volume) -> bool {
    let flags = filter.registration.flags;
    let pipes = matches!(volume.device_type, FILE_DEVICE_NAMED_PIPE | FILE_DEVICE_MAILSLOT);
    let dax = volume.lower().is_some_and(|device| device.Flags.get() & DO_DAX_VOLUME != 0);
    (!pipes || flags & FLTFL_REGISTRATION_SUPPORT_NPFS_MSFS != 0)
        && (!dax || flags & FLTFL_REGISTRATION_SUPPORT_DAX_VOLUME != 0)
}

/// Puts a new instance into the volume's list, in its place, without callbacks yet.
fn reserve(
    filter: &Arc<Filter>,
    volume: &Arc<Volume>,
    name: &[u16],
    altitude: &Altitude,
) -> Result<Arc<Instance>, Taken> {
    let instance = Instance::new(filter, volume, name, altitude).ok_or(Taken::NoMemory)?;
    let mut members = volume.members.lock();
    // Who goes is marked so before its instances are looked for, which needs this lock.
    if filter.is_going() || volume.anchor().is_deleting() {
        return Err(Taken::Going);
    }
    if members.instances.iter().any(|other| equal_ignoring_case(&other.name, name)) {
        return Err(Taken::Name);
    }
    if let Some(other) = members.instances.iter().find(|other| other.altitude == *altitude) {
        return Err(Taken::Altitude(other.filter.label.clone()));
    }
    let place = members.instances.iter().position(|other| other.altitude < *altitude);
    let place = place.unwrap_or(members.instances.len());
    members.instances.insert(place, Arc::clone(&instance));
    Ok(instance)
}

fn forget(instance: &Arc<Instance>) {
    instance.volume.members.lock().instances.retain(|other| !Arc::ptr_eq(other, instance));
}

/// Asks the filter and publishes the callbacks. `Err` in the inner result: the filter does not want it.
fn settle(instance: &Arc<Instance>, flags: u32) -> Result<Result<(), NtStatus>, Raise> {
    let setup = instance.filter.registration.instance_setup;
    if !setup.is_null() {
        let objects = FLT_RELATED_OBJECTS::default();
        instance.related_objects(&objects, std::ptr::null_mut());
        let volume = &instance.volume;
        let answer = call(
            setup,
            [
                std::ptr::from_ref(&objects) as u64,
                u64::from(flags),
                u64::from(volume.device_type),
                u64::from(volume.file_system()),
            ],
        )?;
        let answer = NtStatus(answer as u32 as i32);
        if !answer.is_success() {
            instance.set_stage(GONE);
            instance.anchor().mark_deleting();
            objects::forget_instance(instance)?;
            forget(instance);
            return Ok(Err(answer));
        }
    }
    instance.set_stage(ACTIVE);
    instance.volume.publish(current_core());
    Ok(Ok(()))
}

/// Attaches the filter's automatic instances to a volume, once per volume.
///
/// Source:  LIFE-07 to LIFE-09, ATT-09, ATT-10, ATT-12 (an occupied altitude: a finding, and the instance is skipped)
pub fn automatic(filter: &Arc<Filter>, volume: &Arc<Volume>, flags: u32) -> Result<(), Raise> {
    if !filter.is_filtering() || !supports(filter, volume) {
        return Ok(());
    }
    {
        let mut members = volume.members.lock();
        let identity = filter.anchor().address();
        if members.considered.contains(&identity) {
            return Ok(());
        }
        members.considered.push(identity);
    }
    for definition in &filter.definitions.instances {
        if definition.flags & NO_AUTOMATIC_ATTACHMENT != 0 {
            continue;
        }
        match reserve(filter, volume, &definition.name, &definition.altitude) {
            Ok(instance) => {
                let _refused = settle(&instance, FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT | flags)?;
            }
            Err(Taken::Altitude(other)) => findings::error(
                "ATT-12",
                &filter.label,
                format!(
                    "altitude {} on {} is occupied by {other}; instance {} is not attached there. Give one of the \
                     two another altitude",
                    definition.altitude,
                    lossy(&volume.name),
                    lossy(&definition.name)
                ),
            ),
            Err(Taken::Name) => findings::warning(
                "ATT-02",
                &filter.label,
                format!(
                    "an instance called {} is attached to {} already; this one is skipped",
                    lossy(&definition.name),
                    lossy(&volume.name)
                ),
            ),
            Err(Taken::Going | Taken::NoMemory) => {}
        }
    }
    Ok(())
}

/// Attaches the automatic instances of all filters, highest default altitude first.
pub fn automatic_of_all(volume: &Arc<Volume>, newly_mounted: bool) -> Result<(), Raise> {
    let flags = if newly_mounted { FLTFL_INSTANCE_SETUP_NEWLY_MOUNTED_VOLUME } else { 0 };
    for filter in flt().filters_by_altitude() {
        automatic(&filter, volume, flags)?;
    }
    Ok(())
}

fn ready(filter: &Filter, volume: &Volume) -> Result<(), NtStatus> {
    if filter.is_going() || volume.anchor().is_deleting() {
        return Err(NtStatus::FLT_DELETING_OBJECT);
    }
    if !filter.is_filtering() {
        return Err(NtStatus::FLT_FILTER_NOT_READY);
    }
    Ok(())
}

fn manual(
    filter: &Arc<Filter>,
    volume: &Arc<Volume>,
    name: &[u16],
    altitude: &Altitude,
    occupied: NtStatus,
) -> Result<Result<Arc<Instance>, NtStatus>, Raise> {
    let instance = match reserve(filter, volume, name, altitude) {
        Ok(instance) => instance,
        Err(Taken::Name) => return Ok(Err(NtStatus::FLT_INSTANCE_NAME_COLLISION)),
        Err(Taken::Altitude(_)) => return Ok(Err(occupied)),
        Err(Taken::Going) => return Ok(Err(NtStatus::FLT_DELETING_OBJECT)),
        Err(Taken::NoMemory) => return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES)),
    };
    Ok(settle(&instance, FLTFL_INSTANCE_SETUP_MANUAL_ATTACHMENT)?.map(|()| instance))
}

/// Attaches an instance that the registry defines: the one called `name`, or the default one.
///
/// Source:  FltAttachVolume; ATT-01, ATT-02, ATT-03, ATT-05, ATT-06
/// IRQL:    PASSIVE_LEVEL
/// Returns: the instance; a pointer for a driver needs [`anchor::reference_for_driver`] (ATT-07)
/// Errors:  FLT_FILTER_NOT_READY · FLT_DELETING_OBJECT · OBJECT_NAME_NOT_FOUND (no such definition) ·
///          FLT_INSTANCE_NAME_COLLISION · OBJECT_NAME_COLLISION (altitude) · what the setup callback answered
pub fn flt_attach_volume(
    filter: &Arc<Filter>,
    volume: &Arc<Volume>,
    name: Option<&[u16]>,
) -> Result<Result<Arc<Instance>, NtStatus>, Raise> {
    if let Err(status) = ready(filter, volume) {
        return Ok(Err(status));
    }
    let Some(definition) = filter.definitions.find(name) else {
        return Ok(Err(NtStatus::OBJECT_NAME_NOT_FOUND));
    };
    manual(filter, volume, &definition.name, &definition.altitude, NtStatus::OBJECT_NAME_COLLISION)
}

/// Attaches an instance at an altitude of the caller's choice.
///
/// Source:  FltAttachVolumeAtAltitude; ATT-01 to ATT-06
/// Errors:  as [`flt_attach_volume`], but INVALID_PARAMETER (malformed altitude) and
///          FLT_INSTANCE_ALTITUDE_COLLISION
pub fn flt_attach_volume_at_altitude(
    filter: &Arc<Filter>,
    volume: &Arc<Volume>,
    altitude: &[u16],
    name: Option<&[u16]>,
) -> Result<Result<Arc<Instance>, NtStatus>, Raise> {
    let altitude = match Altitude::parse_wide(altitude) {
        Ok(altitude) => altitude,
        Err(status) => return Ok(Err(status)),
    };
    if let Err(status) = ready(filter, volume) {
        return Ok(Err(status));
    }
    let made: Vec<u16>;
    let name = match name {
        Some(name) => name,
        None => {
            let mut units = format!("{} - {altitude}", filter.label).encode_utf16().collect::<Vec<u16>>();
            units.truncate(255);
            made = units;
            &made
        }
    };
    manual(filter, volume, name, &altitude, NtStatus::FLT_INSTANCE_ALTITUDE_COLLISION)
}

/// Detaches an instance after asking its filter.
///
/// Source:  FltDetachVolume; ATT-08, LIFE-12
/// IRQL:    <= APC_LEVEL (the callbacks it makes run at PASSIVE_LEVEL)
/// Errors:  FLT_INSTANCE_NOT_FOUND · FLT_DELETING_OBJECT · FLT_DO_NOT_DETACH (no query-teardown callback) · what
///          that callback answered
pub fn flt_detach_volume(
    filter: &Arc<Filter>,
    volume: &Arc<Volume>,
    name: Option<&[u16]>,
) -> Result<NtStatus, Raise> {
    let found = volume.instances().into_iter().find(|instance| {
        Arc::ptr_eq(&instance.filter, filter)
            && name.is_none_or(|name| equal_ignoring_case(&instance.name, name))
    });
    let Some(instance) = found else { return Ok(NtStatus::FLT_INSTANCE_NOT_FOUND) };
    if instance.stage() >= GOING {
        return Ok(NtStatus::FLT_DELETING_OBJECT);
    }
    let query = filter.registration.query_teardown;
    if query.is_null() {
        return Ok(NtStatus::FLT_DO_NOT_DETACH);
    }
    let objects = FLT_RELATED_OBJECTS::default();
    instance.related_objects(&objects, std::ptr::null_mut());
    let answer = NtStatus(call(query, [std::ptr::from_ref(&objects) as u64, 0])? as u32 as i32);
    if !answer.is_success() {
        return Ok(answer);
    }
    if !tear_down(&instance, FLTFL_INSTANCE_TEARDOWN_MANUAL)? {
        return Ok(NtStatus::FLT_DELETING_OBJECT);
    }
    Ok(NtStatus::SUCCESS)
}

fn notify(instance: &Instance, callback: NativeFn, reason: u32) -> Result<(), Raise> {
    if callback.is_null() {
        return Ok(());
    }
    let objects = FLT_RELATED_OBJECTS::default();
    instance.related_objects(&objects, std::ptr::null_mut());
    let _inside = situation::enter(Situation::Teardown);
    call(callback, [std::ptr::from_ref(&objects) as u64, u64::from(reason)])?;
    Ok(())
}

/// Tears an instance down. `false` when somebody else does.
///
/// Operations whose dispatcher is still below the instance complete normally and are waited for; those that
/// pend below or above are drained with FLTFL_POST_OPERATION_DRAINING; those that this instance holds are waited
/// for. Never waits for callbacks of other instances.
///
/// Source: LIFE-13 to LIFE-20, POST-11
pub fn tear_down(instance: &Arc<Instance>, reason: u32) -> Result<bool, Raise> {
    let core = current_core();
    {
        // Its setup callback runs; afterwards it is there, or gone.
        let _waiting = nt_ke::locks::waiting_for("the setup callback of an instance that goes");
        while instance.stage() == SETTLING {
            pause(core)?;
        }
    }
    if !instance.begin_going() {
        return Ok(false);
    }
    instance.anchor().mark_deleting();
    instance.volume.publish(core);
    let registration = &instance.filter.registration;
    notify(instance, registration.teardown_start, reason)?;
    let held = pend::held_by(instance);
    if held != 0 {
        let message = format!(
            "{held} operation(s) that the filter pends on {} are not completed when InstanceTeardownStart returns",
            instance.label()
        );
        findings::warning("LIFE-16", &instance.filter.label, message);
    }
    {
        // What cannot be drained, or is held by the instance, has to complete.
        let _waiting = nt_ke::locks::waiting_for(
            "the completion of operations that pend below an instance that goes, or are held by it",
        );
        while !is_drained(instance)? {
            pause(core)?;
        }
    }
    crate::names::provider::leave(instance)?;
    notify(instance, registration.teardown_complete, reason)?;
    let files = instance.files.load(Ordering::Relaxed);
    if files != 0 {
        let message = format!(
            "{files} file(s) that the filter opened below {} are open when InstanceTeardownComplete returns: close each \
             with FltClose before",
            instance.label()
        );
        findings::error("LIFE-21", &instance.filter.label, message);
    }
    crate::transactions::forget_instance(instance)?;
    objects::forget_instance(instance)?;
    instance.set_stage(GONE);
    flt().keep_statistics(instance);
    forget(instance);
    findings::report_held_references(&**instance, &instance.filter.label, &instance.label())?;
    Ok(true)
}

/// Drains what can be drained of an instance that goes. Whether nothing is left: no operation enters it any more, so only one
/// that it held can come back, and that one is waited for before the rest is looked at.
fn is_drained(instance: &Instance) -> Result<bool, Raise> {
    completion::drain_parked(instance)?;
    if instance.is_engaged() || !instance.pended.lock().is_empty() {
        return Ok(false);
    }
    frame::drain(instance)?;
    // One that pended meanwhile.
    Ok(completion::drain_parked(instance)? && instance.pended.lock().is_empty())
}

fn pause(core: &nt_ke::Core) -> Result<(), Raise> {
    if core.stopping() {
        return Err(Raise::Stop);
    }
    core.scheduler().pause();
    Ok(())
}

impl crate::Flt {
    /// Filters by the altitude of their default instance, highest first.
    pub fn filters_by_altitude(&self) -> Vec<Arc<Filter>> {
        let mut filters = self.filters();
        filters.sort_by(|a, b| b.definitions.default_altitude().cmp(&a.definitions.default_altitude()));
        filters
    }

    /// All instances of a filter, on all volumes.
    pub fn instances_of(&self, filter: &Arc<Filter>) -> Vec<Arc<Instance>> {
        self.volumes().iter().flat_map(|v| v.instances()).filter(|i| Arc::ptr_eq(&i.filter, filter)).collect()
    }
}

/// Gives a driver its pointer to an instance that it attached. Source: ATT-07.
pub fn instance_for_driver(instance: &Arc<Instance>) -> Result<usize, NtStatus> {
    anchor::reference_for_driver(instance)
}
