//! Ps: what is known of processes and threads, notify routines, tokens, attaching; Io's names for some of it.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NativeFn, NtStatus, UNICODE_STRING};
use nt_ke::current_thread;
use nt_ob::ObjectRef;
use nt_ps::{Client, ProcessRoutine};

use crate::argument::{optional, rows, store, store_if};
use crate::ps::thread;

rows! { "ntoskrnl.exe", "nt-ps";
    PsGetThreadProcess done "";
    IoThreadToProcess done "";
    PsGetCurrentThread done "";
    PsGetCurrentProcess done "";
    PsGetCurrentThreadProcess done "";
    PsGetCurrentThreadProcessId done "";
    PsGetCurrentThreadPreviousMode done "";
    PsGetProcessImageFileName done "";
    PsGetProcessInheritedFromUniqueProcessId done "";
    PsGetProcessCreateTimeQuadPart done "";
    PsGetProcessExitStatus done "";
    PsGetProcessExitProcessCalled done "";
    PsGetProcessSessionId done "";
    PsGetProcessSessionIdEx done "";
    PsGetCurrentProcessSessionId done "";
    PsGetProcessWow64Process done "a 32-bit process has 1 in the place of its PEB";
    PsGetProcessPeb done "processes have no PEB: NULL";
    PsIsSystemProcess done "";
    PsIsProtectedProcess done "no process is";
    PsIsProtectedProcessLight done "no process is";
    PsIsThreadTerminating done "";
    PsLookupThreadByThreadId done "";
    PsLookupProcessThreadByCid done "";
    PsGetVersion done "";
    IoIs32bitProcess done "";
    PsSetCreateProcessNotifyRoutine done "";
    PsSetCreateProcessNotifyRoutineEx done "FileObject is NULL";
    PsSetCreateProcessNotifyRoutineEx2 done "PsCreateProcessNotifySubsystems only, as there is no other";
    PsSetCreateThreadNotifyRoutineEx partial "both types are PsCreateThreadNotifyNonSystem's: every thread is told of in its maker";
    PsSetLoadImageNotifyRoutineEx partial "as PsSetLoadImageNotifyRoutine";
    PsSetCreateThreadNotifyRoutine done "";
    PsRemoveCreateThreadNotifyRoutine done "";
    PsSetLoadImageNotifyRoutine partial "called for drivers; programs map no images";
    PsRemoveLoadImageNotifyRoutine done "";
    PsReferencePrimaryToken done "";
    PsDereferencePrimaryToken done "";
    PsReferenceImpersonationToken done "";
    PsDereferenceImpersonationToken done "";
    PsImpersonateClient partial "the current thread only";
    PsRevertToSelf done "";
    KeStackAttachProcess done "processes share one address space: handles change";
    KeUnstackDetachProcess done "";
    KeAttachProcess done "as KeStackAttachProcess";
    KeDetachProcess done "";
    SeLocateProcessImageName done "";
    IoSetThreadHardErrorMode done "hard errors show nowhere";
    PsIsDiskCountersEnabled done "they are not";
}

/// `APC_STATE`, in whose place a KeStackAttachProcess keeps the process before: word 4 is its `Process`.
const APC_STATE_PROCESS: usize = 4;
const TAG: u32 = u32::from_le_bytes(*b"SeNm");

