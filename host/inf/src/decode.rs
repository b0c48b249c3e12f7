//! From bytes to text: UTF-16 and UTF-8 with a byte order mark, else UTF-8, else Windows-1252.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::InfErrorKind;

pub(crate) fn decode(bytes: &[u8]) -> Result<String, InfErrorKind> {
    for (mark, encoding) in
        [(&b"\xFF\xFE"[..], UTF_16LE), (&b"\xFE\xFF"[..], UTF_16BE), (&b"\xEF\xBB\xBF"[..], UTF_8)]
    {
        if let Some(rest) = bytes.strip_prefix(mark) {
            return match encoding.decode_without_bom_handling_and_without_replacement(rest) {
                Some(text) => Ok(text.into_owned()),
                None if encoding == UTF_8 => {
                    Ok(WINDOWS_1252.decode_without_bom_handling(rest).0.into_owned())
                }
                None => Err(InfErrorKind::BadUtf16),
            };
        }
    }
    if bytes.contains(&0) {
        return Err(InfErrorKind::NotText);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()),
    }
}
