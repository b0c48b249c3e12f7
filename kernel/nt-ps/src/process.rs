//! Process objects.
//!
//! UNSAFETY: lends process objects as [`EPROCESS`], after the object manager has checked their type.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Raise;
use nt_abi::{Abi, DISPATCHER_HEADER, NtStatus};
use nt_ke::current_thread;
use nt_ke::dispatcher::{initialize_header, object_type, set_event};
use nt_ob::{
    Mapping, ObjectRef, TypeDescription, ob_close_all_handles, ob_create, ob_create_handle_table,
    ob_delete_handle_table, ob_dereference, ob_reference, object_from, units,
};
use nt_se::{TokenDescription, se_create_token};

use crate::notify;
use crate::subsystem::ps;

/// First ID of a process that a workload makes; thread IDs lie below.
const FIRST_ID: usize = 0x2000;

/// A process. The head is a dispatcher object, signaled when it has exited; the rest is ours.
#[repr(C)]
#[expect(non_snake_case, reason = "the head is NT's")]
pub struct EPROCESS {
    /// Signaled when the process has exited.
    pub Header: DISPATCHER_HEADER,
    id: Cell<usize>,
    parent: Cell<usize>,
    token: Cell<usize>,
    create_time: Cell<i64>,
    exit_status: Cell<i32>,
    wow64: Cell<u32>,
    exited: AtomicU32,
    session: Cell<u32>,
    image_file_name: [Cell<u8>; 16],
}

// SAFETY: cells, atomics and an ABI structure without padding between them: each bit pattern is a value.
unsafe impl Abi for EPROCESS {}
// SAFETY: the cells are written before the process is published, `exit_status` before `exited`.
unsafe impl Sync for EPROCESS {}

impl EPROCESS {
    /// Process ID.
    pub fn id(&self) -> usize {
        self.id.get()
    }
    /// ID of the process that made it.
    pub fn parent_id(&self) -> usize {
        self.parent.get()
    }
    /// Address of the primary token.
    pub fn token(&self) -> usize {
        self.token.get()
    }
    /// System time at which it was made, 100 ns.
    pub fn create_time(&self) -> i64 {
        self.create_time.get()
    }
    /// STATUS_PENDING while it runs.
    pub fn exit_status(&self) -> NtStatus {
        NtStatus(self.exit_status.get())
    }
    /// Whether it is a 32-bit process.
    pub fn is_wow64(&self) -> bool {
        self.wow64.get() != 0
    }
    /// Terminal session.
    pub fn session(&self) -> u32 {
        self.session.get()
    }
    /// Whether it has exited.
    pub fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Acquire) != 0
    }
    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

pub(crate) const PROCESS: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0410, write: 0x2_0BEA, execute: 0x12_1001, all: 0x1F_FFFF },
    valid_access: 0x1F_FFFF,
    wait_offset: Some(0),
    delete: Some(delete),
    ..TypeDescription::new("Process", *b"Proc")
};

/// The process object at `address`, which somebody holds.
fn lend(address: usize) -> &'static EPROCESS {
    // SAFETY: each caller has it from the process layer's own tables or from a thread, which reference it.
    unsafe { &*(address as *const EPROCESS) }
}

fn delete(address: usize) -> Result<(), Raise> {
    ps().processes.lock().image_paths.remove(&address);
    ob_delete_handle_table(address);
    match lend(address).token() {
        0 => Ok(()),
        token => ob_dereference(token),
    }
}

/// What `nt-se` asks: the primary token of a process.
pub(crate) fn primary_token(process: usize) -> usize {
    lend(process).token()
}

/// How a process is made.
#[derive(Clone, Debug)]
pub struct ProcessParameters {
    /// Full image name, as `\Device\HarddiskVolume1\tools\stress.exe`, or just a file name.
    pub image: String,
    /// Command line that notify routines see.
    pub command_line: String,
    /// Whether it is a 32-bit process.
    pub wow64: bool,
    /// Who it runs as.
    pub token: TokenDescription,
}

impl ProcessParameters {
    /// A 64-bit process of an administrator.
    pub fn new(image: &str) -> Self {
        Self {
            image: image.into(),
            command_line: image.into(),
            wow64: false,
            token: TokenDescription::administrator(),
        }
    }
}

