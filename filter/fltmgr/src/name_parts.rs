//! The parts of a file name: volume, share, parent directory, final component, extension, stream.
//!
//! Owns: text only. Statements: NAME-25, NAME-26, NAME-29 to NAME-34.

use std::ops::Range;

use crate::text::{BACKSLASH, COLON, equal_ignoring_case, wide};

/// Where each part stands in the name, in code units; empty ranges for what is absent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Parts {
    /// `\Device\HarddiskVolume1`.
    pub volume: Range<usize>,
    /// `\Server\Share`, on network volumes.
    pub share: Range<usize>,
    /// With leading and trailing backslash.
    pub parent: Range<usize>,
    /// With its stream.
    pub component: Range<usize>,
    /// Without its dot.
    pub extension: Range<usize>,
    /// With its colon.
    pub stream: Range<usize>,
}

/// Splits a name whose volume part is `volume` units long.
pub fn split(name: &[u16], volume: usize, share: usize) -> Parts {
    let root = volume + share;
    let start = name[root..].iter().rposition(|u| *u == BACKSLASH).map_or(root, |i| root + i + 1);
    let end = name.len();
    let stream = name[start..].iter().position(|u| *u == COLON).map_or(end, |i| start + i);
    let dot = name[start..stream].iter().rposition(|u| *u == u16::from(b'.')).map(|i| start + i);
    Parts {
        volume: 0..volume,
        share: volume..root,
        parent: root..start,
        component: start..end,
        extension: dot.map_or(stream..stream, |dot| dot + 1..stream),
        stream: stream..end,
    }
}

/// Splits any name, on its own: what stands before `\Device\X` is not looked for.
///
/// Source:  FltParseFileName; NAME-34
pub fn flt_parse_file_name(name: &[u16]) -> Parts {
    split(name, volume_length(name), 0)
}

/// Units of `\Device\X` at the start of a name, 0 when it does not begin so.
pub fn volume_length(name: &[u16]) -> usize {
    let device = wide("\\Device\\");
    if name.len() <= device.len() || !equal_ignoring_case(&name[..device.len()], &device) {
        return 0;
    }
    name[device.len()..].iter().position(|u| *u == BACKSLASH).map_or(name.len(), |i| device.len() + i)
}

/// The name without a trailing `:$DATA` or `::$DATA`. Source: NAME-25.
pub fn without_data_suffix(name: &[u16]) -> &[u16] {
    let suffix = wide(":$DATA");
    match name.len().checked_sub(suffix.len()) {
        Some(cut) if equal_ignoring_case(&name[cut..], &suffix) => {
            let name = &name[..cut];
            // The default stream has an empty name: `f::$DATA`.
            name.strip_suffix(&[COLON]).unwrap_or(name)
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &[u16], range: &Range<usize>) -> String {
        String::from_utf16_lossy(&name[range.clone()])
    }

    #[test]
    fn a_local_name_splits_as_documented() {
        // spec: NAME-29, NAME-31
        let name =
            wide("\\Device\\HarddiskVolume1\\Docume~1\\MyUser\\My Documents\\TestRe~1.txt:stream1:$DATA");
        let parts = flt_parse_file_name(&name);
        assert_eq!(part(&name, &parts.volume), "\\Device\\HarddiskVolume1");
        assert!(parts.share.is_empty());
        assert_eq!(part(&name, &parts.parent), "\\Docume~1\\MyUser\\My Documents\\");
        assert_eq!(part(&name, &parts.component), "TestRe~1.txt:stream1:$DATA");
        assert_eq!(part(&name, &parts.extension), "txt");
        assert_eq!(part(&name, &parts.stream), ":stream1:$DATA");
    }

    #[test]
    fn a_network_name_keeps_its_share_apart() {
        // spec: NAME-30
        let name = wide("\\Device\\LanManRedirector\\MyServer\\MyShare\\d\\f.txt:s");
        let volume = wide("\\Device\\LanManRedirector").len();
        let parts = split(&name, volume, wide("\\MyServer\\MyShare").len());
        assert_eq!(part(&name, &parts.share), "\\MyServer\\MyShare");
        assert_eq!(part(&name, &parts.parent), "\\d\\");
        assert_eq!(part(&name, &parts.component), "f.txt:s");
        assert_eq!(part(&name, &parts.stream), ":s");
    }

    #[test]
    fn absent_parts_are_empty() {
        // spec: NAME-34
        let name = wide("\\Device\\HarddiskVolume1\\");
        let parts = flt_parse_file_name(&name);
        assert_eq!(part(&name, &parts.parent), "\\");
        assert!(parts.component.is_empty() && parts.extension.is_empty() && parts.stream.is_empty());
        let bare = wide("noext");
        let parts = flt_parse_file_name(&bare);
        assert!(parts.volume.is_empty() && parts.parent.is_empty() && parts.extension.is_empty());
        assert_eq!(part(&bare, &parts.component), "noext");
        let volume = wide("\\Device\\HarddiskVolume1");
        assert_eq!(flt_parse_file_name(&volume).volume, 0..volume.len());
    }

    #[test]
    fn a_dot_in_a_directory_or_a_stream_is_no_extension() {
        // spec: NAME-31
        let name = wide("\\dir.x\\file:a.b");
        let parts = flt_parse_file_name(&name);
        assert!(parts.extension.is_empty());
        assert_eq!(part(&name, &parts.stream), ":a.b");
    }

    #[test]
    fn normalized_names_lose_the_data_suffix() {
        // spec: NAME-25
        let strip = |text: &str| String::from_utf16_lossy(without_data_suffix(&wide(text)));
        assert_eq!(strip("\\f.txt::$DATA"), "\\f.txt");
        assert_eq!(strip("\\f.txt:s:$data"), "\\f.txt:s");
        assert_eq!(strip("\\f.txt:s"), "\\f.txt:s");
        assert_eq!(strip("$DATA"), "$DATA");
    }
}
