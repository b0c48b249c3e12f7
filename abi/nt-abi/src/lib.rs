//! The NT vocabulary of x64 in NT spelling: structures, status codes, constants.
//!
//! Owns: layouts (asserted here and against `layout.csv` in the tests), numbers, names.
//! Refuses: logic, `&mut` to anything a driver can reach, Rust unions and enums for codes that a driver may invent.
//!
//! Fields are `Cell`s, or atomics where threads meet; a union is raw storage with a view method per arm. Everything
//! is re-exported at the root; constants can also be named through their module (`irp_mj::IRP_MJ_CREATE`).
//!
//! UNSAFETY: `declare` explains the only unsafe code, which its macros repeat in the other modules.
#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]

pub mod constants;
mod declare;
mod device;
mod directory_information;
mod dispatcher;

mod fast_io;
mod file_information;
mod file_object;
mod flt;
mod flt_parameters;
mod flt_parameters_pnp;
mod fsrtl;
mod io_stack_location;
mod irp;
mod lookaside;
mod mdl;
mod native;
mod object;
mod process;
mod registry;
mod reparse;
mod rtl;
mod security;
mod status;
mod status_codes;
mod structured_exception;
mod sync;
mod volume_information;

pub use constants::create_disposition::*;
pub use constants::create_information::*;
pub use constants::create_options::*;
pub use constants::device_type::*;
pub use constants::do_flags::*;
pub use constants::file_access::*;
pub use constants::file_attributes::*;
pub use constants::file_flags::*;
pub use constants::file_information_class::*;
pub use constants::flt_flags::*;
pub use constants::fo_flags::*;
pub use constants::fs_information_class::*;
pub use constants::fsrtl_flags::*;
pub use constants::irp_flags::*;
pub use constants::irp_mj::{
    IRP_MJ_ACQUIRE_FOR_CC_FLUSH, IRP_MJ_ACQUIRE_FOR_MOD_WRITE, IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_CREATE_MAILSLOT, IRP_MJ_CREATE_NAMED_PIPE,
    IRP_MJ_DEVICE_CHANGE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE,
    IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_LOCK_CONTROL,
    IRP_MJ_MAXIMUM_FUNCTION, IRP_MJ_MDL_READ, IRP_MJ_MDL_READ_COMPLETE, IRP_MJ_MDL_WRITE_COMPLETE,
    IRP_MJ_NETWORK_QUERY_OPEN, IRP_MJ_OPERATION_END, IRP_MJ_PNP, IRP_MJ_PNP_POWER, IRP_MJ_POWER,
    IRP_MJ_PREPARE_MDL_WRITE, IRP_MJ_QUERY_EA, IRP_MJ_QUERY_INFORMATION, IRP_MJ_QUERY_OPEN,
    IRP_MJ_QUERY_QUOTA, IRP_MJ_QUERY_SECURITY, IRP_MJ_QUERY_VOLUME_INFORMATION, IRP_MJ_READ,
    IRP_MJ_RELEASE_FOR_CC_FLUSH, IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_SCSI, IRP_MJ_SET_EA, IRP_MJ_SET_INFORMATION, IRP_MJ_SET_QUOTA, IRP_MJ_SET_SECURITY,
    IRP_MJ_SET_VOLUME_INFORMATION, IRP_MJ_SHUTDOWN, IRP_MJ_SYSTEM_CONTROL, IRP_MJ_VOLUME_DISMOUNT,
    IRP_MJ_VOLUME_MOUNT, IRP_MJ_WRITE,
};
pub use constants::irp_mn::*;
pub use constants::irql::*;
pub use constants::mdl_flags::*;
pub use constants::object_attributes::*;
pub use constants::pool::*;
pub use constants::reg_type::*;
pub use constants::sl_flags::*;
pub use constants::user_shared_data::*;
pub use constants::wait::*;
pub use constants::{
    bugcheck, create_disposition, create_information, create_options, device_type, do_flags, file_access,
    file_attributes, file_flags, file_information_class, flt_flags, fo_flags, fs_information_class,
    fsrtl_flags, irp_flags, irp_mj, irp_mn, irql, mdl_flags, object_attributes, pool, reg_type, sl_flags,
    user_shared_data, wait,
};
pub use declare::{Abi, Plain};
pub use device::*;
pub use directory_information::*;
pub use dispatcher::*;
pub use fast_io::*;
pub use file_information::*;
pub use file_object::*;
pub use flt::*;
pub use flt_parameters::*;
pub use flt_parameters_pnp::*;
pub use fsrtl::*;
pub use io_stack_location::*;
pub use irp::*;
pub use lookaside::*;
pub use mdl::*;
pub use native::*;
pub use object::*;
pub use process::*;
pub use registry::*;
pub use reparse::*;
pub use rtl::*;
pub use security::*;
pub use status::*;
pub use structured_exception::*;
pub use sync::*;
pub use volume_information::*;

/// `ANSI_STRING` has the layout of `STRING`.
pub type ANSI_STRING = STRING;
/// `OEM_STRING` has the layout of `STRING`.
pub type OEM_STRING = STRING;
/// A 64-bit integer; its halves are little-endian.
pub type LARGE_INTEGER = i64;
