//! What drivers import: one thunk per function, one file per NT prefix, one table.
//!
//! A thunk borrows and checks its arguments, calls the subsystem, converts the answer; the behaviour lives in the
//! subsystem's crate. The table says of each row where that is and whether all documented behaviour is there; it is
//! what `altimeter exports` prints and what the loader binds images with.
//!
//! It refuses to export what does not work: `MmGetSystemRoutineAddress` answers NULL for it, and an image that
//! imports it gets a trap that names the function when it is called.
//!
//! UNSAFETY: thunks are entered by native code; `argument` says what makes a driver's pointer a reference.

mod argument;
mod cc;
mod crt_format;
mod crt_more;
mod crt_runtime;
mod crt_string;
pub mod data;
mod dbg;
mod dbg_break;
mod ex;
mod ex_lock;
mod ex_misc;
mod ex_more;
mod ex_resource;
mod ex_spin_lock;
mod flt_async;
mod flt_context;
mod flt_control;
mod flt_data;
mod flt_ecp;
mod flt_filter;
mod flt_io;
mod flt_lock;
mod flt_lookup;
mod flt_names;
mod flt_section;
mod flt_string;
mod flt_transaction;
mod fsrtl;
mod fsrtl_ecp;
mod fsrtl_filter;
mod fsrtl_mcb;
mod fsrtl_more;
mod hal;
mod io;
mod io_device;
mod io_more;
mod ke;
mod ke_apc;
mod ke_irql;
mod ke_more;
mod ke_time;
mod ke_timer;
mod mm;
mod mm_more;
mod mm_section;
mod ob;
mod ob_more;
mod ps;
mod ps_more;
mod rtl;
mod rtl_bitmap;
mod rtl_codepage;
mod rtl_exception;
mod rtl_misc;
mod rtl_net;
mod rtl_registry;
mod rtl_security;
mod rtl_string;
mod rtl_table;
mod se;
mod tm;
mod zw_file;
mod zw_key;
mod zw_object;
mod zw_process;
mod zw_section;

use std::sync::OnceLock;

use boundary::{Export, Raise};
use nt_abi::NtStatus;
use nt_ke::Core;

/// Rows of each file, in the order of the list.
const TABLES: &[&[Export]] = &[
    flt_filter::ROWS,
    flt_context::ROWS,
    flt_control::ROWS,
    flt_async::ROWS,
    flt_data::ROWS,
    flt_ecp::ROWS,
    flt_io::ROWS,
    flt_lock::ROWS,
    flt_lookup::ROWS,
    flt_names::ROWS,
    flt_section::ROWS,
    flt_transaction::ROWS,
    cc::ROWS,
    crt_format::ROWS,
    crt_more::ROWS,
    crt_runtime::ROWS,
    crt_string::ROWS,
    dbg::ROWS,
    dbg_break::ROWS,
    ex::ROWS,
    ex_lock::ROWS,
    ex_misc::ROWS,
    ex_more::ROWS,
    ex_resource::ROWS,
    ex_spin_lock::ROWS,
    fsrtl::ROWS,
    fsrtl_mcb::ROWS,
    fsrtl_ecp::ROWS,
    fsrtl_filter::ROWS,
    fsrtl_more::ROWS,
    hal::ROWS,
    io::ROWS,
    io_device::ROWS,
    io_more::ROWS,
    ke::ROWS,
    ke_apc::ROWS,
    ke_irql::ROWS,
    ke_more::ROWS,
    ke_time::ROWS,
    ke_timer::ROWS,
    mm::ROWS,
    mm_more::ROWS,
    mm_section::ROWS,
    ob::ROWS,
    ob_more::ROWS,
    ps::ROWS,
    ps_more::ROWS,
    rtl::ROWS,
    rtl_bitmap::ROWS,
    rtl_exception::ROWS,
    rtl_codepage::ROWS,
    rtl_misc::ROWS,
    rtl_net::ROWS,
    rtl_registry::ROWS,
    rtl_security::ROWS,
    rtl_string::ROWS,
    se::ROWS,
    rtl_table::ROWS,
    tm::ROWS,
    zw_file::ROWS,
    zw_key::ROWS,
    zw_object::ROWS,
    zw_process::ROWS,
    zw_section::ROWS,
];

/// Every exported function, sorted by image and name.
pub fn table() -> &'static [Export] {
    static SORTED: OnceLock<Vec<Export>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let mut rows: Vec<Export> = TABLES.iter().flat_map(|table| table.iter().copied()).collect();
        rows.sort_by_key(|row| (row.image, row.name));
        rows
    })
}

/// Images whose exports are one set: what moved from hal.dll to the kernel resolves in either.
fn kernel(image: &str) -> bool {
    ["ntoskrnl.exe", "ntkrnlmp.exe", "hal.dll"].iter().any(|known| known.eq_ignore_ascii_case(image))
}

/// The row of an imported function.
pub fn find(image: &str, name: &str) -> Option<&'static Export> {
    let search = |image: &str| {
        let rows = table();
        rows.binary_search_by(|row| (row.image, row.name).cmp(&(image, name))).ok().map(|at| &rows[at])
    };
    if kernel(image) {
        search("ntoskrnl.exe").or_else(|| search("hal.dll"))
    } else {
        search(image.to_ascii_lowercase().as_str())
    }
}

/// Whether an import of `name` from `image` is satisfied: a function of the table, or a variable.
pub fn is_exported(image: &str, name: &str) -> bool {
    find(image, name).is_some() || (kernel(image) && data::DATA.iter().any(|(known, _)| *known == name))
}

/// Prepares a machine: dispatch routines of the I/O manager, variables. On an attached thread, once.
///
/// Errors: INSUFFICIENT_RESOURCES
pub fn initialize(core: &Core) -> Result<Result<(), NtStatus>, Raise> {
    io::initialize(core.get::<nt_io::Io>());
    driver::exception::install(rtl_exception::__C_specific_handler as *const () as usize);
    Ok(data::initialize(core))
}

/// Address of what an image imports, in the current machine.
pub fn resolve(image: &str, name: &str) -> Option<usize> {
    if let Some(row) = find(image, name) {
        return Some((row.address)());
    }
    if kernel(image) { data::find(name) } else { None }
}
