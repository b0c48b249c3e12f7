//! Pieces of paths, and which characters names may hold.

const SEPARATOR: u16 = b'\\' as u16;

/// Classes of [`LEGAL_ANSI_CHARACTERS`].
pub mod legal {
    /// In names of FAT.
    pub const FAT: u8 = 0x01;
    /// In names of HPFS.
    pub const HPFS: u8 = 0x02;
    /// In names of NTFS.
    pub const NTFS: u8 = 0x04;
    /// A wildcard.
    pub const WILD: u8 = 0x08;
    /// In names of OLE.
    pub const OLE: u8 = 0x10;
    /// In names of streams of NTFS.
    pub const NTFS_STREAM: u8 = NTFS | OLE;
}

const fn class(character: u8) -> u8 {
    use legal::{FAT, HPFS, NTFS, OLE, WILD};
    match character {
        0 | b'/' | b'\\' => 0,
        1..=0x1F | b'|' => OLE,
        b'"' | b'*' | b'<' | b'>' | b'?' => WILD | OLE,
        b'+' | b',' | b';' | b'=' | b'[' | b']' => HPFS | NTFS | OLE,
        b':' => NTFS,
        _ => FAT | HPFS | NTFS | OLE,
    }
}

/// Which kinds of names may hold each ASCII character. Source: FsRtlLegalAnsiCharacterArray.
pub static LEGAL_ANSI_CHARACTERS: [u8; 128] = {
    let mut table = [0; 128];
    let mut character = 0;
    while character < 128 {
        table[character] = class(character as u8);
        character += 1;
    }
    table
};

/// Splits `path` into its first component and what follows the separator after it.
///
/// Source: FsRtlDissectName. A leading separator is passed over; nothing else is checked.
pub fn dissect_name(path: &[u16]) -> (&[u16], &[u16]) {
    let path = path.strip_prefix(&[SEPARATOR]).unwrap_or(path);
    match path.iter().position(|c| *c == SEPARATOR) {
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (path, &[]),
    }
}

/// Whether a file system with NTFS' rules can hold a component of this name (a stream's colon not included).
///
/// Wildcards count as legal when `wild_allowed`.
pub fn is_component_legal(name: &[u16], wild_allowed: bool) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name.iter().all(|c| match LEGAL_ANSI_CHARACTERS.get(*c as usize) {
            None => true,
            Some(class) if class & legal::WILD != 0 => wild_allowed,
            Some(class) => class & legal::NTFS != 0 && *c != u16::from(b':'),
        })
}

#[cfg(test)]
mod dissecting_a_path {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn takes_off_the_first_component() {
        for (path, first, rest) in [
            (r"\a\b\c", "a", r"b\c"),
            ("a", "a", ""),
            (r"a\", "a", ""),
            (r"\", "", ""),
            ("", "", ""),
            (r"a\\b", "a", r"\b"),
        ] {
            let path = units(path);
            let (got_first, got_rest) = dissect_name(&path);
            assert_eq!((got_first, got_rest), (&units(first)[..], &units(rest)[..]));
        }
    }

    #[test]
    fn components_hold_no_separators_wildcards_or_controls() {
        assert!(is_component_legal(&units("a b+c.txt"), false));
        for bad in ["", "a\\b", "a/b", "a*", "a\u{1}", "a|b", "a:b"] {
            assert!(!is_component_legal(&units(bad), false), "{bad}");
        }
        assert!(is_component_legal(&units("a*"), true));
        assert!(is_component_legal(&[0xE9], false));
    }
}
