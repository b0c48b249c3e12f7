//! References to structures that live in a machine's memory.
//!
//! Structures of the I/O system point at each other through fields that drivers can reach, too. Their owners
//! keep them alive by reference counts, not by Rust's borrows.
//!
//! UNSAFETY: turns such pointers into references. The pointer is null, or the field's rule says that the
//! structure outlives the use; a driver that breaks the rule breaks it on Windows as well.

/// What `pointer` points at, if it is not null.
#[inline]
pub(crate) fn at<T>(pointer: *mut T) -> Option<&'static T> {
    // SAFETY: see the module: null, or alive by the rule of the field that held it.
    unsafe { pointer.as_ref() }
}

/// The same for an address.
#[inline]
pub(crate) fn at_address<T>(address: usize) -> Option<&'static T> {
    at(address as *mut T)
}

/// The pointer that a field holds.
#[inline]
pub(crate) fn pointer<T>(value: &T) -> *mut T {
    std::ptr::from_ref(value).cast_mut()
}

/// The address of a structure.
#[inline]
pub(crate) fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value) as usize
}

/// The same structure for as long as its owner keeps it: until its reference count says otherwise.
#[inline]
pub(crate) fn lasting<T>(value: &T) -> &'static T {
    // SAFETY: see the module.
    unsafe { &*std::ptr::from_ref(value) }
}