pub(crate) fn new_process(
    id: usize,
    parent: usize,
    image: &str,
    wow64: bool,
    token: TokenDescription,
) -> Result<ObjectRef, NtStatus> {
    let session = token.session;
    let token = if id == 4 {
        let token = nt_ke::subsystem::<nt_se::Se>().system_token();
        ob_reference(token).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        token
    } else {
        se_create_token(token)?.into_raw()
    };
    let process = match ob_create::<EPROCESS>(ps().process_type(), 0) {
        Ok(process) => process,
        Err(status) => {
            drop(ObjectRef::from_raw(token));
            return Err(status);
        }
    };
    initialize_header(&process.Header, object_type::PROCESS, 0);
    process.id.set(id);
    process.parent.set(parent);
    process.token.set(token);
    process.create_time.set(nt_ex::time::system_time());
    process.exit_status.set(NtStatus::PENDING.0);
    process.wow64.set(u32::from(wow64));
    process.session.set(session);
    let file = image.rsplit('\\').next().unwrap_or(image);
    for (to, byte) in process.image_file_name[..15].iter().zip(file.bytes()) {
        to.set(byte);
    }
    let mut processes = ps().processes.lock();
    processes.by_id.insert(id, process.address());
    processes.image_paths.insert(process.address(), units(image));
    drop(processes);
    let reference = ObjectRef::from_raw(process.address());
    ob_reference(process.address()).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
    Ok(reference)
}

/// Makes a process and tells the notify routines, which may refuse it. It has no thread: host threads attach to
/// the machine with its address. One reference goes to the caller; the process lives until [`ps_exit_process`].
///
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none held: notify routines are drivers'
/// Errors:  InsufficientResources · what a notify routine put into CreationStatus
pub fn ps_create_process(parameters: &ProcessParameters) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let id = {
        let mut processes = ps().processes.lock();
        processes.created += 1;
        FIRST_ID + (processes.created - 1) * 4
    };
    let parent = ps_current_process_id();
    let made = new_process(id, parent, &parameters.image, parameters.wow64, parameters.token.clone());
    let process = match made {
        Ok(process) => process,
        Err(status) => return Ok(Err(status)),
    };
    ob_create_handle_table(process.address());
    let status = notify::process_created(lend(process.address()), parameters)?;
    if !status.is_success() {
        ps_exit_process(process.address(), status)?;
        process.release()?;
        return Ok(Err(status));
    }
    Ok(Ok(process))
}

/// Ends a process: its handles are closed, notify routines are told, waiters wake. Its threads have left.
///
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none held: closing handles and notify routines call drivers
/// Errors:  a bug check when it is no process
pub fn ps_exit_process(address: usize, status: NtStatus) -> Result<(), Raise> {
    let process = ps_process(address)?;
    if process.exited.load(Ordering::Acquire) != 0 || address == ps_system_process() {
        return Ok(());
    }
    process.exit_status.set(status.0);
    if process.exited.swap(1, Ordering::AcqRel) != 0 {
        return Ok(());
    }
    // Handles are closed in the process' own context, as on Windows.
    let before = crate::ps_attach_process(address);
    let closed = ob_close_all_handles(address);
    crate::ps_detach_process(before);
    closed?;
    ps().at_exit(address);
    notify::process_exited(process)?;
    set_event(&process.Header);
    ps().processes.lock().by_id.remove(&process.id());
    ob_dereference(address)
}

/// The process object at `address`, which may come from a driver. Errors: a bug check when it is none
pub fn ps_process(address: usize) -> Result<&'static EPROCESS, Raise> {
    object_from::<EPROCESS>(address, ps().process_type())
}

/// The System process. Source: PsInitialSystemProcess
pub fn ps_system_process() -> usize {
    ps().system_process()
}

/// The process whose context the current thread runs in. Source: PsGetCurrentProcess, IoGetCurrentProcess
pub fn ps_current_process() -> usize {
    match current_thread().attached_process().get() {
        0 => ps_system_process(),
        process => process,
    }
}

/// ID of the current thread's own process, wherever it is attached. Source: PsGetCurrentProcessId
pub fn ps_current_process_id() -> usize {
    match current_thread().process() {
        0 => 4,
        process => lend(process).id(),
    }
}

/// The process with an ID, referenced. Source: PsLookupProcessByProcessId. Errors: InvalidCid
pub fn ps_lookup_process(id: usize) -> Result<ObjectRef, NtStatus> {
    let processes = ps().processes.lock();
    let process = *processes.by_id.get(&id).ok_or(NtStatus::INVALID_CID)?;
    // Under the lock: the table holds a reference.
    ob_reference(process).map_err(|_| NtStatus::INVALID_CID)?;
    Ok(ObjectRef::from_raw(process))
}

/// IDs of all processes that have not exited, ascending.
pub fn ps_process_ids() -> Vec<usize> {
    ps().processes.lock().by_id.keys().copied().collect()
}

/// Address of the file name of the image, at most 15 bytes and a null. Source: PsGetProcessImageFileName
pub fn ps_process_image_file_name(process: &EPROCESS) -> usize {
    process.image_file_name.as_ptr() as usize
}

/// Full image name. Source: SeLocateProcessImageName, ProcessImageFileName
pub fn ps_process_image_path(process: &EPROCESS) -> Vec<u16> {
    ps().processes.lock().image_paths.get(&process.address()).cloned().unwrap_or_default()
}
