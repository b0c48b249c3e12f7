//! Names: a path of one volume, taken apart.

use nt_abi::NtStatus;

/// A path below the volume or below a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// From the root, or from the directory of a relative open.
    pub(crate) components: Vec<Vec<u16>>,
    /// Stream of the last component; `None` is the default one.
    pub(crate) stream: Option<Vec<u16>>,
    /// Whether it ended in a backslash: only a directory will do.
    pub(crate) trailing_backslash: bool,
}

const BACKSLASH: u16 = b'\\' as u16;
const COLON: u16 = b':' as u16;

fn legal(unit: u16) -> bool {
    unit >= 32 && !matches!(unit, 0x22 | 0x2A | 0x2F | 0x3C | 0x3E | 0x3F | 0x7C)
}

/// Takes `name` apart. `relative`: it must not begin with a backslash, else it must.
///
/// Errors: OBJECT_NAME_INVALID (wildcards, control characters, empty components, names over 255 units, a
/// stream in the middle, a stream type other than $DATA)
pub(crate) fn parse(name: &[u16], relative: bool) -> Result<Path, NtStatus> {
    let rest = match (name.first(), relative) {
        (Some(&BACKSLASH), false) => &name[1..],
        (Some(&BACKSLASH), true) => return Err(NtStatus::INVALID_PARAMETER),
        (None, _) => name,
        (Some(_), true) => name,
        (Some(_), false) => return Err(NtStatus::OBJECT_NAME_INVALID),
    };
    let mut components: Vec<Vec<u16>> = Vec::new();
    let mut trailing_backslash = false;
    let mut pieces = rest.split(|unit| *unit == BACKSLASH).peekable();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            if pieces.peek().is_some() {
                return Err(NtStatus::OBJECT_NAME_INVALID);
            }
            trailing_backslash = !components.is_empty();
            break;
        }
        components.push(piece.to_vec());
    }
    let mut stream = None;
    let last = components.len().saturating_sub(1);
    for (index, component) in components.iter_mut().enumerate() {
        if let Some(colon) = component.iter().position(|unit| *unit == COLON) {
            if index != last || trailing_backslash {
                return Err(NtStatus::OBJECT_NAME_INVALID);
            }
            let suffix = component.split_off(colon);
            stream = parse_stream(&suffix[1..])?;
        }
        // An empty file name is legal only for a stream of the directory itself (relative opens).
        let empty_ok = relative && index == 0 && stream.is_some();
        if (component.is_empty() && !empty_ok)
            || component.len() > 255
            || !component.iter().all(|u| legal(*u))
        {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
    }
    if components.last().is_some_and(Vec::is_empty) {
        components.pop();
    }
    Ok(Path { components, stream, trailing_backslash })
}

/// `name`, `name:$DATA`, `:$DATA` or `` (after the first colon).
pub(crate) fn parse_stream(suffix: &[u16]) -> Result<Option<Vec<u16>>, NtStatus> {
    let mut parts = suffix.split(|unit| *unit == COLON);
    let stream = parts.next().unwrap_or_default();
    let kind = parts.next();
    if parts.next().is_some() {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    match kind {
        None if stream.is_empty() => return Err(NtStatus::OBJECT_NAME_INVALID),
        Some(kind) if !store::equal_insensitive(kind, &data_type()) => {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        _ => {}
    }
    // Unlike file names, stream names may hold control characters and wildcards; separators they may not.
    if stream.len() > 255 || stream.iter().any(|unit| *unit == 0 || *unit == u16::from(b'/')) {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    Ok((!stream.is_empty()).then(|| stream.to_vec()))
}

fn data_type() -> Vec<u16> {
    "$DATA".encode_utf16().collect()
}

/// `\a\b`, or `\` for no components.
pub(crate) fn join(components: &[Vec<u16>]) -> Vec<u16> {
    if components.is_empty() {
        return vec![BACKSLASH];
    }
    let mut name = Vec::new();
    for component in components {
        name.push(BACKSLASH);
        name.extend_from_slice(component);
    }
    name
}

#[cfg(test)]
mod parse {
    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn splits_components_and_stream() {
        let path = super::parse(&wide("\\a\\b.txt:s:$data"), false).unwrap();
        assert_eq!(path.components, [wide("a"), wide("b.txt")]);
        assert_eq!(path.stream, Some(wide("s")));
        assert!(!path.trailing_backslash);
    }

    #[test]
    fn the_default_stream_may_be_spelled_out() {
        assert_eq!(super::parse(&wide("\\a::$DATA"), false).unwrap().stream, None);
    }

    #[test]
    fn a_trailing_backslash_is_remembered_and_the_root_has_no_components() {
        assert!(super::parse(&wide("\\a\\"), false).unwrap().trailing_backslash);
        assert!(super::parse(&wide("\\"), false).unwrap().components.is_empty());
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["\\a\\\\b", "\\a*", "\\a?b", "\\a:b\\c", "\\a:", "\\a:b:c", "\\:s", "a", "\\a\u{1}"] {
            assert_eq!(super::parse(&wide(bad), false), Err(NtStatus::OBJECT_NAME_INVALID), "{bad}");
        }
        assert_eq!(super::parse(&wide("\\a"), true), Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(
            super::parse(&wide(&format!("\\{}", "n".repeat(256))), false),
            Err(NtStatus::OBJECT_NAME_INVALID)
        );
    }
}
