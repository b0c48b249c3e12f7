//! `PAGE_*` protections, as sections and views are given them.

use boundary::slot::Protection;

/// `PAGE_READONLY`.
pub const PAGE_READONLY: u32 = 0x02;
/// `PAGE_READWRITE`.
pub const PAGE_READWRITE: u32 = 0x04;
/// `PAGE_WRITECOPY`.
pub const PAGE_WRITECOPY: u32 = 0x08;
/// `PAGE_EXECUTE`.
pub const PAGE_EXECUTE: u32 = 0x10;
/// `PAGE_EXECUTE_READ`.
pub const PAGE_EXECUTE_READ: u32 = 0x20;
/// `PAGE_EXECUTE_READWRITE`.
pub const PAGE_EXECUTE_READWRITE: u32 = 0x40;
/// `PAGE_EXECUTE_WRITECOPY`.
pub const PAGE_EXECUTE_WRITECOPY: u32 = 0x80;
/// `PAGE_NOCACHE` and `PAGE_WRITECOMBINE`: say nothing here.
const MODIFIERS: u32 = 0x200 | 0x400;

/// What a protection lets its user do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Stores reach the section.
    pub write: bool,
    /// Stores reach a copy.
    pub copy: bool,
    /// Instructions may be fetched.
    pub execute: bool,
}

impl Rights {
    /// The rights of a `PAGE_*` value; `None`: it is none that a section or view can have.
    pub fn of(protection: u32) -> Option<Self> {
        let (write, copy, execute) = match protection & !MODIFIERS {
            PAGE_READONLY => (false, false, false),
            PAGE_READWRITE => (true, false, false),
            PAGE_WRITECOPY => (false, true, false),
            PAGE_EXECUTE | PAGE_EXECUTE_READ => (false, false, true),
            PAGE_EXECUTE_READWRITE => (true, false, true),
            PAGE_EXECUTE_WRITECOPY => (false, true, true),
            _ => return None,
        };
        Some(Self { write, copy, execute })
    }

    /// Whether a view with these rights may be made of a section with `section`'s.
    pub fn fits(self, section: Self) -> bool {
        (!self.write || section.write) && (!self.execute || section.execute)
    }

    /// What the host is told of a view's pages.
    pub fn host(self) -> Protection {
        match (self.write || self.copy, self.execute) {
            (false, false) => Protection::Read,
            (true, false) => Protection::ReadWrite,
            (false, true) => Protection::ReadExecute,
            (true, true) => Protection::ReadWriteExecute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_needs_what_its_section_has() {
        let rights = |protection| Rights::of(protection).expect("a protection");
        assert!(rights(PAGE_READONLY).fits(rights(PAGE_READWRITE)));
        assert!(rights(PAGE_WRITECOPY).fits(rights(PAGE_READONLY)), "a copy takes nothing from the section");
        assert!(!rights(PAGE_READWRITE).fits(rights(PAGE_READONLY)));
        assert!(!rights(PAGE_EXECUTE_READ).fits(rights(PAGE_READWRITE)));
        assert_eq!(Rights::of(0x04 | 0x200), Rights::of(0x04));
        assert_eq!(Rights::of(0x01), None, "PAGE_NOACCESS");
        assert_eq!(Rights::of(0x06), None, "two at once");
    }
}
