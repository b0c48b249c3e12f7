//! The I/O manager: drivers, devices, volumes, IRPs, file objects, and the services that issue requests.
//!
//! ```text
//! service or driver ─► Request (issue) ─► io_call_driver ─► device stack ─► io_complete_request ─► finish
//! names:  object manager ─► device or file: parse (create) ─► mount (volume) ─► IRP_MJ_CREATE ─► FILE_OBJECT
//! ```
//!
//! `fast` asks drivers to carry a request out without an IRP. One file per thing: [`mod@irp`] and [`mod@stack`] are packets, `completion` is their way, `issue` what the
//! I/O manager does around them; `driver`, `device`, `volume`, `disk`, `file` are objects; `create`,
//! `read_write`, `information`, `control` are services.
//!
//! It refuses: to follow substitute names of mount points and symbolic links, user APCs, completion ports.
//! Each answers NOT_SUPPORTED.
//!
//! UNSAFETY: `pointer` and the modules that keep boxes behind addresses say why.

pub mod build;
mod by_name;
pub mod cancel;
mod codes;
pub mod completion;
pub mod control;
pub mod create;
pub mod device;
pub mod disk;
pub mod driver;
mod ea;
pub mod fast;
pub mod file;
pub mod fs_filter;
pub mod information;
pub mod irp;
pub mod issue;
pub mod mdl;
mod memory;
mod objects;
pub mod paging;
mod pointer;
pub mod read_write;
mod reparse;
pub mod share;
pub mod stack;
mod subsystem;
mod target;
pub mod volume;

pub use build::{
    io_build_device_io_control_request, io_build_fsd_request, io_make_associated_irp, io_send_device_control,
};
pub use by_name::{nt_query_attributes_file, nt_query_full_attributes_file};
pub use cancel::{
    RustCancel, Waiting, io_acquire_cancel_spin_lock, io_cancel_irp, io_get_top_level_irp,
    io_is_operation_synchronous, io_release_cancel_spin_lock, io_set_cancel_routine, io_set_rust_cancel,
    io_set_top_level_irp, io_wait_cancellable, io_waiting,
};
pub use completion::{
    io_call_driver, io_call_driver_and_wait, io_complete_request, io_complete_with, io_send_and_wait,
};
pub use control::{
    ControlBuffers, LockRange, nt_cancel_io_file, nt_cancel_synchronous_io_file, nt_device_io_control_file,
    nt_fs_control_file, nt_lock_file, nt_notify_change_directory_file, nt_query_directory_file,
    nt_query_ea_file, nt_query_security_file, nt_set_ea_file, nt_set_security_file, nt_unlock_file,
};
pub use create::{
    CreateParameters, IO_OPEN_PAGING_FILE, InsteadOfCreate, Opened, io_create_file,
    io_create_file as nt_create_file, io_create_file_object, io_get_device_object_pointer,
};
pub use device::{
    device_driver, device_extension, device_name, device_state, driver_devices, io_attach_device,
    io_create_device, io_delete_device, io_detach_device, io_get_attached_device,
    io_get_base_file_system_device, io_get_device_attachment_base, io_get_lower_device,
    io_get_related_device, set_device_state,
};
pub use driver::{
    Dispatch, FastIo, FilterRoutines, driver_dispatch, driver_name, filter_routines, invalid_device_request,
    io_create_driver, io_create_native_driver, io_delete_driver, native_fast_io, rust_dispatch,
    set_filter_callbacks,
};
pub use ea::io_check_ea_list;
pub use fast::{
    FastQuery, FastTransfer, io_fast_check, io_fast_device_control, io_fast_query, io_fast_query_open,
    io_fast_transfer,
};
pub use file::{
    FILE_SLOTS, file_create_context, file_device, file_ecp_list, file_name, file_slot, file_transaction,
    io_cancel_file_open, io_create_stream_file_object, io_get_transaction_parameter_block,
    io_replace_file_object_name, is_rename_target, reference_file_by_handle, related_file,
};
pub use fs_filter::{FsFilter, NativeCallbacks};
pub use information::{
    io_query_file_information, io_set_file_information, nt_delete_file, nt_query_information_file,
    nt_query_volume_information_file, nt_set_information_file, nt_set_volume_information_file,
};
pub use irp::{io_allocate_irp, io_free_irp, io_initialize_irp, io_reuse_irp, io_size_of_irp, set_io_status};
pub use issue::{Asynchronous, IoResult, IoStatus};
pub use mdl::{io_allocate_mdl, io_free_mdl};
pub use paging::{PageWritten, io_page_read, io_page_write, io_page_write_asynchronously};
pub use read_write::{
    USE_FILE_POINTER_POSITION, WRITE_TO_END_OF_FILE, nt_flush_buffers_file, nt_read_file, nt_write_file,
};
pub use share::{io_check_share_access, io_remove_share_access, io_set_share_access, io_update_share_access};
pub use stack::{
    Completion, RustCompletion, copy_arguments, create_security, io_copy_current_to_next, io_current_stack,
    io_mark_pending, io_next_stack, io_set_completion, io_set_next_location, io_skip_current,
    mount_arguments, stack_file, target_directory,
};
pub(crate) use subsystem::subsystem;
pub use subsystem::{FILE_MAPPING, FreeEcpList, Io, set_ecp_list_free};
pub use target::{TargetDirectory, io_open_target_directory, names_target};
pub use volume::{
    FsNotify, io_dismount_volume, io_get_disk_device, io_mount_volume, io_register_file_system,
    io_register_fs_registration_change, io_unregister_file_system, io_unregister_fs_registration_change,
    io_volume_device_to_dos_name, medium_of, mounted_device, vpb_of,
};

use nt_abi::NtStatus;
use nt_ke::Raise;

/// Closes a handle from the previous mode. Source: NtClose.
pub fn nt_close(handle: usize) -> Result<NtStatus, Raise> {
    nt_ob::ob_close_handle(handle, issue::previous_mode())
}
