//! The address of a function in a native image.
//!
//! Owns: the type only. Calling it is `boundary`'s business.

/// A function pointer that a driver gave, or zero.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct NativeFn(pub usize);

impl NativeFn {
    /// No function.
    pub const NULL: Self = Self(0);

    /// Whether there is no function.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl core::fmt::Debug for NativeFn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NativeFn({:#x})", self.0)
    }
}
