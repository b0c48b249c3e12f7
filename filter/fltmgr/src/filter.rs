//! A registered minifilter.
//!
//! ```text
//! FltRegisterFilter ─► registered ─FltStartFiltering─► filtering ─FltUnregisterFilter─► gone
//! ```
//!
//! Owns: the registration, the name, and which stage the filter is in. Its instances belong to volumes.
//! Statements: REG-09, REG-12 to REG-15, LIFE-01 to LIFE-05.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::{Raise, call};
use nt_abi::{
    DRIVER_OBJECT, FLTFL_FILTER_UNLOAD_MANDATORY, FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD,
    FLTFL_INSTANCE_TEARDOWN_MANDATORY_FILTER_UNLOAD, FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP,
    NtStatus,
};
use nt_ke::current_core;

use crate::anchor::{self, Anchor, Anchored};
use crate::attach;
use crate::definitions::{self, Definitions};
use crate::findings;
use crate::flt;
use crate::registration::{self, OperationCallbacks, Registration};
use crate::rows::{self, ROWS};
use crate::text::{equal_ignoring_case, last_component, lossy};

const REGISTERED: u32 = 0;
const FILTERING: u32 = 1;
const GOING: u32 = 2;

/// A minifilter.
pub struct Filter {
    anchor: Anchor,
    /// Name of its service.
    pub name: Vec<u16>,
    /// The name for people.
    pub label: String,
    /// What it registered.
    pub registration: Registration,
    /// Its instances as the registry defines them.
    pub definitions: Definitions,
    /// Its contexts that are not freed.
    pub(crate) contexts: crate::contexts::block::Live,
    operations: Box<[Option<OperationCallbacks>]>,
    stage: AtomicU32,
    /// Work items that are queued or run.
    pub(crate) work: AtomicU32,
    unload_reason: AtomicU32,
    /// Where its driver's image lies.
    image: Range<usize>,
}

