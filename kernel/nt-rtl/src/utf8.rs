//! UTF-8 and UTF-16, as `RtlUnicodeToUTF8N` and `RtlUTF8ToUnicodeN` convert.

/// What a conversion made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted<T> {
    /// Whole characters, as many as there is room for.
    pub text: Vec<T>,
    /// How long the whole of it would be.
    pub needed: usize,
    /// Whether no character had to be replaced by U+FFFD.
    pub all_mapped: bool,
}

fn fill<T: Copy>(pieces: impl Iterator<Item = (Vec<T>, bool)>, room: usize) -> Converted<T> {
    let mut made = Converted { text: Vec::new(), needed: 0, all_mapped: true };
    for (piece, mapped) in pieces {
        made.all_mapped &= mapped;
        // What does not fit ends the text: a shorter character behind it must not be taken in its place.
        if made.text.len() == made.needed && made.needed + piece.len() <= room {
            made.text.extend(&piece);
        }
        made.needed += piece.len();
    }
    made
}

/// The UTF-8 of units, at most `room` bytes; a lone surrogate becomes U+FFFD.
pub fn from_units(units: &[u16], room: usize) -> Converted<u8> {
    let pieces = char::decode_utf16(units.iter().copied()).map(|c| {
        let character = c.as_ref().copied().unwrap_or(char::REPLACEMENT_CHARACTER);
        (character.to_string().into_bytes(), c.is_ok())
    });
    fill(pieces, room)
}

/// The units of UTF-8, at most `room` of them; an ill-formed sequence becomes U+FFFD.
pub fn to_units(bytes: &[u8], room: usize) -> Converted<u16> {
    let pieces = bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| (c.encode_utf16(&mut [0; 2]).to_vec(), true));
        let invalid = (!chunk.invalid().is_empty()).then(|| (vec![0xFFFD], false));
        valid.chain(invalid).collect::<Vec<_>>()
    });
    fill(pieces, room)
}
