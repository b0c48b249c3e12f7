//! Where mount points and symbolic links lead: the name with which an open that met one begins again.
//!
//! ```text
//! \dir\link\a\b, link is relative "..\other"   ─► \Device\HarddiskVolume1\other\a\b
//! \dir\link\a\b, link is "\??\D:\target"      ─► \??\D:\target\a\b
//! ```
//!
//! Statements: TAG-01, TAG-02, TAG-03.

use boundary::{Raise, copy};
use nt_abi::{DEVICE_OBJECT, FILE_OBJECT, IO_REPARSE_TAG_SYMLINK, NtStatus};

const SYMLINK_FLAG_RELATIVE: u32 = 1;
const HEADER: usize = 8;
const BACKSLASH: u16 = b'\\' as u16;

/// What is left of the data after checking.
struct Link {
    name: Vec<u16>,
    relative: bool,
    /// Units of the opened name that lie behind the link.
    unparsed: usize,
}

fn read(data: usize) -> Option<Link> {
    let mut header = [0; HEADER];
    copy::read(data, &mut header).ok()?;
    let tag = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let half = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let (length, unparsed) = (half(4), half(6));
    let mut body = vec![0; length];
    copy::read(data + HEADER, &mut body).ok()?;
    let fixed = if tag == IO_REPARSE_TAG_SYMLINK { 12 } else { 8 };
    let field = |at: usize| Some(usize::from(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?])));
    let (offset, bytes) = (field(0)?, field(2)?);
    let text = body.get(fixed + offset..fixed + offset + bytes)?;
    let name = text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let relative = tag == IO_REPARSE_TAG_SYMLINK && u32::from(*body.get(8)?) & SYMLINK_FLAG_RELATIVE != 0;
    Some(Link { name, relative, unparsed: unparsed / 2 })
}

/// Takes `.` and `..` out of an absolute path.
fn simplified(path: &[u16]) -> Vec<u16> {
    let mut kept: Vec<&[u16]> = Vec::new();
    for component in path.split(|unit| *unit == BACKSLASH).filter(|component| !component.is_empty()) {
        match component {
            [46] => {}
            [46, 46] => _ = kept.pop(),
            other => kept.push(other),
        }
    }
    let mut whole = Vec::new();
    for component in kept {
        whole.push(BACKSLASH);
        whole.extend(component);
    }
    if whole.is_empty() || (path.last() == Some(&BACKSLASH) && whole.last() != Some(&BACKSLASH)) {
        whole.push(BACKSLASH);
    }
    whole
}

/// The path on its volume of the file that the open is relative to, with a backslash behind it.
fn base(file: &FILE_OBJECT) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let Some(related) = crate::pointer::at::<FILE_OBJECT>(file.RelatedFileObject.get()) else {
        return Ok(Ok(Vec::new()));
    };
    Ok(crate::information::opened_path(related)?.map(|mut path| {
        if path.last() != Some(&BACKSLASH) {
            path.push(BACKSLASH);
        }
        path
    }))
}

/// The name that an open of `name` goes on with, which met a link with the reparse data at `data`.
///
/// Errors: IO_REPARSE_DATA_INVALID · REPARSE_POINT_NOT_RESOLVED
pub(crate) fn target(
    file: &'static FILE_OBJECT,
    device: &'static DEVICE_OBJECT,
    name: &[u16],
    data: usize,
) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let Some(link) = read(data).filter(|link| link.unparsed <= name.len()) else {
        return Ok(Err(NtStatus::IO_REPARSE_DATA_INVALID));
    };
    let (upto, behind) = name.split_at(name.len() - link.unparsed);
    let mut whole = if link.relative {
        let mut path = match base(file)? {
            Ok(base) => base,
            Err(_) => return Ok(Err(NtStatus::REPARSE_POINT_NOT_RESOLVED)),
        };
        path.extend(upto);
        while path.last() == Some(&BACKSLASH) {
            path.pop();
        }
        let directory = path.iter().rposition(|unit| *unit == BACKSLASH).map_or(0, |at| at + 1);
        if link.name.first() == Some(&BACKSLASH) {
            path.clear();
        } else {
            path.truncate(directory);
        }
        path.extend(&link.name);
        path.extend(behind);
        let mut whole = crate::device::device_name(device).unwrap_or_default();
        whole.extend(simplified(&path));
        return Ok(Ok(whole));
    } else {
        link.name
    };
    if whole.last() == Some(&BACKSLASH) && behind.first() == Some(&BACKSLASH) {
        whole.pop();
    }
    whole.extend(behind);
    Ok(Ok(whole))
}

#[cfg(test)]
mod tests {
    use super::simplified;

    #[test]
    fn dots_are_taken_out_of_paths() {
        let of = |text: &str| {
            let units: Vec<u16> = text.encode_utf16().collect();
            String::from_utf16(&simplified(&units)).expect("text")
        };
        assert_eq!(of(r"\a\b\..\c"), r"\a\c");
        assert_eq!(of(r"\a\.\b\..\..\.."), r"\");
        assert_eq!(of(r"\a\b\"), r"\a\b\");
        assert_eq!(of(r"\..\a"), r"\a");
    }
}
