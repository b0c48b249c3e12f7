//! `NTSTATUS`: one open number for success, information, warning and error.
//!
//! Owns: the type and its severity. The names are in `status_codes`.

/// An `NTSTATUS`. Any bit pattern may come from a driver.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NtStatus(pub i32);

impl NtStatus {
    /// The status with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits as i32)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// `NT_SUCCESS`: success or information.
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// `NT_INFORMATION`.
    pub const fn is_information(self) -> bool {
        self.severity() == 1
    }

    /// `NT_WARNING`.
    pub const fn is_warning(self) -> bool {
        self.severity() == 2
    }

    /// `NT_ERROR`.
    pub const fn is_error(self) -> bool {
        self.severity() == 3
    }

    /// 0 success, 1 information, 2 warning, 3 error.
    pub const fn severity(self) -> u32 {
        self.bits() >> 30
    }
}

impl core::fmt::Display for NtStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.bits()),
            None => write!(f, "0x{:08X}", self.bits()),
        }
    }
}

impl core::fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for NtStatus {}
