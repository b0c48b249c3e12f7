//! Addresses that stand in NT structures, as references.
//!
//! UNSAFETY: each function says whose promise it relies on.

use nt_abi::{
    DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK,
    FSRTL_ADVANCED_FCB_HEADER, VPB,
};

/// A device that some structure names.
#[inline]
pub fn device(pointer: *mut DEVICE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    // SAFETY: device objects lie in the machine's pool and stay while something that refers to them is in use.
    unsafe { pointer.as_ref() }
}

/// A driver that some device names.
pub fn driver(pointer: *mut DRIVER_OBJECT) -> Option<&'static DRIVER_OBJECT> {
    // SAFETY: as for devices.
    unsafe { pointer.as_ref() }
}

/// A file object that an operation names.
#[inline]
pub fn file(pointer: *mut FILE_OBJECT) -> Option<&'static FILE_OBJECT> {
    // SAFETY: an operation keeps its file object; drivers that redirect to another must do the same.
    unsafe { pointer.as_ref() }
}

/// The stream header that a file system gave an open file.
#[inline]
pub fn header(file: &FILE_OBJECT) -> Option<&'static FSRTL_ADVANCED_FCB_HEADER> {
    // SAFETY: a file system keeps the block until the last CLOSE. One that is no advanced header has at least the first
    // words of one, whose flags say so.
    unsafe { file.FsContext.get().cast::<FSRTL_ADVANCED_FCB_HEADER>().as_ref() }
}

/// A volume parameter block that a device or a file object names.
pub fn vpb(pointer: *mut VPB) -> Option<&'static VPB> {
    // SAFETY: a VPB lives as long as its disk.
    unsafe { pointer.as_ref() }
}

/// The parameters of callback data. The pointer was checked by the one who made the data valid.
#[inline]
pub fn iopb(data: &FLT_CALLBACK_DATA) -> &FLT_IO_PARAMETER_BLOCK {
    // SAFETY: callback data that the manager made always names the block in the same frame; see `frame`.
    unsafe { &*data.Iopb.get() }
}
