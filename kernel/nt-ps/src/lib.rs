//! Processes and threads as objects.
//!
//! ```text
//! Ps::boot: Process and Thread types, the System process (4); threads that exist become its own
//! thread: created (adopted as an object, process referenced) ─► runs ─► ended ─► last reference: chunk goes back
//! process: ps_create_process ─► notify routines ─► … ─► ps_exit_process: handles closed, notify routines, signaled
//! ```
//!
//! Process IDs are multiples of 4 from 0x2000 up, thread IDs multiples of 4 below that; System is process 4.
//! A process has a token, a handle table and an image name. It has no address space of its own: user addresses are
//! the machine's. It refuses jobs, sessions and user-mode execution.
//!
//! UNSAFETY: process objects are machine memory; modules that touch it say why.

mod attach;
mod information;
mod notify;
mod process;
mod subsystem;
mod system_thread;
mod thread;

pub use attach::{
    Client, ps_attach_process, ps_client, ps_detach_process, ps_impersonate, ps_previous_mode,
    system_service, with_previous_mode,
};
pub use information::{Module, ps_process_information, ps_system_information, ps_thread_information};
pub use notify::{
    ProcessRoutine, ps_call_image_routines, ps_set_image_routine, ps_set_process_routine,
    ps_set_thread_routine,
};
pub use process::{
    EPROCESS, ProcessParameters, ps_create_process, ps_current_process, ps_current_process_id,
    ps_exit_process, ps_lookup_process, ps_process, ps_process_ids, ps_process_image_file_name,
    ps_process_image_path, ps_system_process,
};
pub use subsystem::Ps;
pub use system_thread::{ps_create_system_thread, ps_spawn_system_thread, ps_terminate_system_thread};
pub use thread::{
    ps_current_thread_id, ps_is_system_thread, ps_lookup_thread, ps_thread_id, ps_thread_process,
    ps_thread_process_id, ps_thread_started, ps_thread_type,
};
