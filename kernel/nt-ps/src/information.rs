//! What processes, threads and the system say when they are asked: the structures of the query services.
//!
//! A structure that holds pointers is made for the address where it will lie. Processes have no memory of their own,
//! so there is no PEB and no TEB: their addresses are 0.

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::{KTHREAD, current_core, placement};
use nt_ob::ob_open_handles;

use crate::process::{EPROCESS, ps_process, ps_process_ids, ps_process_image_path};
use crate::ps_lookup_process;
use crate::thread::{ps_thread_id, ps_thread_process_id};

/// Priority of a thread that nobody has changed.
const NORMAL_PRIORITY: u32 = 8;
const PAGE: u32 = 0x1000;
const GRANULARITY: u32 = 0x10000;
/// How much memory a machine says it has: 8 GiB.
const PHYSICAL_PAGES: u32 = 0x20_0000;

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn affinity() -> u64 {
    u64::MAX >> (64 - current_core().config.processors)
}

/// A `UNICODE_STRING` at `base` with its text behind it.
fn string(base: usize, text: &[u16]) -> Vec<u8> {
    let bytes = (text.len() * 2) as u64;
    let buffer = if text.is_empty() { 0 } else { (base + 16) as u64 };
    let mut answer = words(&[bytes | (bytes + 2) << 16, buffer]);
    answer.extend(text.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()));
    answer
}

/// The structure of `class` of a process, as it lies at `base`.
///
/// Source:  ZwQueryInformationProcess
/// Errors:  InvalidInfoClass
pub fn ps_process_information(process: &EPROCESS, class: u32, base: usize) -> Result<Vec<u8>, NtStatus> {
    let address = std::ptr::from_ref(process) as usize;
    Ok(match class {
        // ProcessBasicInformation.
        0 => words(&[
            u64::from(process.exit_status().bits()),
            0,
            affinity(),
            u64::from(NORMAL_PRIORITY),
            process.id() as u64,
            process.parent_id() as u64,
        ]),
        // ProcessTimes: made, ended, kernel, user.
        4 => words(&[process.create_time() as u64, 0, 0, 0]),
        // ProcessDebugPort, ProcessWow64Information: 0 for a 64-bit process, else the 32-bit PEB.
        7 => words(&[0]),
        26 => words(&[u64::from(process.is_wow64())]),
        // ProcessHandleCount, ProcessSessionInformation, ProcessBreakOnTermination.
        20 => (ob_open_handles(address).len() as u32).to_le_bytes().to_vec(),
        24 => process.session().to_le_bytes().to_vec(),
        29 => vec![0; 4],
        // ProcessImageFileName.
        27 => string(base, &ps_process_image_path(process)),
        // ProcessProtectionInformation: none.
        61 => vec![0],
        _ => return Err(NtStatus::INVALID_INFO_CLASS),
    })
}

/// The structure of `class` of a thread.
///
/// Source:  ZwQueryInformationThread
/// Errors:  InvalidInfoClass
pub fn ps_thread_information(thread: &KTHREAD, class: u32) -> Result<Result<Vec<u8>, NtStatus>, Raise> {
    let ended = thread.Header.SignalState.load(std::sync::atomic::Ordering::Acquire) != 0;
    let status = if ended { thread.exit_status().get() } else { NtStatus::PENDING.0 };
    let [priority, base] =
        [placement::priority(thread), placement::base_priority(thread)].map(|priority| priority as u64);
    Ok(Ok(match class {
        // ThreadBasicInformation.
        0 => words(&[
            u64::from(status as u32),
            0,
            ps_thread_process_id(thread)? as u64,
            ps_thread_id(thread) as u64,
            affinity(),
            priority | base << 32,
        ]),
        // ThreadTimes are not kept; ThreadAmILastThread, ThreadIsIoPending, ThreadBreakOnTermination.
        18 => vec![0; 4],
        // ThreadIsTerminated.
        20 => u32::from(ended).to_le_bytes().to_vec(),
        _ => return Ok(Err(NtStatus::INVALID_INFO_CLASS)),
    }))
}

