//! Ex: work items, time, previous mode.

use boundary::export;
use nt_abi::WORK_QUEUE_ITEM;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_ex::{time, work};
use nt_ke::current_thread;

use crate::argument::{arg, load, rows, store};

rows! { "ntoskrnl.exe", "nt-ex";
    ExQueueWorkItem done "EXEC-36, EXEC-37";
    ExSystemTimeToLocalTime done "machines live in UTC";
    ExLocalTimeToSystemTime done "machines live in UTC";
    ExGetPreviousMode done "";
}

export! {
    /// Queues an item for a worker thread.
    pub fn ExQueueWorkItem(item: *mut WORK_QUEUE_ITEM, queue: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExQueueWorkItem: item);
        work::queue_item(work::WorkQueue::from_type(queue), item)
    }

    /// Local time of a system time.
    pub fn ExSystemTimeToLocalTime(system: *mut i64, local: *mut i64) -> () [irql <= HIGH_LEVEL] {
        let system = load(system, "ExSystemTimeToLocalTime", "system")?;
        store(local, time::system_to_local(system), "ExSystemTimeToLocalTime", "local")
    }

    /// System time of a local time.
    pub fn ExLocalTimeToSystemTime(local: *mut i64, system: *mut i64) -> () [irql <= HIGH_LEVEL] {
        let local = load(local, "ExLocalTimeToSystemTime", "local")?;
        store(system, time::local_to_system(local), "ExLocalTimeToSystemTime", "system")
    }

    /// Where the current system call came from.
    pub fn ExGetPreviousMode() -> u8 [irql <= APC_LEVEL] {
        Ok(current_thread().previous_mode().get())
    }
}
