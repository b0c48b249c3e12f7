//! What can be wrong with an INF file.

use std::fmt;

/// An error with its place. `Display` gives `file:line: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfError {
    /// Name given to [`crate::Inf::parse`].
    pub file: String,
    /// First line of the entry, from 1; `None` when the error is about the whole file.
    pub line: Option<u32>,
    /// What is wrong.
    pub kind: InfErrorKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfErrorKind {
    /// No section at all.
    Empty,
    /// Not text.
    NotText,
    /// UTF-16 with a byte too many or half a character.
    BadUtf16,
    /// A `"` without its partner.
    UnclosedQuote,
    /// A `[` without `]`, or text after it.
    BadSectionHeader,
    /// No install section for x64.
    NoInstallSection { found: Vec<String> },
    /// No `AddService`.
    NoService { searched: Vec<String> },
    /// `AddService` without its service-install section.
    IncompleteAddService,
    /// A section that is named but not there.
    MissingSection { name: String, directive: &'static str },
    /// A required entry is not there.
    MissingEntry { section: String, key: &'static str },
    /// Not a number.
    BadNumber { what: &'static str, text: String },
    /// `%token%` that `[Strings]` does not define.
    UnknownToken { text: String },
    /// A root key that Windows does not know.
    BadRoot { text: String },
    /// A registry value of a type that cannot be written from an INF.
    BadRegistryType { flags: u32 },
}

impl fmt::Display for InfErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use InfErrorKind::*;
        let listed =
            |names: &[String]| names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        match self {
            Empty => write!(f, "no [section] found: give the .inf file of the driver"),
            NotText => {
                write!(f, "not a text file (it has zero bytes): give the .inf file, not the .sys or .cat")
            }
            BadUtf16 => write!(f, "damaged UTF-16 text: save the file again as UTF-16 or UTF-8"),
            UnclosedQuote => write!(f, "a quoted string does not end on its line: add the closing \""),
            BadSectionHeader => write!(f, "a section header is [name] and nothing else on its line: mend it"),
            NoInstallSection { found } if found.is_empty() => write!(
                f,
                "no [DefaultInstall] section: a minifilter needs [DefaultInstall.NTamd64] and \
                 [DefaultInstall.NTamd64.Services]; device drivers ([Manufacturer]) cannot be installed here"
            ),
            NoInstallSection { found } => write!(
                f,
                "no install section for x64 on this Windows version, only {}: add [DefaultInstall.NTamd64]",
                listed(found)
            ),
            NoService { searched } => write!(
                f,
                "no AddService in {}: add AddService = name,,service-section to [DefaultInstall.NTamd64.Services]",
                listed(searched)
            ),
            IncompleteAddService => {
                write!(f, "AddService needs a name and a section: AddService = name,flags,service-section")
            }
            MissingSection { name, directive } => {
                write!(f, "{directive} names [{name}], which is not in the file: add it or mend the name")
            }
            MissingEntry { section, key } => {
                write!(f, "[{section}] has no {key}, which a service needs: add {key} = number")
            }
            BadNumber { what, text } => {
                write!(f, "{what} is {text:?}, not a number in range: write it as decimal or 0x hexadecimal")
            }
            UnknownToken { text } => {
                write!(
                    f,
                    "{text:?} uses a %string% that [Strings] does not define: add it (or write %% for a percent)"
                )
            }
            BadRoot { text } => {
                write!(f, "unknown registry root {text:?}: use HKR, HKLM, HKCR, HKCU or HKU")
            }
            BadRegistryType { flags } => {
                write!(
                    f,
                    "registry value type of flags {flags:#x} is not known: use 0x0, 0x1, 0x10000, 0x10001, 0x20000 or 0xb0001"
                )
            }
        }
    }
}

impl fmt::Display for InfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.kind),
            None => write!(f, "{}: {}", self.file, self.kind),
        }
    }
}

impl std::error::Error for InfError {}
