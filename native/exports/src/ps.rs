//! Ps: threads and processes.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NativeFn, NtStatus};
use nt_ke::{KTHREAD, current_thread};
use nt_ob::ObjectAttributes;

use crate::argument::{rows, store};

rows! { "ntoskrnl.exe", "nt-ps";
    IoGetCurrentProcess done "";
    PsGetCurrentProcessId done "";
    PsGetCurrentThreadId done "";
    PsGetProcessId done "";
    PsGetThreadId done "";
    PsGetThreadProcessId done "";
    PsIsSystemThread done "";
    PsLookupProcessByProcessId done "";
    PsCreateSystemThread done "EXEC-38";
    PsTerminateSystemThread done "EXEC-38";
}

pub(crate) fn thread(address: usize) -> Result<&'static KTHREAD, boundary::Raise> {
    let kind = nt_ps::ps_thread_type();
    let address = nt_ob::ob_reference_by_pointer(address, Some(kind))?;
    match address {
        // SAFETY: checked to be a thread; the caller of the export keeps it alive.
        Ok(reference) => Ok(unsafe { &*(reference.address() as *const KTHREAD) }),
        Err(status) => Err(boundary::Raise::Status(status)),
    }
}

export! {
    /// The process that the thread is attached to.
    pub fn IoGetCurrentProcess() -> usize [irql <= DISPATCH_LEVEL] {
        Ok(nt_ps::ps_current_process())
    }

    /// Its identity.
    pub fn PsGetCurrentProcessId() -> usize [irql <= HIGH_LEVEL] {
        Ok(nt_ps::ps_current_process_id())
    }

    /// Identity of the current thread.
    pub fn PsGetCurrentThreadId() -> usize [irql <= HIGH_LEVEL] {
        Ok(nt_ps::ps_current_thread_id())
    }

    /// Identity of a process.
    pub fn PsGetProcessId(process: usize) -> usize [irql <= HIGH_LEVEL] {
        Ok(nt_ps::ps_process(process)?.id())
    }

    /// Identity of a thread.
    pub fn PsGetThreadId(address: usize) -> usize [irql <= HIGH_LEVEL] {
        Ok(nt_ps::ps_thread_id(thread(address)?))
    }

    /// Identity of a thread's process.
    pub fn PsGetThreadProcessId(address: usize) -> usize [irql <= HIGH_LEVEL] {
        nt_ps::ps_thread_process_id(thread(address)?)
    }

    /// Whether a thread is the system's.
    pub fn PsIsSystemThread(address: usize) -> bool [irql <= HIGH_LEVEL] {
        Ok(nt_ps::ps_is_system_thread(thread(address)?))
    }

    /// A process by identity, referenced.
    pub fn PsLookupProcessByProcessId(id: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        match nt_ps::ps_lookup_process(id) {
            Ok(process) => {
                store(out, process.into_raw(), "PsLookupProcessByProcessId", "Process")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Makes a system thread.
    pub fn PsCreateSystemThread(out: *mut usize, access: u32, attributes: usize, _process: usize, _client: usize, routine: NativeFn, context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = match ObjectAttributes::capture(attributes)? {
            Ok(attributes) => attributes,
            Err(status) => return Ok(status),
        };
        match nt_ps::ps_create_system_thread(routine, context, access, attributes.attributes)? {
            Ok(handle) => {
                store(out, handle, "PsCreateSystemThread", "ThreadHandle")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Ends the current system thread.
    pub fn PsTerminateSystemThread(status: NtStatus) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let _ = current_thread();
        nt_ps::ps_terminate_system_thread(status)
    }
}