/// `SYSTEM_PROCESS_INFORMATION` of every process, without their threads, as it lies at `base`.
fn processes(base: usize) -> Vec<u8> {
    const HEAD: usize = 0x100;
    let mut answer = Vec::new();
    let mut last = 0;
    for id in ps_process_ids() {
        let Ok(reference) = ps_lookup_process(id) else { continue };
        let Ok(process) = ps_process(reference.address()) else { continue };
        let path = ps_process_image_path(process);
        let name = path.rsplit(|unit| *unit == u16::from(b'\\')).next().unwrap_or(&path);
        let start = answer.len();
        if start != 0 {
            answer[last..last + 4].copy_from_slice(&((start - last) as u32).to_le_bytes());
        }
        last = start;
        let mut head = vec![0u8; HEAD];
        let mut put = |at: usize, value: u64| head[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let bytes = (name.len() * 2) as u64;
        put(0x20, process.create_time() as u64);
        put(0x38, bytes | (bytes + 2) << 16);
        put(0x40, (base + start + HEAD) as u64);
        put(0x48, u64::from(NORMAL_PRIORITY));
        put(0x50, process.id() as u64);
        put(0x58, process.parent_id() as u64);
        put(0x60, ob_open_handles(reference.address()).len() as u64 | u64::from(process.session()) << 32);
        answer.extend(head);
        answer.extend(name.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()));
        answer.resize(answer.len().next_multiple_of(8), 0);
    }
    answer
}

/// A driver as the list of modules shows it.
#[derive(Clone, Debug)]
pub struct Module {
    /// Where it lies.
    pub base: usize,
    /// Its bytes.
    pub bytes: u32,
    /// Its path, which ends with its file name.
    pub path: String,
}

/// `RTL_PROCESS_MODULES`.
fn module_list(modules: &[Module]) -> Vec<u8> {
    const ENTRY: usize = 0x128;
    const PATH: usize = 256;
    let mut answer = (modules.len() as u64).to_le_bytes().to_vec();
    for (order, module) in modules.iter().enumerate() {
        let mut entry = vec![0u8; ENTRY];
        entry[0x10..0x18].copy_from_slice(&(module.base as u64).to_le_bytes());
        entry[0x18..0x1C].copy_from_slice(&module.bytes.to_le_bytes());
        entry[0x20..0x22].copy_from_slice(&(order as u16).to_le_bytes());
        entry[0x22..0x24].copy_from_slice(&(order as u16).to_le_bytes());
        entry[0x24..0x26].copy_from_slice(&1u16.to_le_bytes());
        let path = &module.path.as_bytes()[..module.path.len().min(PATH - 1)];
        let name = path.iter().rposition(|byte| *byte == b'\\').map_or(0, |at| at + 1);
        entry[0x26..0x28].copy_from_slice(&(name as u16).to_le_bytes());
        entry[0x28..0x28 + path.len()].copy_from_slice(path);
        answer.extend(entry);
    }
    answer
}

/// The structure of `class` of the system, as it lies at `base`; `modules` are asked for when they are wanted.
///
/// Source:  ZwQuerySystemInformation
/// Errors:  InvalidInfoClass
pub fn ps_system_information(
    class: u32,
    base: usize,
    modules: impl FnOnce() -> Vec<Module>,
) -> Result<Vec<u8>, NtStatus> {
    let core = current_core();
    let count = core.config.processors;
    Ok(match class {
        // SystemBasicInformation.
        0 => {
            let mut answer = Vec::new();
            let numbers =
                [0, nt_ex::time::TIME_INCREMENT, PAGE, PHYSICAL_PAGES, 1, PHYSICAL_PAGES, GRANULARITY, 0];
            answer.extend(numbers.iter().flat_map(|number: &u32| number.to_le_bytes()));
            answer.extend(words(&[
                u64::from(GRANULARITY),
                (core.slot.user_probe_address() - 1) as u64,
                affinity(),
                u64::from(count),
            ]));
            answer
        }
        // SystemProcessorInformation: x64, family 6.
        1 => words(&[9 | 6 << 16 | u64::from(count) << 48, 0])[..12].to_vec(),
        // SystemTimeOfDayInformation: boot, now, bias, zone.
        3 => {
            let now = nt_ex::time::system_time() as u64;
            words(&[now - nt_ex::time::interrupt_time(), now, 0, 0, 0, 0])
        }
        // SystemProcessInformation.
        5 => processes(base),
        // SystemModuleInformation.
        11 => module_list(&modules()),
        // SystemKernelDebuggerInformation: not enabled, not present.
        35 => vec![0, 1],
        // SystemCodeIntegrityInformation: its length; nothing is enforced.
        103 => words(&[8]),
        _ => return Err(NtStatus::INVALID_INFO_CLASS),
    })
}
