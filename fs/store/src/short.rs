//! The 8.3 name that a file may have beside its own: how it is kept, not how it is made.
//!
//! A store keeps what it is given and sees to it that no two names of a directory are the same; which name a file gets
//! is the file system driver's business.

use crate::error::StoreError;
use crate::names::shown;

/// Longest short name in UTF-16 units: eight, a dot, three.
pub const MAX_SHORT_UTF16: usize = 12;

/// A short name; empty for a file that has none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShortName {
    length: u8,
    units: [u16; MAX_SHORT_UTF16],
}

impl ShortName {
    /// No short name.
    pub const NONE: Self = Self { length: 0, units: [0; MAX_SHORT_UTF16] };

    /// `None` where `name` has more than [`MAX_SHORT_UTF16`] units.
    pub fn new(name: &[u16]) -> Option<Self> {
        let mut units = [0; MAX_SHORT_UTF16];
        units.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { length: name.len() as u8, units })
    }

    /// The name itself.
    pub fn units(&self) -> &[u16] {
        &self.units[..usize::from(self.length)]
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.length == 0
    }

    /// The error of a second file that wants this name.
    pub(crate) fn taken(&self) -> StoreError {
        StoreError::AlreadyExists(format!("{} (as a short name)", shown(self.units())))
    }
}
