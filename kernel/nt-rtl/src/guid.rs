//! GUIDs as text: `{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}`.

use nt_abi::NtStatus;

/// A GUID as its 16 bytes in memory: three little-endian fields, then eight bytes.
pub type GuidBytes = [u8; 16];

/// Where each byte of the text's order lies in memory.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Text of a GUID, with lower-case digits. Source: RtlStringFromGUID.
pub fn to_text(guid: &GuidBytes) -> String {
    let mut text = String::from("{");
    for (index, place) in ORDER.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", guid[place]));
    }
    text.push('}');
    text
}

/// GUID of a text in braces. Source: RtlGUIDFromString.
///
/// Errors: INVALID_PARAMETER.
pub fn from_text(text: &[u16]) -> Result<GuidBytes, NtStatus> {
    let text = String::from_utf16(text).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let inner =
        text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or(NtStatus::INVALID_PARAMETER)?;
    let parts: Vec<&str> = inner.split('-').collect();
    if !inner.is_ascii() || parts.iter().map(|p| p.len()).ne([8, 4, 4, 4, 12]) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let digits = parts.concat();
    let mut guid = [0; 16];
    for (index, place) in ORDER.into_iter().enumerate() {
        let pair = &digits[index * 2..index * 2 + 2];
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        guid[place] = u8::from_str_radix(pair, 16).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    }
    Ok(guid)
}
