//! Ke: time, processors, bug checks, stack and floating-point state.

use boundary::{call, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{NativeFn, NtStatus};
use nt_ex::time;
use nt_ke::{BugCheck, current_core, current_thread};

use crate::argument::{load, rows, store, store_if};

rows! { "ntoskrnl.exe", "nt-ke";
    KeQueryTimeIncrement done "";
    KeQueryInterruptTime done "";
    KeQueryInterruptTimePrecise done "";
    KeQueryUnbiasedInterruptTime done "a machine never sleeps";
    KeQuerySystemTimePrecise done "";
    KeGetCurrentProcessorNumberEx done "one processor group";
    KeQueryActiveProcessorCount done "";
    KeQueryActiveProcessorCountEx done "one processor group";
    KeQueryMaximumProcessorCount done "";
    KeQueryMaximumProcessorCountEx done "one processor group";
    KeQueryActiveProcessors done "";
    KeQueryActiveGroupCount done "one processor group";
    KeGetCurrentThread done "";
    KeBugCheckEx done "ends the machine, not the process";
    KeBugCheck done "ends the machine, not the process";
    KeSaveExtendedProcessorState done "nothing to save: a kernel thread owns its processor state";
    KeRestoreExtendedProcessorState done "as KeSaveExtendedProcessorState";
    KeExpandKernelStackAndCallout partial "runs on the same stack, which has 1.8 MiB";
    KeExpandKernelStackAndCalloutEx partial "runs on the same stack, which has 1.8 MiB";
}

const ALL_GROUPS: u16 = 0xFFFF;
/// MAXIMUM_EXPANSION_SIZE of x64.
const MAXIMUM_EXPANSION: usize = 0x12000 - 0x1000;

fn processors() -> u32 {
    current_core().config.processors
}

fn processors_of(group: u16) -> u32 {
    if group == 0 || group == ALL_GROUPS { processors() } else { 0 }
}

fn bug_check(code: u32, parameters: [u64; 4]) -> boundary::Raise {
    let text = parameters.map(|p| format!("{p:#x}")).join(", ");
    let message = format!("the driver called KeBugCheckEx with code {code:#x} ({text})");
    current_core().bug_check(BugCheck::new(code, parameters, message))
}

fn expand(callout: NativeFn, parameter: usize, size: usize) -> Result<NtStatus, boundary::Raise> {
    if size > MAXIMUM_EXPANSION {
        return Ok(NtStatus::INVALID_PARAMETER_3);
    }
    call(callout, [parameter as u64])?;
    Ok(NtStatus::SUCCESS)
}

export! {
    /// 100 ns units per tick.
    pub fn KeQueryTimeIncrement() -> u32 [irql <= HIGH_LEVEL] {
        Ok(time::TIME_INCREMENT)
    }

    /// Time since the machine started.
    pub fn KeQueryInterruptTime() -> u64 [irql <= HIGH_LEVEL] {
        Ok(time::interrupt_time())
    }

    /// Time since the machine started, with the counter's value at that time.
    pub fn KeQueryInterruptTimePrecise(counter: *mut u64) -> u64 [irql <= HIGH_LEVEL] {
        let now = time::interrupt_time();
        store_if(counter, now)?;
        Ok(now)
    }

    /// Time since the machine started.
    pub fn KeQueryUnbiasedInterruptTime() -> u64 [irql <= HIGH_LEVEL] {
        Ok(time::interrupt_time())
    }

    /// System time.
    pub fn KeQuerySystemTimePrecise(current_time: *mut i64) -> () [irql <= HIGH_LEVEL] {
        store(current_time, time::system_time(), "KeQuerySystemTimePrecise", "current_time")
    }

    /// Number of the current processor; `number` gets group, number in the group and a reserved byte.
    pub fn KeGetCurrentProcessorNumberEx(number: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        let index = boundary::current().number.get();
        store_if(number, index << 16)?;
        Ok(index)
    }

    /// Processors and their mask.
    pub fn KeQueryActiveProcessorCount(active: *mut u64) -> u32 [irql <= HIGH_LEVEL] {
        store_if(active, mask())?;
        Ok(processors())
    }

    /// Processors of a group.
    pub fn KeQueryActiveProcessorCountEx(group: u16) -> u32 [irql <= HIGH_LEVEL] {
        Ok(processors_of(group))
    }

    /// Processors that there can be.
    pub fn KeQueryMaximumProcessorCount() -> u32 [irql <= HIGH_LEVEL] {
        Ok(processors())
    }

    /// Processors that there can be in a group.
    pub fn KeQueryMaximumProcessorCountEx(group: u16) -> u32 [irql <= HIGH_LEVEL] {
        Ok(processors_of(group))
    }

    /// Mask of processors.
    pub fn KeQueryActiveProcessors() -> u64 [irql <= HIGH_LEVEL] {
        Ok(mask())
    }

    /// Processor groups.
    pub fn KeQueryActiveGroupCount() -> u16 [irql <= HIGH_LEVEL] {
        Ok(1)
    }

    /// The current thread's object.
    pub fn KeGetCurrentThread() -> usize [irql <= HIGH_LEVEL] {
        Ok(std::ptr::from_ref(current_thread()) as usize)
    }

    /// Ends the machine.
    pub fn KeBugCheckEx(code: u32, p1: u64, p2: u64, p3: u64, p4: u64) -> () [irql <= HIGH_LEVEL] {
        Err(bug_check(code, [p1, p2, p3, p4]))
    }

    /// Ends the machine.
    pub fn KeBugCheck(code: u32) -> () [irql <= HIGH_LEVEL] {
        Err(bug_check(code, [0; 4]))
    }

    /// Saves the vector registers of whoever was interrupted: nobody was.
    pub fn KeSaveExtendedProcessorState(_mask: u64, save: *mut u64) -> NtStatus [irql <= DISPATCH_LEVEL] {
        load(save, "KeSaveExtendedProcessorState", "save")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Restores what was saved.
    pub fn KeRestoreExtendedProcessorState(_save: usize) -> () [irql <= DISPATCH_LEVEL] {
        Ok(())
    }

    /// Calls a routine with enough stack.
    pub fn KeExpandKernelStackAndCallout(callout: NativeFn, parameter: usize, size: usize) -> NtStatus
        [irql <= APC_LEVEL] {
        expand(callout, parameter, size)
    }

    /// Calls a routine with enough stack.
    pub fn KeExpandKernelStackAndCalloutEx(callout: NativeFn, parameter: usize, size: usize, _wait: u8, _context: usize)
        -> NtStatus [irql <= DISPATCH_LEVEL] {
        expand(callout, parameter, size)
    }
}

fn mask() -> u64 {
    u64::MAX >> (64 - processors())
}