impl Anchored for Filter {
    const TYPE_CODE: u16 = anchor::FILTER;
    const WORD: &'static str = "filter";
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl Filter {
    /// Callbacks for the operation of `row`.
    pub fn operation(&self, row: usize) -> Option<&OperationCallbacks> {
        self.operations[row].as_ref()
    }

    /// Whether it has been started and is not going.
    pub fn is_filtering(&self) -> bool {
        self.stage.load(Ordering::Acquire) == FILTERING
    }

    /// Whether its driver's code makes the call that is being executed.
    fn calls(&self) -> bool {
        self.image.contains(&boundary::caller_address())
    }

    /// Whether it is being unregistered.
    pub fn is_going(&self) -> bool {
        self.stage.load(Ordering::Acquire) == GOING
    }
}

/// Registers the filter of `driver`. Returns the pointer to give it.
///
/// Source:  FltRegisterFilter; REG-01 to REG-04, REG-10 to REG-13
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (see [`registration::read`]) · OBJECT_NAME_NOT_FOUND (no service key, or no instance
///          definition) · OBJECT_NAME_COLLISION (the driver is registered) · INSUFFICIENT_RESOURCES
pub fn flt_register_filter(
    driver: &DRIVER_OBJECT,
    registration: usize,
) -> Result<Result<usize, NtStatus>, Raise> {
    let name = service_name(driver);
    let label = lossy(&name);
    let block = boundary::current();
    let start = driver.DriverStart.get() as usize;
    let image = start..start + driver.DriverSize.get() as usize;
    let caller = boundary::caller_address();
    if block.in_images(caller) && !image.contains(&caller) {
        let message = format!(
            "FltRegisterFilter was called with the driver object of {label}: a filter registers itself"
        );
        findings::error("REG-15", &caller_name(&label), message);
    }
    let read = registration::read(
        registration,
        |address| block.in_images(address),
        |(rule, message)| findings::error(rule, &label, message),
    );
    let registration = match read {
        Ok(registration) => registration,
        Err(status) => return Ok(Err(status)),
    };
    let definitions = match definitions::read(&name) {
        Ok(definitions) => definitions,
        Err(status) => return Ok(Err(status)),
    };
    let flt = flt();
    if flt.filter_named(&name).is_some() {
        return Ok(Err(NtStatus::OBJECT_NAME_COLLISION));
    }
    let Some(anchor) = Anchor::new(anchor::FILTER) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let mut operations = vec![None; ROWS].into_boxed_slice();
    for operation in &registration.operations {
        if let Some(row) = rows::row(operation.major) {
            operations[row] = Some(*operation);
        }
    }
    let filter = Arc::new(Filter {
        anchor,
        label,
        name,
        registration,
        definitions,
        contexts: crate::contexts::block::Live::default(),
        operations,
        stage: AtomicU32::new(REGISTERED),
        work: AtomicU32::new(0),
        unload_reason: AtomicU32::new(FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD),
        image,
    });
    anchor::bind(&filter);
    let address = filter.anchor.address();
    if !filter.registration.generate_file_name.is_null() {
        flt.providers.fetch_add(1, Ordering::Relaxed);
    }
    flt.tables.lock().filters.push(filter);
    Ok(Ok(address))
}

/// The filter whose code makes the call that is being executed, or `otherwise`.
fn caller_name(otherwise: &str) -> String {
    let filters = flt().filters();
    filters
        .iter()
        .find(|filter| filter.calls())
        .map_or_else(|| otherwise.to_owned(), |filter| filter.label.clone())
}

/// The filter whose code is at `address`.
pub(crate) fn filter_at_code(address: usize) -> Option<Arc<Filter>> {
    flt().filters().into_iter().find(|filter| filter.image.contains(&address))
}

fn service_name(driver: &DRIVER_OBJECT) -> Vec<u16> {
    let full: Vec<u16> = nt_io::driver_name(driver).encode_utf16().collect();
    last_component(&full).to_vec()
}

/// Starts filtering: attaches to every volume that is there, and to those that come.
///
/// Source:  FltStartFiltering; REG-13, REG-14, LIFE-07, ATT-12
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (started before) · FLT_DELETING_OBJECT
pub fn flt_start_filtering(filter: &Arc<Filter>) -> Result<NtStatus, Raise> {
    match filter.stage.compare_exchange(REGISTERED, FILTERING, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(GOING) => return Ok(NtStatus::FLT_DELETING_OBJECT),
        Err(_) => return Ok(NtStatus::INVALID_PARAMETER),
    }
    for volume in flt().volumes() {
        if volume.is_mounted() {
            attach::automatic(filter, &volume, 0)?;
        }
    }
    Ok(NtStatus::SUCCESS)
}

/// Stops the filter's callbacks, tears down its instances and forgets it.
///
/// Instances are torn down one after the other: teardown-start callback, operations in callbacks or below
/// drained, teardown-complete callback. References that drivers still hold are reported (OBJ-03); the memory
/// then stays until they are given up or the machine ends.
///
/// Source:  FltUnregisterFilter; LIFE-04, LIFE-13, LIFE-14, REG-15
/// IRQL:    <= APC_LEVEL
pub fn flt_unregister_filter(filter: &Arc<Filter>) -> Result<(), Raise> {
    if boundary::current().in_images(boundary::caller_address()) && !filter.calls() {
        let message =
            format!("FltUnregisterFilter was called for {}: a filter unregisters itself", filter.label);
        findings::error("REG-15", &caller_name(&filter.label), message);
    }
    if filter.stage.swap(GOING, Ordering::AcqRel) == GOING {
        return Ok(());
    }
    filter.anchor.mark_deleting();
    let reason = filter.unload_reason.load(Ordering::Acquire);
    for instance in flt().instances_of(filter) {
        attach::tear_down(&instance, reason)?;
    }
    // Work that was queued before it was going.
    let waiting = nt_ke::locks::waiting_for("the work items of a filter that goes");
    while filter.work.load(Ordering::SeqCst) != 0 {
        if current_core().stopping() {
            return Err(Raise::Stop);
        }
        current_core().scheduler().pause();
    }
    drop(waiting);
    flt().tables.lock().filters.retain(|f| !Arc::ptr_eq(f, filter));
    if !filter.registration.generate_file_name.is_null() {
        flt().providers.fetch_sub(1, Ordering::Relaxed);
    }
    // Another filter may get the same address.
    for volume in flt().volumes() {
        volume.members.lock().considered.retain(|considered| *considered != filter.anchor.address());
        volume.names.forget_filter(filter.anchor.address())?;
    }
    crate::contexts::objects::forget_filter(filter)?;
    crate::ecp::report_dropped(filter);
    findings::report_held_references(&**filter, &filter.label, &filter.label)?;
    Ok(())
}

/// How an unload is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unload {
    /// `FltUnloadFilter`, `fltmc unload`.
    Filter,
    /// The service control manager stops the driver.
    ServiceStop,
    /// The driver has to go whatever it answers.
    Mandatory,
}

/// Unloads a filter through its unload callback. The image is the loader's to remove afterwards.
///
/// Source:  FltUnloadFilter, PFLT_FILTER_UNLOAD_CALLBACK; LIFE-01, LIFE-02, LIFE-03, LIFE-05, REG-09
/// IRQL:    PASSIVE_LEVEL
/// Errors:  FLT_FILTER_NOT_FOUND · FLT_DELETING_OBJECT · INVALID_DEVICE_REQUEST (a filter asks for its own unload: a
///          finding) · FLT_DO_NOT_DETACH (no unload callback, or a service stop that the filter does not support) ·
///          what the callback answered
pub fn flt_unload_filter(name: &[u16], how: Unload) -> Result<NtStatus, Raise> {
    let Some(filter) = flt().filter_named(name) else {
        return Ok(NtStatus::FLT_FILTER_NOT_FOUND);
    };
    if filter.is_going() {
        return Ok(NtStatus::FLT_DELETING_OBJECT);
    }
    if filter.calls() {
        let message =
            "FltUnloadFilter was called by the filter that it names: its code would go while it runs";
        findings::error("LIFE-05", &filter.label, message);
        return Ok(NtStatus::INVALID_DEVICE_REQUEST);
    }
    let refuses_stop = filter.registration.flags & FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP != 0;
    if filter.registration.unload.is_null() || (how == Unload::ServiceStop && refuses_stop) {
        return Ok(NtStatus::FLT_DO_NOT_DETACH);
    }
    let mandatory = how == Unload::Mandatory;
    if mandatory {
        filter.unload_reason.store(FLTFL_INSTANCE_TEARDOWN_MANDATORY_FILTER_UNLOAD, Ordering::Release);
    }
    let flags = if mandatory { FLTFL_FILTER_UNLOAD_MANDATORY } else { 0 };
    let answer = NtStatus(call(filter.registration.unload, [u64::from(flags)])? as u32 as i32);
    if !answer.is_success() && !mandatory {
        return Ok(answer);
    }
    if !filter.is_going() {
        findings::error(
            "LIFE-03",
            &filter.label,
            format!("the unload callback returned {answer} without calling FltUnregisterFilter"),
        );
        flt_unregister_filter(&filter)?;
    }
    Ok(NtStatus::SUCCESS)
}

impl crate::Flt {
    /// The filter called `name`, whatever its case.
    pub fn filter_named(&self, name: &[u16]) -> Option<Arc<Filter>> {
        self.tables.lock().filters.iter().find(|f| equal_ignoring_case(&f.name, name)).cloned()
    }

    /// All filters, in the order of registration.
    pub fn filters(&self) -> Vec<Arc<Filter>> {
        self.tables.lock().filters.clone()
    }
}
