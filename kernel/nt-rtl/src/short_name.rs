//! Names of eight and three characters, as FAT keeps them.

use crate::oem::CodePage::Oem;

/// A legal short name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legal {
    /// Its bytes in the OEM code page, upper case.
    pub oem: Vec<u8>,
    /// Whether there are spaces in it.
    pub has_spaces: bool,
}

/// Whether FAT's names may hold a byte.
fn fits(byte: u8) -> bool {
    byte > b' ' && !b"\"*+,/:;<=>?[\\]|".contains(&byte) || byte == b' '
}

/// The OEM form of a name of at most eight characters, or eight, a dot and three; `None` when it is none.
///
/// Source: RtlIsNameLegalDOS8Dot3. `.` and `..` are legal; spaces are, but not before the dot or at the end.
pub fn legal(name: &[u16]) -> Option<Legal> {
    let (oem, all) = Oem.to_bytes(name, true);
    if !all || oem.is_empty() || oem.len() > 12 {
        return None;
    }
    if oem == b"." || oem == b".." {
        return Some(Legal { oem, has_spaces: false });
    }
    let mut parts = oem.split(|byte| *byte == b'.');
    let (base, extension) = (parts.next()?, parts.next());
    let lengths = (1..=8).contains(&base.len()) && extension.is_none_or(|e| (1..=3).contains(&e.len()));
    let endings = !base.ends_with(b" ") && extension.is_none_or(|e| !e.ends_with(b" "));
    let whole = oem.iter().all(|byte| *byte == b'.' || fits(*byte));
    if parts.next().is_some() || !lengths || !endings || !whole {
        return None;
    }
    let has_spaces = oem.contains(&b' ');
    Some(Legal { oem, has_spaces })
}

#[cfg(test)]
mod a_short_name {
    use super::*;

    fn of(name: &str) -> Option<Vec<u8>> {
        legal(&name.encode_utf16().collect::<Vec<_>>()).map(|found| found.oem)
    }

    #[test]
    fn has_eight_and_three_characters_in_upper_case() {
        assert_eq!(of("readme.txt").as_deref(), Some(&b"README.TXT"[..]));
        assert_eq!(of("a b.c").as_deref(), Some(&b"A B.C"[..]));
        assert_eq!(of("é").as_deref(), Some(&[0x90][..]));
        assert_eq!(of("..").as_deref(), Some(&b".."[..]));
        for bad in ["", "toolongname", "a.text", "a.b.c", ".txt", "a.", "a+b", "a .txt", "a.b ", "a*", "…"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert!(legal(&"a b".encode_utf16().collect::<Vec<_>>()).unwrap().has_spaces);
    }
}
