//! Ke: processor numbers, affinity and priority of threads.

use boundary::export;
use nt_abi::NtStatus;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_ke::{current_core, placement};

use crate::argument::{load, rows, store, store_if};
use crate::ps::thread;

rows! { "ntoskrnl.exe", "nt-ke";
    KeGetProcessorNumberFromIndex done "one processor group";
    KeGetProcessorIndexFromNumber done "one processor group";
    KeQueryMaximumGroupCount done "one processor group";
    KeQueryGroupAffinity done "one processor group";
    KeQueryHighestNodeNumber done "one node";
    KeGetCurrentNodeNumber done "one node";
    KeGetRecommendedSharedDataAlignment done "64";
    KeSetSystemAffinityThread done "";
    KeSetSystemAffinityThreadEx done "";
    KeRevertToUserAffinityThread done "";
    KeRevertToUserAffinityThreadEx done "";
    KeQueryPriorityThread done "priorities order nobody";
    KeSetPriorityThread done "priorities order nobody";
    KeSetBasePriorityThread done "priorities order nobody";
    KeQueryRuntimeThread partial "no time is counted: 0";
    KeInvalidateAllCaches done "the host's processors are coherent";
}

fn processors() -> u32 {
    current_core().config.processors
}

fn mask() -> u64 {
    u64::MAX >> (64 - processors())
}

export! {
    /// Group and number of a processor.
    pub fn KeGetProcessorNumberFromIndex(index: u32, number: *mut u32) -> NtStatus [irql <= HIGH_LEVEL] {
        if index >= processors() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        store(number, index << 16, "KeGetProcessorNumberFromIndex", "ProcNumber")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Index of a processor; 0xFFFFFFFF when there is none.
    pub fn KeGetProcessorIndexFromNumber(number: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        let number = load(number, "KeGetProcessorIndexFromNumber", "ProcNumber")?;
        let (group, index) = (number & 0xFFFF, number >> 16 & 0xFF);
        Ok(if group == 0 && index < processors() { index } else { u32::MAX })
    }

    /// Processor groups that there can be.
    pub fn KeQueryMaximumGroupCount() -> u16 [irql <= HIGH_LEVEL] { Ok(1) }

    /// Processors of a group.
    pub fn KeQueryGroupAffinity(group: u16) -> u64 [irql <= HIGH_LEVEL] { Ok(if group == 0 { mask() } else { 0 }) }

    /// The highest node.
    pub fn KeQueryHighestNodeNumber() -> u16 [irql <= HIGH_LEVEL] { Ok(0) }

    /// The current node.
    pub fn KeGetCurrentNodeNumber() -> u16 [irql <= HIGH_LEVEL] { Ok(0) }

    /// Bytes that data of different processors should be apart.
    pub fn KeGetRecommendedSharedDataAlignment() -> u32 [irql <= HIGH_LEVEL] { Ok(64) }

    /// Has the thread run on some processors.
    pub fn KeSetSystemAffinityThread(affinity: u64) -> () [irql <= DISPATCH_LEVEL] { Ok(_ = placement::set_affinity(affinity)) }

    /// Has the thread run on some processors; what was asked before.
    pub fn KeSetSystemAffinityThreadEx(affinity: u64) -> u64 [irql <= DISPATCH_LEVEL] { Ok(placement::set_affinity(affinity)) }

    /// Lets the thread run anywhere again.
    pub fn KeRevertToUserAffinityThread() -> () [irql <= DISPATCH_LEVEL] { Ok(_ = placement::set_affinity(0)) }

    /// Goes back to what KeSetSystemAffinityThreadEx answered.
    pub fn KeRevertToUserAffinityThreadEx(affinity: u64) -> () [irql <= DISPATCH_LEVEL] { Ok(_ = placement::set_affinity(affinity)) }

    /// A thread's priority.
    pub fn KeQueryPriorityThread(address: usize) -> i32 [irql <= DISPATCH_LEVEL] { thread(address).map(placement::priority) }

    /// Changes a thread's priority; the one before.
    pub fn KeSetPriorityThread(address: usize, priority: i32) -> i32 [irql <= DISPATCH_LEVEL] {
        if !(1..32).contains(&priority) {
            return Err(crate::argument::wrong("KeSetPriorityThread", "Priority", priority as u64, "which is no priority (1 to 31)"));
        }
        Ok(placement::set_priority(thread(address)?, priority))
    }

    /// Changes a thread's priority, as seen from its process; the increment before.
    pub fn KeSetBasePriorityThread(address: usize, increment: i32) -> i32 [irql <= DISPATCH_LEVEL] {
        Ok(placement::set_base_priority(thread(address)?, increment))
    }

    /// How long a thread has run: in the kernel, and in user mode.
    pub fn KeQueryRuntimeThread(address: usize, user: *mut u32) -> u32 [irql <= APC_LEVEL] {
        thread(address)?;
        store_if(user, 0)?;
        Ok(0)
    }

    /// Writes processor caches back.
    pub fn KeInvalidateAllCaches() -> bool [irql <= PASSIVE_LEVEL] { Ok(true) }
}