/// Gives a reference to the driver, or why there is none.
fn given(object: Result<ObjectRef, NtStatus>, out: *mut usize, export: &str) -> Result<NtStatus, Raise> {
    match object {
        Ok(object) => {
            store(out, object.into_raw(), export, "Object")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

export! {
    /// The process of a thread.
    pub fn PsGetThreadProcess(address: usize) -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_thread_process(thread(address)?)) }
    /// The process of a thread.
    pub fn IoThreadToProcess(address: usize) -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_thread_process(thread(address)?)) }
    /// The current thread.
    pub fn PsGetCurrentThread() -> usize [irql <= HIGH_LEVEL] { Ok(std::ptr::from_ref(current_thread()) as usize) }
    /// The process that the thread is attached to.
    pub fn PsGetCurrentProcess() -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_current_process()) }
    /// The thread's own process.
    pub fn PsGetCurrentThreadProcess() -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_thread_process(current_thread())) }
    /// Identity of the thread's own process.
    pub fn PsGetCurrentThreadProcessId() -> usize [irql <= HIGH_LEVEL] { nt_ps::ps_thread_process_id(current_thread()) }
    /// Where the current system call came from.
    pub fn PsGetCurrentThreadPreviousMode() -> u8 [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_previous_mode()) }
    /// The file name of a process's image, at most 15 bytes and a zero.
    pub fn PsGetProcessImageFileName(process: usize) -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process_image_file_name(nt_ps::ps_process(process)?)) }
    /// Identity of the process that made it.
    pub fn PsGetProcessInheritedFromUniqueProcessId(process: usize) -> usize [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.parent_id()) }
    /// When it was made.
    pub fn PsGetProcessCreateTimeQuadPart(process: usize) -> i64 [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.create_time()) }
    /// How it ended, PENDING while it runs.
    pub fn PsGetProcessExitStatus(process: usize) -> NtStatus [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.exit_status()) }
    /// Whether it has ended.
    pub fn PsGetProcessExitProcessCalled(process: usize) -> bool [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.has_exited()) }
    /// Its terminal session.
    pub fn PsGetProcessSessionId(process: usize) -> u32 [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.session()) }
    /// Its terminal session.
    pub fn PsGetProcessSessionIdEx(process: usize) -> u32 [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(process)?.session()) }
    /// The current process's terminal session.
    pub fn PsGetCurrentProcessSessionId() -> u32 [irql <= HIGH_LEVEL] { Ok(nt_ps::ps_process(nt_ps::ps_current_process())?.session()) }
    /// Not null for a 32-bit process.
    pub fn PsGetProcessWow64Process(process: usize) -> usize [irql <= HIGH_LEVEL] { Ok(usize::from(nt_ps::ps_process(process)?.is_wow64())) }
    /// The process environment block, which there is none.
    pub fn PsGetProcessPeb(process: usize) -> usize [irql <= HIGH_LEVEL] { nt_ps::ps_process(process).map(|_| 0) }
    /// Whether it is the System process.
    pub fn PsIsSystemProcess(process: usize) -> bool [irql <= HIGH_LEVEL] { nt_ps::ps_process(process).map(|_| process == nt_ps::ps_system_process()) }
    /// Whether it is protected.
    pub fn PsIsProtectedProcess(process: usize) -> bool [irql <= HIGH_LEVEL] { nt_ps::ps_process(process).map(|_| false) }
    /// Whether it is protected.
    pub fn PsIsProtectedProcessLight(process: usize) -> bool [irql <= HIGH_LEVEL] { nt_ps::ps_process(process).map(|_| false) }
    /// Whether a thread has ended.
    pub fn PsIsThreadTerminating(address: usize) -> bool [irql <= HIGH_LEVEL] {
        Ok(thread(address)?.Header.SignalState.load(std::sync::atomic::Ordering::Acquire) != 0)
    }

    /// A thread by identity, referenced.
    pub fn PsLookupThreadByThreadId(id: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] { given(nt_ps::ps_lookup_thread(id), out, "PsLookupThreadByThreadId") }

    /// A process and a thread of it by identity, referenced.
    pub fn PsLookupProcessThreadByCid(client: *mut [usize; 2], process: *mut usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let [process_id, id] = crate::argument::load(client, "PsLookupProcessThreadByCid", "ClientId")?;
        let object = match nt_ps::ps_lookup_thread(id) {
            Ok(object) => object,
            Err(status) => return Ok(status),
        };
        if nt_ps::ps_thread_process_id(thread(object.address())?)? != process_id {
            return Ok(NtStatus::INVALID_CID);
        }
        if !process.is_null() {
            let status = given(nt_ps::ps_lookup_process(process_id), process, "PsLookupProcessThreadByCid")?;
            if !status.is_success() {
                return Ok(status);
            }
        }
        given(Ok(object), out, "PsLookupProcessThreadByCid")
    }

    /// The version of the system; whether it is a checked build.
    pub fn PsGetVersion(major: *mut u32, minor: *mut u32, build: *mut u32, service_pack: *mut UNICODE_STRING) -> bool [irql <= PASSIVE_LEVEL] {
        store_if(major, 10)?;
        store_if(minor, 0)?;
        store_if(build, 26100)?;
        if let Some(text) = optional(service_pack, "PsGetVersion", "CSDVersion")? {
            text.Length.set(0);
        }
        Ok(false)
    }

    /// Whether a request, or the current thread when null, is of a 32-bit process.
    pub fn IoIs32bitProcess(irp: *mut nt_abi::IRP) -> bool [irql <= DISPATCH_LEVEL] {
        let process = match optional(irp, "IoIs32bitProcess", "Irp")? {
            Some(irp) => match irp.Thread().get() as usize {
                0 => return Ok(false),
                address => nt_ps::ps_thread_process(thread(address)?),
            },
            None => nt_ps::ps_thread_process(current_thread()),
        };
        Ok(nt_ps::ps_process(process)?.is_wow64())
    }

    /// Asks to hear of processes.
    pub fn PsSetCreateProcessNotifyRoutine(routine: NativeFn, remove: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(nt_ps::ps_set_process_routine(ProcessRoutine::Plain(routine), remove != 0))
    }

    /// Asks to hear of processes, and to be able to refuse them.
    pub fn PsSetCreateProcessNotifyRoutineEx(routine: NativeFn, remove: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(nt_ps::ps_set_process_routine(ProcessRoutine::Extended(routine), remove != 0))
    }

    /// Asks to hear of processes, of which there is one type.
    pub fn PsSetCreateProcessNotifyRoutineEx2(kind: u32, routine: NativeFn, remove: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if kind != 0 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        Ok(nt_ps::ps_set_process_routine(ProcessRoutine::Extended(routine), remove != 0))
    }

    /// Asks to hear of threads.
    pub fn PsSetCreateThreadNotifyRoutineEx(kind: u32, routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if kind > 1 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        Ok(nt_ps::ps_set_thread_routine(routine, false))
    }

    /// Asks to hear of images.
    pub fn PsSetLoadImageNotifyRoutineEx(routine: NativeFn, flags: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        // PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE asks for images that there are none of.
        if flags > 1 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        Ok(nt_ps::ps_set_image_routine(routine, false))
    }

    /// Asks to hear of threads.
    pub fn PsSetCreateThreadNotifyRoutine(routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] { Ok(nt_ps::ps_set_thread_routine(routine, false)) }

    /// Asks no more.
    pub fn PsRemoveCreateThreadNotifyRoutine(routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] { Ok(nt_ps::ps_set_thread_routine(routine, true)) }

    /// Asks to hear of images.
    pub fn PsSetLoadImageNotifyRoutine(routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] { Ok(nt_ps::ps_set_image_routine(routine, false)) }

    /// Asks no more.
    pub fn PsRemoveLoadImageNotifyRoutine(routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] { Ok(nt_ps::ps_set_image_routine(routine, true)) }

    /// A process's token, referenced.
    pub fn PsReferencePrimaryToken(process: usize) -> usize [irql <= APC_LEVEL] {
        nt_ps::ps_process(process)?;
        Ok(nt_se::se_primary_token(process)?.into_raw())
    }

    /// Takes a reference back.
    pub fn PsDereferencePrimaryToken(token: usize) -> () [irql <= APC_LEVEL] { nt_ob::ob_dereference(token) }

    /// The token that a thread impersonates, referenced; null when it impersonates nobody.
    pub fn PsReferenceImpersonationToken(address: usize, copy: *mut u8, effective_only: *mut u8, level: *mut i32) -> usize [irql <= APC_LEVEL] {
        let token = thread(address)?.impersonation().get();
        if token == 0 {
            return Ok(0);
        }
        let client = nt_ps::ps_client(thread(address)?);
        store(copy, u8::from(client.copy_on_open), "PsReferenceImpersonationToken", "CopyOnOpen")?;
        store(effective_only, u8::from(client.effective_only), "PsReferenceImpersonationToken", "EffectiveOnly")?;
        store(level, i32::from(client.level), "PsReferenceImpersonationToken", "ImpersonationLevel")?;
        nt_ob::ob_reference(token)?;
        Ok(token)
    }

    /// Takes a reference back.
    pub fn PsDereferenceImpersonationToken(token: usize) -> () [irql <= APC_LEVEL] {
        if token == 0 { Ok(()) } else { nt_ob::ob_dereference(token) }
    }

    /// Lets a thread act for another user, or for its own process again when the token is null.
    pub fn PsImpersonateClient(address: usize, token: usize, copy_on_open: u8, effective_only: u8, level: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if !std::ptr::eq(thread(address)?, current_thread()) {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        if level > 3 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        if token == 0 {
            nt_ps::ps_impersonate(None)?;
        } else {
            nt_se::se_token_description(token)?;
            let client = Client { copy_on_open: copy_on_open != 0, effective_only: effective_only != 0, level: level as u8 };
            nt_ps::ps_impersonate(Some((token, client)))?;
        }
        Ok(NtStatus::SUCCESS)
    }

    /// Ends an impersonation.
    pub fn PsRevertToSelf() -> () [irql <= PASSIVE_LEVEL] { nt_ps::ps_impersonate(None) }

    /// Works in the context of another process.
    pub fn KeStackAttachProcess(process: usize, state: *mut usize) -> () [irql <= DISPATCH_LEVEL] {
        nt_ps::ps_process(process)?;
        let before = nt_ps::ps_attach_process(process);
        store(state.wrapping_add(APC_STATE_PROCESS), before, "KeStackAttachProcess", "ApcState")
    }

    /// Goes back.
    pub fn KeUnstackDetachProcess(state: *mut usize) -> () [irql <= DISPATCH_LEVEL] {
        nt_ps::ps_detach_process(crate::argument::load(state.wrapping_add(APC_STATE_PROCESS), "KeUnstackDetachProcess", "ApcState")?);
        Ok(())
    }

    /// Works in the context of another process.
    pub fn KeAttachProcess(process: usize) -> () [irql <= DISPATCH_LEVEL] {
        nt_ps::ps_process(process)?;
        nt_ps::ps_attach_process(process);
        Ok(())
    }

    /// Goes back to the thread's own process.
    pub fn KeDetachProcess() -> () [irql <= DISPATCH_LEVEL] {
        nt_ps::ps_detach_process(nt_ps::ps_thread_process(current_thread()));
        Ok(())
    }

    /// The full image name of a process: a string in pool, which the caller frees as one block.
    pub fn SeLocateProcessImageName(process: usize, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let text = nt_ps::ps_process_image_path(nt_ps::ps_process(process)?);
        let bytes: Vec<u8> = text.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect();
        let kind = nt_ex::pool::PoolKind::Paged;
        let Some(block) = nt_ex::pool::allocate(kind, bytes.len() + 16, TAG, true) else {
            return Ok(NtStatus::NO_MEMORY);
        };
        let base = block.as_ptr() as usize;
        let length = (bytes.len() - 2) as u64;
        let head = [length | (length + 2) << 16, (base + 16) as u64];
        boundary::copy::write_value(base, head).map_err(crate::argument::fault)?;
        boundary::copy::write(base + 16, &bytes).map_err(crate::argument::fault)?;
        store(out, base, "SeLocateProcessImageName", "pImageFileName")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Whether the thread's hard errors show; there is nobody to show them to. The answer is the setting before: they do.
    pub fn IoSetThreadHardErrorMode(enable: u8) -> bool [irql <= HIGH_LEVEL] {
        let hidden = current_thread().extension(nt_ke::thread::extension::HIDDEN_ERRORS);
        Ok(hidden.replace(usize::from(enable == 0)) == 0)
    }

    /// Whether disk counters are kept.
    pub fn PsIsDiskCountersEnabled() -> bool [irql <= HIGH_LEVEL] { Ok(false) }
}
