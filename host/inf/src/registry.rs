//! `AddReg` rows: `root, "subkey", "value", flags, data…`.

use crate::file::same_name;
use crate::number::{parse_byte, parse_u32, parse_u64};
use crate::strings::has_unknown_token;
use crate::{Entry, Inf, InfError, InfErrorKind, Section};

/// The key that a subkey is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Relative: here the service key.
    Hkr,
    /// `HKEY_LOCAL_MACHINE`.
    Hklm,
    /// `HKEY_CLASSES_ROOT`.
    Hkcr,
    /// `HKEY_CURRENT_USER`.
    Hkcu,
    /// `HKEY_USERS`.
    Hku,
}

/// One value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryValue {
    /// Key that `subkey` is relative to.
    pub root: Root,
    /// Path without leading or trailing backslash; empty for the root itself.
    pub subkey: String,
    /// Value name; empty for the default value.
    pub name: String,
    /// Type and data.
    pub data: RegistryData,
}

/// Type and data of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryData {
    /// `REG_SZ`
    Sz(String),
    /// `REG_EXPAND_SZ`
    ExpandSz(String),
    /// `REG_MULTI_SZ`
    MultiSz(Vec<String>),
    /// `REG_DWORD`
    Dword(u32),
    /// `REG_QWORD`
    Qword(u64),
    /// `REG_BINARY`
    Binary(Vec<u8>),
    /// `REG_NONE`
    None(Vec<u8>),
    /// No value: only the key is created.
    KeyOnly,
}

const NO_CLOBBER: u32 = 0x2;
const DELETE_VALUE: u32 = 0x4;
const APPEND: u32 = 0x8;
const KEY_ONLY: u32 = 0x10;
const OVERWRITE_ONLY: u32 = 0x20;
const TYPE_MASK: u32 = 0xFFFF_0001;

/// Applies the rows of one AddReg section to `values`, in order, as Windows would to the registry.
pub(crate) fn apply(
    inf: &Inf,
    section: &Section,
    keep: impl Fn(Root) -> bool,
    values: &mut Vec<RegistryValue>,
) -> Result<(), InfError> {
    for entry in &section.entries {
        let root = root(entry).map_err(|kind| inf.error(Some(entry.line), kind))?;
        if keep(root) {
            apply_row(root, entry, values).map_err(|kind| inf.error(Some(entry.line), kind))?;
        }
    }
    Ok(())
}

fn root(entry: &Entry) -> Result<Root, InfErrorKind> {
    Ok(match entry.value(0).to_ascii_uppercase().as_str() {
        "HKR" => Root::Hkr,
        "HKLM" => Root::Hklm,
        "HKCR" => Root::Hkcr,
        "HKCU" => Root::Hkcu,
        "HKU" => Root::Hku,
        _ => return Err(InfErrorKind::BadRoot { text: entry.value(0).to_owned() }),
    })
}

fn apply_row(root: Root, entry: &Entry, values: &mut Vec<RegistryValue>) -> Result<(), InfErrorKind> {
    let subkey = entry.value(1).trim_matches('\\').to_owned();
    let name = entry.value(2).to_owned();
    for text in [&subkey, &name] {
        if has_unknown_token(text) {
            return Err(InfErrorKind::UnknownToken { text: text.clone() });
        }
    }
    let flags = match entry.value(3) {
        "" => 0,
        text => parse_u32(text)
            .ok_or_else(|| InfErrorKind::BadNumber { what: "the flags field", text: text.to_owned() })?,
    };
    let is_same = |value: &RegistryValue| {
        value.root == root
            && same_name(&value.subkey, &subkey)
            && same_name(&value.name, &name)
            && value.data != RegistryData::KeyOnly
    };
    let existing = values.iter().position(is_same);
    if flags & DELETE_VALUE != 0 && flags & APPEND == 0 {
        match existing {
            Some(index) if !name.is_empty() => drop(values.remove(index)),
            _ if name.is_empty() => {
                values.retain(|value| value.root != root || !is_below(&value.subkey, &subkey))
            }
            _ => {}
        }
        return Ok(());
    }
    if flags & KEY_ONLY != 0 || entry.values.len() < 3 {
        values.push(RegistryValue { root, subkey, name: String::new(), data: RegistryData::KeyOnly });
        return Ok(());
    }
    let data = data(flags, entry.values.get(4..).unwrap_or_default())?;
    let matters = is_below_instances(&subkey);
    if let RegistryData::Sz(text) = &data
        && matters
        && has_unknown_token(text)
    {
        return Err(InfErrorKind::UnknownToken { text: text.clone() });
    }
    match existing.and_then(|index| values.get_mut(index)) {
        Some(present) => {
            if let (RegistryData::MultiSz(old), RegistryData::MultiSz(new), true) =
                (&mut present.data, &data, flags & APPEND != 0)
            {
                for text in new {
                    if !old.contains(text) {
                        old.push(text.clone());
                    }
                }
            } else if flags & NO_CLOBBER == 0 {
                present.data = data;
            }
        }
        None if flags & OVERWRITE_ONLY == 0 => values.push(RegistryValue { root, subkey, name, data }),
        None => {}
    }
    Ok(())
}

fn data(flags: u32, fields: &[String]) -> Result<RegistryData, InfErrorKind> {
    let first = || fields.first().cloned().unwrap_or_default();
    Ok(match flags & TYPE_MASK {
        0x0_0000 => RegistryData::Sz(first()),
        0x2_0000 => RegistryData::ExpandSz(first()),
        0x1_0000 => RegistryData::MultiSz(fields.iter().filter(|text| !text.is_empty()).cloned().collect()),
        0x1_0001 => RegistryData::Dword(integer(fields, 4, "the DWORD value")? as u32),
        0xB_0001 => RegistryData::Qword(integer(fields, 8, "the QWORD value")?),
        0x0_0001 | 0x3_0001 => RegistryData::Binary(bytes(fields)?),
        0x2_0001 => RegistryData::None(bytes(fields)?),
        _ => return Err(InfErrorKind::BadRegistryType { flags }),
    })
}

/// One number, or `width` bytes with the lowest first.
fn integer(fields: &[String], width: usize, what: &'static str) -> Result<u64, InfErrorKind> {
    let bad = || InfErrorKind::BadNumber { what, text: fields.join(",") };
    match fields {
        [] => Ok(0),
        [text] if text.is_empty() => Ok(0),
        [text] if width == 4 => parse_u32(text).map(u64::from).ok_or_else(bad),
        [text] => parse_u64(text).ok_or_else(bad),
        _ if fields.len() == width => {
            Ok(bytes(fields)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
        _ => Err(bad()),
    }
}

fn bytes(fields: &[String]) -> Result<Vec<u8>, InfErrorKind> {
    let fields = fields.iter().filter(|text| !text.is_empty());
    fields
        .map(|text| {
            parse_byte(text)
                .ok_or_else(|| InfErrorKind::BadNumber { what: "a byte of binary data", text: text.clone() })
        })
        .collect()
}

/// Whether `subkey` is `parent` or under it.
fn is_below(subkey: &str, parent: &str) -> bool {
    let (subkey, parent) = (subkey.to_lowercase(), parent.to_lowercase());
    parent.is_empty()
        || subkey.strip_prefix(&parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
}

/// Whether a name with an unknown token would make a wrong filter instance.
fn is_below_instances(subkey: &str) -> bool {
    subkey.split('\\').any(|part| part.eq_ignore_ascii_case("Instances"))
}
