//! `NAME=TYPE:VALUE`: a registry value given on a command line.

pub use inf_file::RegistryData;

/// A registry value for a driver.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Type and data.
    pub value: RegistryData,
}

impl Setting {
    /// Parses `Pattern=sz:*.secret`, `DebugFlags=dword:0x10`, `Names=multi_sz:a;b`, `Key=binary:0a0b`.
    ///
    /// Errors: what is wrong, and which types there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "{text:?} is no NAME=TYPE:VALUE; types are sz, expand_sz, multi_sz (separated by ;), dword, qword, binary"
            )
        };
        let (name, rest) = text.split_once('=').ok_or_else(usage)?;
        let (kind, value) = rest.split_once(':').ok_or_else(usage)?;
        if name.is_empty() {
            return Err(usage());
        }
        let number = || -> Result<u64, String> {
            let digits = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
            let parsed = digits.map_or_else(|| value.parse(), |digits| u64::from_str_radix(digits, 16));
            parsed.map_err(|_| format!("{value:?} of {name} is no number; write 17 or 0x11"))
        };
        let value = match kind.to_ascii_lowercase().as_str() {
            "sz" => RegistryData::Sz(value.to_owned()),
            "expand_sz" => RegistryData::ExpandSz(value.to_owned()),
            "multi_sz" => RegistryData::MultiSz(value.split(';').map(str::to_owned).collect()),
            "dword" => RegistryData::Dword(
                u32::try_from(number()?)
                    .map_err(|_| format!("{value} of {name} does not fit a dword; use qword"))?,
            ),
            "qword" => RegistryData::Qword(number()?),
            "binary" => RegistryData::Binary(hex(value).ok_or_else(|| {
                format!("{value:?} of {name} is no run of hexadecimal byte pairs such as 0aff")
            })?),
            _ => return Err(usage()),
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod parse {
    use super::*;

    #[test]
    fn every_type_is_understood() {
        let value = |text: &str| Setting::parse(text).map(|setting| setting.value);
        assert_eq!(value("a=sz:x:y=z"), Ok(RegistryData::Sz("x:y=z".into())));
        assert_eq!(value("a=dword:0x10"), Ok(RegistryData::Dword(16)));
        assert_eq!(value("a=qword:5000000000"), Ok(RegistryData::Qword(5_000_000_000)));
        assert_eq!(value("a=multi_sz:b;c"), Ok(RegistryData::MultiSz(vec!["b".into(), "c".into()])));
        assert_eq!(value("a=binary:0aFF"), Ok(RegistryData::Binary(vec![10, 255])));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for wrong in ["a", "a=5", "=sz:x", "a=float:1", "a=dword:5000000000", "a=dword:x", "a=binary:abc"] {
            assert!(Setting::parse(wrong).is_err(), "{wrong}");
        }
    }
}
