//! Zw: processes, threads and tokens by handle, and what the system says about itself.

use boundary::{Raise, copy, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{DRIVER_OBJECT, NtStatus, OBJ_CASE_INSENSITIVE};
use nt_ke::KTHREAD;
use nt_ps::{EPROCESS, Module};

use crate::argument::{fault, load, rows, store_if};
use crate::ps::thread;
use crate::zw_object::{captured, give};

rows! { "ntoskrnl.exe", "nt-ps";
    ZwOpenProcess done "";
    ZwOpenThread done "";
    ZwTerminateProcess partial "the threads of a program that runs on the host go on";
    ZwQueryInformationProcess partial "classes 0, 4, 7, 20, 24, 26, 27, 29, 61; no PEB";
    ZwQueryInformationThread partial "classes 0, 18, 20; no TEB";
    ZwOpenProcessToken done "";
    ZwOpenProcessTokenEx done "";
    ZwOpenThreadToken done "";
    ZwOpenThreadTokenEx done "";
    ZwQueryInformationToken partial "no claims, capabilities or linked tokens";
    ZwQuerySystemInformation partial "classes 0, 1, 3, 5 (without threads), 11 (drivers only), 35, 103";
}

const KERNEL: u8 = 0;

/// What a caller gets: the whole structure if there is room for it.
///
/// `exact`: the length must be right, not just large enough.
fn answer(
    bytes: &[u8],
    (buffer, room): (usize, u32),
    needed: *mut u32,
    exact: bool,
) -> Result<NtStatus, Raise> {
    store_if(needed, bytes.len() as u32)?;
    let room = room as usize;
    if room < bytes.len() || (exact && room != bytes.len()) {
        return Ok(NtStatus::INFO_LENGTH_MISMATCH);
    }
    copy::write(buffer, bytes).map_err(fault)?;
    Ok(NtStatus::SUCCESS)
}

/// Runs `f` on the process behind a handle.
fn with_process<R>(
    handle: usize,
    f: impl FnOnce(&EPROCESS) -> Result<R, Raise>,
) -> Result<Result<R, NtStatus>, Raise> {
    let process = match nt_ob::ob_reference_by_handle(handle, 0, Some(process_type()), KERNEL) {
        Ok(information) => information.object,
        Err(status) => return Ok(Err(status)),
    };
    let result = f(nt_ps::ps_process(process.address())?)?;
    process.release()?;
    Ok(Ok(result))
}

/// Runs `f` on the thread behind a handle.
fn with_thread<R>(
    handle: usize,
    f: impl FnOnce(&KTHREAD) -> Result<R, Raise>,
) -> Result<Result<R, NtStatus>, Raise> {
    let object = match nt_ob::ob_reference_by_handle(handle, 0, Some(nt_ps::ps_thread_type()), KERNEL) {
        Ok(information) => information.object,
        Err(status) => return Ok(Err(status)),
    };
    let result = f(thread(object.address())?)?;
    object.release()?;
    Ok(Ok(result))
}

fn process_type() -> &'static nt_ob::ObjectType {
    nt_ke::current_core().get::<nt_ps::Ps>().process_type()
}

fn open_token(token: usize, access: u32, attributes: u32, out: *mut usize) -> Result<NtStatus, Raise> {
    let handle = nt_ob::ob_open_by_pointer(token, attributes, access, None)?;
    give(handle, out, "ZwOpenProcessToken")
}

fn process_token(handle: usize, access: u32, attributes: u32, out: *mut usize) -> Result<NtStatus, Raise> {
    let token =
        with_process(handle, |process| nt_se::se_primary_token(std::ptr::from_ref(process) as usize))?;
    match token {
        Ok(token) => {
            let status = open_token(token.address(), access, attributes, out)?;
            token.release()?;
            Ok(status)
        }
        Err(status) => Ok(status),
    }
}

fn thread_token(handle: usize, access: u32, attributes: u32, out: *mut usize) -> Result<NtStatus, Raise> {
    match with_thread(handle, |thread| Ok(thread.impersonation().get()))? {
        Ok(0) => Ok(NtStatus::NO_TOKEN),
        Ok(token) => open_token(token, access, attributes, out),
        Err(status) => Ok(status),
    }
}

/// The drivers that are loaded, by their objects.
fn modules() -> Vec<Module> {
    let mut modules = Vec::new();
    for (directory, kind) in [(r"\Driver", "Driver"), (r"\FileSystem", "Driver")] {
        let name: Vec<u16> = directory.encode_utf16().collect();
        let Ok(Ok(found)) = nt_ob::ob_reference_by_name(&name, OBJ_CASE_INSENSITIVE, None) else { continue };
        for (entry, _) in
            nt_ob::ob_directory_entries(found.address()).into_iter().filter(|(_, of)| *of == kind)
        {
            let path: Vec<u16> = name.iter().chain(&[u16::from(b'\\')]).chain(&entry).copied().collect();
            let Ok(Ok(object)) = nt_ob::ob_reference_by_name(&path, OBJ_CASE_INSENSITIVE, None) else {
                continue;
            };
            let address = object.address() as *mut DRIVER_OBJECT;
            let Ok(driver) = crate::argument::required(address, "ZwQuerySystemInformation", "driver") else {
                continue;
            };
            if driver.DriverSize.get() != 0 {
                let file = String::from_utf16_lossy(&entry);
                modules.push(Module {
                    base: driver.DriverStart.get() as usize,
                    bytes: driver.DriverSize.get(),
                    path: format!(r"\SystemRoot\System32\drivers\{file}.sys"),
                });
            }
        }
    }
    modules
}

