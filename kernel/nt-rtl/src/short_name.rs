//! Names of eight and three characters, as FAT keeps them: what they are, and which one a longer name gets.

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

/// Longest base of a generated name before its number, and of one with a checksum.
const BASE: usize = 6;
const BASE_BEFORE_CHECKSUM: usize = 2;
/// Numbers that are tried before the checksum comes in.
const PLAIN_NUMBERS: u32 = 4;

/// The `attempt`th short name, from 1, of a name that is no short name itself; `None` after the last.
///
/// The base's first six characters, `~` and a number up to 4; then the first two, four digits of a checksum, `~` and a
/// number; with the first three characters behind the last dot. Spaces, further dots and what is not ASCII go, other
/// characters that FAT does not take become `_`, letters are in upper case. A base of one or two characters gets
/// the checksum at once.
///
/// The checksum is this library's own: Windows documents none, and its names differ from the fifth of a kind on.
pub fn generated(long: &[u16], attempt: u32) -> Option<Vec<u16>> {
    let dot = u16::from(b'.');
    let last = long.iter().rposition(|unit| *unit != dot).map_or(0, |last| last + 1);
    let first = long.iter().position(|unit| *unit != dot).unwrap_or(0);
    let name = &long[first.min(last)..last];
    let (base, extension) = match name.iter().rposition(|unit| *unit == dot) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, &name[name.len()..]),
    };
    let (mut base, mut extension) = (characters(base), characters(extension));
    extension.truncate(3);
    let plain = if base.len() > BASE_BEFORE_CHECKSUM { PLAIN_NUMBERS } else { 0 };
    let number = if attempt > plain {
        base.truncate(BASE_BEFORE_CHECKSUM);
        base.extend(format!("{:04X}", checksum(long)).bytes());
        attempt - plain
    } else {
        attempt
    };
    let number = format!("~{number}");
    if attempt == 0 || number.len() > 7 {
        return None;
    }
    base.truncate(BASE.min(8 - number.len()));
    base.extend(number.bytes());
    if !extension.is_empty() {
        base.push(b'.');
        base.extend(extension);
    }
    Some(base.into_iter().map(u16::from).collect())
}

/// What a generated name keeps of a part of a name.
fn characters(part: &[u16]) -> Vec<u8> {
    let ascii = part.iter().filter_map(|unit| u8::try_from(*unit).ok().filter(u8::is_ascii));
    let kept = ascii.filter(|byte| !matches!(byte, b' ' | b'.'));
    kept.map(|byte| if fits(byte) { byte.to_ascii_uppercase() } else { b'_' }).collect()
}

fn checksum(name: &[u16]) -> u16 {
    let mixed =
        name.iter().fold(0x811C_9DC5u32, |sum, unit| (sum ^ u32::from(*unit)).wrapping_mul(0x0100_0193));
    (mixed >> 16) as u16 ^ mixed as u16
}

#[cfg(test)]
mod a_generated_name {
    use super::*;

    fn of(name: &str, attempt: u32) -> Option<String> {
        let found = generated(&name.encode_utf16().collect::<Vec<_>>(), attempt)?;
        Some(String::from_utf16_lossy(&found))
    }

    #[test]
    fn begins_with_six_characters_and_a_number_and_keeps_three_of_the_extension() {
        for (long, short) in [
            ("A long name.txt", "ALONGN~1.TXT"),
            ("Documents and Settings", "DOCUME~1"),
            ("page.html", "PAGE~1.HTM"),
            ("python-2.7.13.msi", "PYTHON~1.MSI"),
            ("a+b=c;.tar.gz", "A_B_C_~1.GZ"),
            (".gitignore", "GITIGN~1"),
            ("trailing.dots...", "TRAILI~1.DOT"),
        ] {
            assert_eq!(of(long, 1).as_deref(), Some(short), "{long}");
            assert!(legal(&short.encode_utf16().collect::<Vec<_>>()).is_some());
        }
        assert_eq!(of("A long name.txt", 4).as_deref(), Some("ALONGN~4.TXT"));
    }

    #[test]
    fn has_a_checksum_from_the_fifth_on_and_where_little_else_is_left() {
        let fifth = of("A long name.txt", 5).unwrap();
        assert!(fifth.starts_with("AL") && fifth.ends_with("~1.TXT") && fifth.len() == 12, "{fifth}");
        assert_ne!(Some(fifth), of("A long nome.txt", 5));
        let little = of("äöü.textfile", 1).unwrap();
        assert!(little.ends_with("~1.TEX") && little.len() == 10, "{little}");
    }

    #[test]
    fn is_legal_and_another_one_with_each_attempt() {
        for long in ["", "...", " ", "a", "ab.c.d", "long name.with.many dots", "ü", "x+y", "\u{1F600}.emoji"]
        {
            let all: Vec<_> = (1..1200).map_while(|attempt| of(long, attempt)).collect();
            assert_eq!(all.len(), 1199);
            for name in &all {
                assert!(legal(&name.encode_utf16().collect::<Vec<_>>()).is_some(), "{long:?}: {name}");
            }
            let different: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{long}");
        }
        assert_eq!(of("a long name", 0), None);
        assert_eq!(of("a long name", u32::MAX), None);
    }
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
