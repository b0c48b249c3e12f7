//! Constants in NT spelling, one module per family.
//!
//! Owns: numbers. Codes that a driver may invent stay integers; flags are plain constants.

pub mod bugcheck;
pub mod create_disposition;
pub mod create_information;
pub mod create_options;
pub mod device_type;
pub mod do_flags;
pub mod file_access;
pub mod file_attributes;
pub mod file_flags;
pub mod file_information_class;
pub mod flt_flags;
pub mod fo_flags;
pub mod fs_information_class;
pub mod fsrtl_flags;
pub mod irp_flags;
pub mod irp_mj;
pub mod irp_mn;
pub mod irql;
pub mod mdl_flags;
pub mod object_attributes;
pub mod pool;
pub mod reg_type;
pub mod sl_flags;
pub mod user_shared_data;
pub mod wait;
