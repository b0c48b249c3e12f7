//! Ke: timers and deferred procedure calls.

use boundary::export;
use nt_abi::irql::{DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{KDPC, KTIMER, NativeFn, NtStatus};
use nt_ke::{dpc, timer};
use std::sync::atomic::Ordering;

use crate::argument::{arg, optional, rows, wrong};

rows! { "ntoskrnl.exe", "nt-ke";
    KeInitializeTimer done "EXEC-34; a notification timer";
    KeInitializeTimerEx done "EXEC-34";
    KeSetTimer done "EXEC-34";
    KeSetTimerEx done "EXEC-34";
    KeSetCoalescableTimer done "EXEC-34; never coalesced";
    KeCancelTimer done "EXEC-35; a DPC that is queued already stays queued";
    KeReadStateTimer done "";
    KeInitializeDpc done "EXEC-35";
    KeInitializeThreadedDpc done "runs at DISPATCH_LEVEL, as where threaded DPCs are switched off";
    KeInsertQueueDpc done "EXEC-35; runs in a thread of its own at DISPATCH_LEVEL";
    KeRemoveQueueDpc done "";
    KeSetImportanceDpc done "HighImportance goes to the head of the queue";
    KeSetTargetProcessorDpc done "the processors that run DPCs are alike";
    KeSetTargetProcessorDpcEx done "as KeSetTargetProcessorDpc";
    KeFlushQueuedDpcs done "";
}

export! {
    /// Prepares a notification timer.
    pub fn KeInitializeTimer(timer: *mut KTIMER) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeInitializeTimer: timer);
        timer::initialize(timer, false);
        Ok(())
    }

    /// Prepares a timer. Type 0 is a notification timer, 1 a synchronization timer.
    pub fn KeInitializeTimerEx(timer: *mut KTIMER, kind: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeInitializeTimerEx: timer);
        if kind > 1 {
            return Err(wrong("KeInitializeTimerEx", "kind", kind.into(), "which is no TIMER_TYPE (0 or 1)"));
        }
        timer::initialize(timer, kind == 1);
        Ok(())
    }

    /// Sets a timer for once; whether it was set before.
    pub fn KeSetTimer(timer: *mut KTIMER, due: i64, dpc: *mut KDPC) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeSetTimer: timer);
        Ok(timer::set(timer, due, 0, optional(dpc, "KeSetTimer", "dpc")?))
    }

    /// Sets a timer with a period in milliseconds; whether it was set before.
    pub fn KeSetTimerEx(timer: *mut KTIMER, due: i64, period: i32, dpc: *mut KDPC) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeSetTimerEx: timer);
        Ok(timer::set(timer, due, period, optional(dpc, "KeSetTimerEx", "dpc")?))
    }

    /// The same; the delay that is tolerated is not used.
    pub fn KeSetCoalescableTimer(timer: *mut KTIMER, due: i64, period: u32, _delay: u32, dpc: *mut KDPC) -> bool
        [irql <= DISPATCH_LEVEL] {
        arg!(KeSetCoalescableTimer: timer);
        Ok(timer::set(timer, due, period as i32, optional(dpc, "KeSetCoalescableTimer", "dpc")?))
    }

    /// Ends a timer; whether it was set.
    pub fn KeCancelTimer(timer: *mut KTIMER) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeCancelTimer: timer);
        Ok(timer::cancel(timer))
    }

    /// Whether a timer is signaled.
    pub fn KeReadStateTimer(timer: *mut KTIMER) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeReadStateTimer: timer);
        Ok(timer.Header.SignalState.load(Ordering::Acquire) != 0)
    }

    /// Prepares a DPC.
    pub fn KeInitializeDpc(dpc: *mut KDPC, routine: NativeFn, context: usize) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeDpc: dpc);
        dpc::initialize(dpc, routine, context, false);
        Ok(())
    }

    /// Prepares a threaded DPC.
    pub fn KeInitializeThreadedDpc(dpc: *mut KDPC, routine: NativeFn, context: usize) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeThreadedDpc: dpc);
        dpc::initialize(dpc, routine, context, true);
        Ok(())
    }

    /// Queues a DPC; whether it was not queued yet.
    pub fn KeInsertQueueDpc(dpc: *mut KDPC, first: usize, second: usize) -> bool [irql <= HIGH_LEVEL] {
        arg!(KeInsertQueueDpc: dpc);
        Ok(dpc::insert(dpc, first, second))
    }

    /// Takes a DPC out of the queue; whether it was there.
    pub fn KeRemoveQueueDpc(dpc: *mut KDPC) -> bool [irql <= HIGH_LEVEL] {
        arg!(KeRemoveQueueDpc: dpc);
        Ok(dpc::remove(dpc))
    }

    /// Says where in the queue it goes.
    pub fn KeSetImportanceDpc(dpc: *mut KDPC, importance: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(KeSetImportanceDpc: dpc);
        dpc::set_importance(dpc, importance as u8);
        Ok(())
    }

    /// Says which processor it runs on.
    pub fn KeSetTargetProcessorDpc(dpc: *mut KDPC, number: i8) -> () [irql <= HIGH_LEVEL] {
        arg!(KeSetTargetProcessorDpc: dpc);
        dpc::set_target(dpc, number as u8);
        Ok(())
    }

    /// The same, with a processor number that names its group: group, number, reserved.
    pub fn KeSetTargetProcessorDpcEx(dpc: *mut KDPC, number: *mut u32) -> NtStatus [irql <= HIGH_LEVEL] {
        arg!(KeSetTargetProcessorDpcEx: dpc);
        let number = crate::argument::load(number, "KeSetTargetProcessorDpcEx", "number")?;
        let (group, processor) = (number & 0xFFFF, (number >> 16) as u8);
        if group != 0 || u32::from(processor) >= nt_ke::current_core().config.processors {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        dpc::set_target(dpc, processor);
        Ok(NtStatus::SUCCESS)
    }

    /// Waits until all DPCs that are queued have run.
    pub fn KeFlushQueuedDpcs() -> () [irql <= PASSIVE_LEVEL] {
        dpc::flush()
    }
}
