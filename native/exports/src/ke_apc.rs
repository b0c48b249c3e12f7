//! Ke: asynchronous procedure calls and alerts. Exported, not documented; drivers import them all the same.

use boundary::export;
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{KAPC, NativeFn};
use nt_ke::apc::{self, Routines};
use nt_ke::{KTHREAD, dispatcher};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ke";
    KeInitializeApc done "EXEC-01";
    KeInsertQueueApc partial "EXEC-02, EXEC-42; the normal routine of a user APC is code in user mode and is not run";
    KeRemoveQueueApc done "";
    KeAlertThread done "EXEC-13";
    KeTestAlertThread done "EXEC-13";
}

export! {
    /// Prepares an APC; without a normal routine it is a special one.
    pub fn KeInitializeApc(apc: *mut KAPC, thread: *mut KTHREAD, environment: u32, kernel: NativeFn, rundown: NativeFn,
        normal: NativeFn, mode: i8, context: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeInitializeApc: apc, thread);
        apc::initialize(apc, thread, environment as i8, &Routines { kernel, rundown, normal }, mode != 0, context);
        Ok(())
    }

    /// Queues an APC; whether it was not queued yet and its thread lives.
    pub fn KeInsertQueueApc(apc: *mut KAPC, first: usize, second: usize, _increment: i32) -> bool
        [irql <= DISPATCH_LEVEL] {
        arg!(KeInsertQueueApc: apc);
        let queued = apc::insert(apc, first, second);
        // One for the own thread has run when the call comes back, where nothing holds it off.
        apc::deliver()?;
        Ok(queued)
    }

    /// Takes an APC out of its queue; whether it was there.
    pub fn KeRemoveQueueApc(apc: *mut KAPC) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeRemoveQueueApc: apc);
        Ok(apc::remove(apc))
    }

    /// Alerts a thread; whether it was alerted before.
    pub fn KeAlertThread(thread: *mut KTHREAD, mode: i8) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(KeAlertThread: thread);
        Ok(dispatcher::alert(thread, mode != 0))
    }

    /// Takes the current thread's alert back; whether there was one.
    pub fn KeTestAlertThread(mode: i8) -> bool [irql <= DISPATCH_LEVEL] {
        Ok(dispatcher::test_alert(mode != 0))
    }
}
