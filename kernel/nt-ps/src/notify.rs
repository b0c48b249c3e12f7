//! Routines that drivers register to hear of processes, threads and images.
//!
//! A routine is called without a lock held; one that is removed may still be running in another thread.

use boundary::{Raise, call};
use nt_abi::{FILE_OBJECT, IMAGE_INFO, NativeFn, NtStatus, PS_CREATE_NOTIFY_INFO, UNICODE_STRING};
use nt_ke::{KTHREAD, current_thread};

use crate::process::{EPROCESS, ProcessParameters};
use crate::subsystem::ps;
use crate::thread::ps_thread_id;

/// How many routines of a kind there may be.
const LIMIT: usize = 64;

/// A process routine, by the function that registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessRoutine {
    /// PsSetCreateProcessNotifyRoutine: parent ID, process ID, whether it is being created.
    Plain(NativeFn),
    /// PsSetCreateProcessNotifyRoutineEx: process, process ID, information (null at exit).
    Extended(NativeFn),
}

/// The registered routines, in order of registration.
#[derive(Default)]
pub(crate) struct Routines {
    process: Vec<ProcessRoutine>,
    thread: Vec<NativeFn>,
    image: Vec<NativeFn>,
}

fn set<T: PartialEq>(list: &mut Vec<T>, routine: T, remove: bool) -> NtStatus {
    let place = list.iter().position(|known| *known == routine);
    match (place, remove) {
        (Some(place), true) => {
            list.remove(place);
            NtStatus::SUCCESS
        }
        (None, true) => NtStatus::PROCEDURE_NOT_FOUND,
        (Some(_), false) => NtStatus::INVALID_PARAMETER,
        (None, false) if list.len() >= LIMIT => NtStatus::INVALID_PARAMETER,
        (None, false) => {
            list.push(routine);
            NtStatus::SUCCESS
        }
    }
}

/// Registers or removes a process routine.
///
/// Source:  PsSetCreateProcessNotifyRoutine, PsSetCreateProcessNotifyRoutineEx
/// IRQL:    PASSIVE_LEVEL
/// Errors:  InvalidParameter (registered already, or too many) · ProcedureNotFound (removed but not registered)
pub fn ps_set_process_routine(routine: ProcessRoutine, remove: bool) -> NtStatus {
    set(&mut ps().routines.lock().process, routine, remove)
}

/// Registers or removes a thread routine. Source: PsSetCreateThreadNotifyRoutine. Errors: as above
pub fn ps_set_thread_routine(routine: NativeFn, remove: bool) -> NtStatus {
    set(&mut ps().routines.lock().thread, routine, remove)
}

/// Registers or removes an image routine. Source: PsSetLoadImageNotifyRoutine. Errors: as above
pub fn ps_set_image_routine(routine: NativeFn, remove: bool) -> NtStatus {
    set(&mut ps().routines.lock().image, routine, remove)
}

fn string(units: &[u16]) -> UNICODE_STRING {
    let string = UNICODE_STRING::zeroed();
    let bytes = (units.len() * 2).min(0xFFFE) as u16;
    string.Length.set(bytes);
    string.MaximumLength.set(bytes);
    string.Buffer.set(units.as_ptr().cast_mut());
    string
}

fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

/// Tells process routines of a new process. Returns the first failure that one put into CreationStatus.
pub(crate) fn process_created(process: &EPROCESS, parameters: &ProcessParameters) -> Result<NtStatus, Raise> {
    let routines = ps().routines.lock().process.clone();
    if routines.is_empty() {
        return Ok(NtStatus::SUCCESS);
    }
    let image: Vec<u16> = parameters.image.encode_utf16().collect();
    let command_line: Vec<u16> = parameters.command_line.encode_utf16().collect();
    let (image, command_line) = (string(&image), string(&command_line));
    let information = PS_CREATE_NOTIFY_INFO::zeroed();
    information.Size.set(size_of::<PS_CREATE_NOTIFY_INFO>());
    information.ParentProcessId.set(process.parent_id());
    information.CreatingThreadId.UniqueProcess.set(process.parent_id() as *mut _);
    information.CreatingThreadId.UniqueThread.set(ps_thread_id(current_thread()) as *mut _);
    information.FileObject.set(std::ptr::null_mut::<FILE_OBJECT>());
    information.ImageFileName.set(std::ptr::from_ref(&image).cast_mut());
    information.CommandLine.set(std::ptr::from_ref(&command_line).cast_mut());
    information.CreationStatus.set(NtStatus::SUCCESS);
    for routine in routines {
        match routine {
            ProcessRoutine::Plain(routine) => {
                call(routine, [process.parent_id() as u64, process.id() as u64, 1])?;
            }
            ProcessRoutine::Extended(routine) => {
                call(routine, [address(process), process.id() as u64, address(&information)])?;
                if !information.CreationStatus.get().is_success() {
                    break;
                }
            }
        }
    }
    Ok(information.CreationStatus.get())
}

/// Tells process routines that a process has exited.
pub(crate) fn process_exited(process: &EPROCESS) -> Result<(), Raise> {
    let routines = ps().routines.lock().process.clone();
    for routine in routines {
        match routine {
            ProcessRoutine::Plain(routine) => {
                call(routine, [process.parent_id() as u64, process.id() as u64, 0])?
            }
            ProcessRoutine::Extended(routine) => call(routine, [address(process), process.id() as u64, 0])?,
        };
    }
    Ok(())
}

fn tell_of_thread(thread: &KTHREAD, created: bool) -> Result<(), Raise> {
    let routines = ps().routines.lock().thread.clone();
    if routines.is_empty() {
        return Ok(());
    }
    let process = crate::ps_thread_process_id(thread)? as u64;
    for routine in routines {
        call(routine, [process, ps_thread_id(thread) as u64, u64::from(created)])?;
    }
    Ok(())
}

pub(crate) fn thread_created(thread: &KTHREAD) -> Result<(), Raise> {
    tell_of_thread(thread, true)
}

pub(crate) fn thread_ended(thread: &KTHREAD) -> Result<(), Raise> {
    tell_of_thread(thread, false)
}

/// Tells image routines that an image was mapped: a driver when `process_id` is 0.
///
/// Source: PLOAD_IMAGE_NOTIFY_ROUTINE. IRQL: PASSIVE_LEVEL
pub fn ps_call_image_routines(
    name: &[u16],
    process_id: usize,
    base: usize,
    bytes: usize,
) -> Result<(), Raise> {
    /// IMAGE_ADDRESSING_MODE_64BIT 3, and SystemModeImage in bit 8.
    const SYSTEM_IMAGE: u32 = 0x103;
    let routines = ps().routines.lock().image.clone();
    let name = string(name);
    let information = IMAGE_INFO::zeroed();
    information.Properties.set(if process_id == 0 { SYSTEM_IMAGE } else { 3 });
    information.ImageBase.set(base as *mut _);
    information.ImageSize.set(bytes);
    for routine in routines {
        call(routine, [address(&name), process_id as u64, address(&information)])?;
    }
    Ok(())
}
