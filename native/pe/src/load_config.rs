//! The load configuration: stack cookie and control flow guard.

use std::mem::offset_of;

use object::pe;

use crate::PeError;
use crate::header::Directory;
use crate::reader::{u32_at, u64_at};
use crate::view::View;

/// The values that `Image` shows; see there.
#[derive(Default)]
pub(crate) struct LoadConfig {
    pub(crate) security_cookie_rva: Option<u32>,
    pub(crate) guard_cf_check_function_pointer_rva: Option<u32>,
    pub(crate) guard_cf_dispatch_function_pointer_rva: Option<u32>,
    pub(crate) guard_xfg_check_function_pointer_rva: Option<u32>,
    pub(crate) guard_xfg_dispatch_function_pointer_rva: Option<u32>,
    pub(crate) guard_xfg_table_dispatch_function_pointer_rva: Option<u32>,
    pub(crate) guard_flags: u32,
}

// The structure has grown over the years; the extended flow guard fields follow the volatile metadata pointer
// (0x100) and the continuation table with its count (0x108, 0x110).
const GUARD_XFG_CHECK: usize = 0x118;
const GUARD_XFG_DISPATCH: usize = 0x120;
const GUARD_XFG_TABLE_DISPATCH: usize = 0x128;
const KNOWN_BYTES: u32 = 0x130;

pub(crate) fn parse(view: &View<'_>, directory: Directory) -> Result<LoadConfig, PeError> {
    type Row = pe::ImageLoadConfigDirectory64;
    if !directory.is_present() {
        return Ok(LoadConfig::default());
    }
    let start = u64::from(directory.rva);
    let declared = u32_at(&view.bytes(start, 4, "the load configuration")?, 0);
    if declared < 4 {
        return Err(PeError::BadDirectory {
            directory: "load configuration",
            rva: start,
            why: "its size is smaller than its first field",
        });
    }
    // Fields beyond the declared size read as zero, which means "not there".
    let row = view.bytes(start, declared.min(KNOWN_BYTES).into(), "the load configuration")?;
    let variable = |offset: usize, what: &str| {
        if offset + 8 > row.len() {
            return Ok(None);
        }
        let rva = view.rva_of(u64_at(&row, offset), what)?;
        if let Some(rva) = rva {
            view.bytes(rva.into(), 8, what)?;
        }
        Ok(rva)
    };
    Ok(LoadConfig {
        security_cookie_rva: variable(offset_of!(Row, security_cookie), "the security cookie")?,
        guard_cf_check_function_pointer_rva: variable(
            offset_of!(Row, guard_cf_check_function_pointer),
            "the control flow guard check pointer",
        )?,
        guard_cf_dispatch_function_pointer_rva: variable(
            offset_of!(Row, guard_cf_dispatch_function_pointer),
            "the control flow guard dispatch pointer",
        )?,
        guard_xfg_check_function_pointer_rva: variable(
            GUARD_XFG_CHECK,
            "the extended flow guard check pointer",
        )?,
        guard_xfg_dispatch_function_pointer_rva: variable(
            GUARD_XFG_DISPATCH,
            "the extended flow guard dispatch pointer",
        )?,
        guard_xfg_table_dispatch_function_pointer_rva: variable(
            GUARD_XFG_TABLE_DISPATCH,
            "the extended flow guard table dispatch pointer",
        )?,
        guard_flags: u32_at(&row, offset_of!(Row, guard_flags)),
    })
}