export! {
    /// Opens a process by its identity.
    pub fn ZwOpenProcess(out: *mut usize, access: u32, attributes: usize, client: *mut [usize; 2]) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        if client.is_null() || !attributes.name.is_empty() {
            return Ok(NtStatus::INVALID_PARAMETER_MIX);
        }
        let [process, thread] = load(client, "ZwOpenProcess", "ClientId")?;
        let found = if thread != 0 {
            match nt_ps::ps_lookup_thread(thread) {
                Ok(thread_object) => nt_ps::ps_lookup_process(nt_ps::ps_thread_process_id(crate::ps::thread(thread_object.address())?)?),
                Err(status) => Err(status),
            }
        } else {
            nt_ps::ps_lookup_process(process)
        };
        match found {
            Ok(object) => {
                let handle = nt_ob::ob_open_by_pointer(object.address(), attributes.attributes, access, None)?;
                object.release()?;
                give(handle, out, "ZwOpenProcess")
            }
            Err(status) => Ok(status),
        }
    }

    /// Opens a thread by its identity.
    pub fn ZwOpenThread(out: *mut usize, access: u32, attributes: usize, client: *mut [usize; 2]) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        if client.is_null() || !attributes.name.is_empty() {
            return Ok(NtStatus::INVALID_PARAMETER_MIX);
        }
        let [process, id] = load(client, "ZwOpenThread", "ClientId")?;
        let object = match nt_ps::ps_lookup_thread(id) {
            Ok(object) => object,
            Err(status) => return Ok(status),
        };
        if process != 0 && nt_ps::ps_thread_process_id(thread(object.address())?)? != process {
            return Ok(NtStatus::INVALID_CID);
        }
        let handle = nt_ob::ob_open_by_pointer(object.address(), attributes.attributes, access, None)?;
        object.release()?;
        give(handle, out, "ZwOpenThread")
    }

    /// Ends a process.
    pub fn ZwTerminateProcess(handle: usize, status: NtStatus) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let handle = if handle == 0 { usize::MAX } else { handle };
        match with_process(handle, |process| Ok((std::ptr::from_ref(process) as usize, process.has_exited())))? {
            Ok((_, true)) => Ok(NtStatus::PROCESS_IS_TERMINATING),
            Ok((address, _)) if address == nt_ps::ps_system_process() => Ok(NtStatus::ACCESS_DENIED),
            Ok((address, _)) => {
                nt_ps::ps_exit_process(address, status)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// What is known of a process.
    pub fn ZwQueryInformationProcess(handle: usize, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        const IMAGE_FILE_NAME: u32 = 27;
        match with_process(handle, |process| Ok(nt_ps::ps_process_information(process, class, buffer)))? {
            Ok(Ok(bytes)) => answer(&bytes, (buffer, length), needed, class != IMAGE_FILE_NAME),
            Ok(Err(status)) | Err(status) => Ok(status),
        }
    }

    /// What is known of a thread.
    pub fn ZwQueryInformationThread(handle: usize, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match with_thread(handle, |thread| nt_ps::ps_thread_information(thread, class))? {
            Ok(Ok(bytes)) => answer(&bytes, (buffer, length), needed, true),
            Ok(Err(status)) | Err(status) => Ok(status),
        }
    }

    /// A handle to a process's token.
    pub fn ZwOpenProcessToken(process: usize, access: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] { process_token(process, access, 0, out) }

    /// A handle to a process's token.
    pub fn ZwOpenProcessTokenEx(process: usize, access: u32, attributes: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] { process_token(process, access, attributes, out) }

    /// A handle to the token that a thread impersonates.
    pub fn ZwOpenThreadToken(thread: usize, access: u32, _as_self: u8, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] { thread_token(thread, access, 0, out) }

    /// A handle to the token that a thread impersonates.
    pub fn ZwOpenThreadTokenEx(thread: usize, access: u32, _as_self: u8, attributes: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] { thread_token(thread, access, attributes, out) }

    /// What a token says.
    pub fn ZwQueryInformationToken(handle: usize, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let token_type = nt_ke::current_core().get::<nt_se::Se>().token_type();
        let token = match nt_ob::ob_reference_by_handle(handle, 0, Some(token_type), KERNEL) {
            Ok(information) => information.object,
            Err(status) => return Ok(status),
        };
        let said = nt_se::se_token_description(token.address())?.information(token.address(), class, buffer);
        token.release()?;
        match said {
            Ok(bytes) => Ok(match answer(&bytes, (buffer, length), needed, false)? {
                NtStatus::INFO_LENGTH_MISMATCH => NtStatus::BUFFER_TOO_SMALL,
                status => status,
            }),
            Err(status) => Ok(status),
        }
    }

    /// What the system says about itself.
    pub fn ZwQuerySystemInformation(class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        const LISTS: [u32; 2] = [5, 11];
        match nt_ps::ps_system_information(class, buffer, modules) {
            Ok(bytes) => answer(&bytes, (buffer, length), needed, !LISTS.contains(&class)),
            Err(status) => Ok(status),
        }
    }
}
