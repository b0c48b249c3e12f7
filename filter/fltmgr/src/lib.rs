//! The filter manager: minifilters at altitudes above mounted volumes.
//!
//! ```text
//! FltRegisterFilter ─► filter ─► instances on volumes (attach) ─► callback tables (nodes)
//! file system, mount ─► volume (mount, device) ─► IRP: operation ┐
//!                                             └► fast I/O: fast ─┴► descend (down) ─► completion (up)
//! ```
//!
//! Owns: filters, volumes, instances, callback data. Its public functions carry the names of the `Flt` routines
//! in Rust style; `exports` binds drivers to them. It is a Rust driver for `nt-io` and knows no file system.
//!
//! Refuses, in this version: ports.
//!
//! UNSAFETY: opaque objects, frames and callback tables are reached through addresses that drivers hold or that
//! are published without locks; `anchor`, `frame`, `nodes`, `operation`, `fast`, `pointer` say why they may.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use boundary::Raise;
use nt_abi::{DEVICE_OBJECT, DRIVER_OBJECT, NtStatus};
use nt_ke::core::index;
use nt_ke::{Lock, Rank, Subsystem, subsystem};

pub mod altitude;
pub mod anchor;
pub mod attach;
mod callback;
pub mod callback_data;
pub mod cancel;
mod completion;
pub mod contexts;
pub mod control;
pub mod definitions;
mod descend;
mod device;
pub mod directory;
pub mod ea;
pub mod ecp;
mod fast;
pub mod filter;
mod findings;
mod frame;
mod fs_filter;
pub mod generated;
pub mod instance;
pub mod lookup;
pub mod mount;
pub mod name_parts;
pub mod names;
mod nodes;
mod operation;
mod parameters;
pub mod pend;
mod pointer;
pub mod properties;
pub mod queue;
mod redirect;
pub mod registration;
mod registry;
pub mod reissue;
pub mod request;
pub mod requestor;
pub mod rows;
pub mod safe;
pub mod security;
mod situation;
pub mod statistics;
pub mod status;
pub mod swap;
pub mod tag;
mod text;
pub mod transactions;
pub mod transfer;
pub mod volume;
pub mod work;

pub use anchor::{flt_object_dereference, flt_object_reference, from_address};
pub use attach::{flt_attach_volume, flt_attach_volume_at_altitude, flt_detach_volume, instance_for_driver};
pub use callback_data::{
    flt_clear_callback_data_dirty, flt_decode_parameters, flt_get_irp_name, flt_is_callback_data_dirty,
    flt_set_callback_data_dirty, operation_from,
};
pub use filter::{
    Filter, Unload, flt_register_filter, flt_start_filtering, flt_unload_filter, flt_unregister_filter,
};
pub use frame::Operation;
pub use instance::{Instance, flt_compare_instance_altitudes};
pub use mount::flt_dismount_volume;
pub use pend::{flt_complete_pended_post_operation, flt_complete_pended_pre_operation};
pub use requestor::{flt_get_requestor_process, flt_get_requestor_process_id, flt_is_operation_synchronous};
pub use safe::flt_do_completion_processing_when_safe;
pub use swap::{
    flt_get_new_system_buffer_address, flt_get_swapped_buffer_mdl_address, flt_lock_user_buffer,
    flt_retain_swapped_buffer_mdl_address,
};
pub use volume::Volume;

/// What the manager's lock guards.
#[derive(Default)]
pub(crate) struct Tables {
    filters: Vec<Arc<Filter>>,
    volumes: Vec<Arc<Volume>>,
    /// Our devices above control devices, with what they are attached to.
    controls: Vec<(&'static DEVICE_OBJECT, &'static DEVICE_OBJECT)>,
}

/// The filter manager of one machine.
pub struct Flt {
    pub(crate) tables: Lock<Tables>,
    pub(crate) frames: frame::Frames,
    pub(crate) findings: Lock<findings::Counts>,
    /// Held while contexts are linked and unlinked.
    pub(crate) linking: Lock<()>,
    pub(crate) hosts: contexts::hosts::Hosts,
    /// How many filters make names for those above them.
    pub(crate) providers: AtomicU32,
    /// What is counted or done differently: `statistics::COUNTING` and `HIGH`.
    switches: AtomicU32,
    pub(crate) situations: situation::Situations,
    /// Transactions with contexts or enlisted instances, by the address of their object.
    pub(crate) transactions: Lock<Vec<(usize, Arc<transactions::Host>)>>,
    /// What files that were opened in transactions name. They stay as long as the machine.
    pub(crate) transacted: Lock<Vec<Arc<generated::Opener>>>,
    pub(crate) finished: Lock<Vec<statistics::InstanceStatistics>>,
    driver: OnceLock<&'static DRIVER_OBJECT>,
}

impl Subsystem for Flt {
    const INDEX: usize = index::FLT;
}

impl Default for Flt {
    fn default() -> Self {
        Self::new()
    }
}

impl Flt {
    /// A manager without a driver. Install it into the core after the I/O manager, then call
    /// [`Flt::start`] on an attached thread.
    pub fn new() -> Self {
        Self {
            tables: Lock::new(Rank::FltTables, Tables::default()),
            frames: frame::Frames::default(),
            findings: Lock::new(Rank::Leaf, BTreeMap::new()),
            linking: Lock::new(Rank::FltVolume, ()),
            hosts: contexts::hosts::Hosts::default(),
            providers: AtomicU32::new(0),
            switches: AtomicU32::new(0),
            situations: situation::Situations::new(),
            transactions: Lock::new(Rank::Leaf, Vec::new()),
            transacted: Lock::new(Rank::Leaf, Vec::new()),
            finished: Lock::new(Rank::Leaf, Vec::new()),
            driver: OnceLock::new(),
        }
    }

    /// Makes the driver and begins to watch for file systems, those that are there included.
    pub fn start(&self) -> Result<NtStatus, Raise> {
        let name = text::wide("\\FileSystem\\FltMgr");
        let driver = match nt_io::io_create_driver(&name, Arc::new(device::FilterManager))? {
            Ok(driver) => driver,
            Err(status) => return Ok(status),
        };
        if self.driver.set(driver).is_err() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        contexts::hosts::start();
        nt_io::io_register_fs_registration_change(driver, Arc::new(mount::file_system_changed))
    }

    pub(crate) fn driver(&self) -> Option<&'static DRIVER_OBJECT> {
        self.driver.get().copied()
    }
}

impl Drop for Flt {
    fn drop(&mut self) {
        // The machine goes; no thread is in it. Break the cycles between volumes, instances and tables.
        let tables = std::mem::take(self.tables.get_mut());
        for volume in &tables.volumes {
            let members = std::mem::take(&mut *volume.members.lock());
            volume.table.clear();
            for instance in &members.instances {
                anchor::forget_driver_references(instance);
            }
            anchor::forget_driver_references(volume);
        }
        self.transactions.get_mut().clear();
        for filter in &tables.filters {
            contexts::block::forget(filter);
            anchor::forget_driver_references(filter);
        }
        self.switches.store(0, Ordering::Relaxed);
    }
}

/// The filter manager of the current thread's machine.
#[inline]
pub fn flt() -> &'static Flt {
    subsystem::<Flt>()
}
