//! Why a driver was not loaded.

use std::fmt;

use nt_abi::NtStatus;
use pe::PeError;

/// What is wrong with a driver; the text names the file and what to do.
#[derive(Debug)]
pub struct LoadError {
    file: String,
    what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Image(PeError),
    NoRelocations(u64),
    NoEntry,
    EntryNotExecutable(u32),
    NoRoom,
    Host(std::io::Error),
    Object(NtStatus),
    Entry(NtStatus),
}

impl LoadError {
    pub(crate) fn new(file: &str, what: What) -> Self {
        Self { file: file.to_owned(), what }
    }

    /// The status that `DriverEntry` returned, if that is why.
    pub fn entry_status(&self) -> Option<NtStatus> {
        match self.what {
            What::Entry(status) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match &self.what {
            What::Image(error) => write!(f, "{error}"),
            What::NoRelocations(base) => write!(
                f,
                "the image has no relocation directory and wants {base:#x}, which lies outside every machine: \
                 link it with /DYNAMICBASE or without /FIXED"
            ),
            What::NoEntry => {
                write!(f, "the image has no entry point; link it with /ENTRY:DriverEntry or GsDriverEntry")
            }
            What::EntryNotExecutable(rva) => write!(
                f,
                "the entry point at RVA {rva:#x} stands in no executable section; \
                 link it with /ENTRY:DriverEntry or GsDriverEntry"
            ),
            What::NoRoom => {
                write!(f, "no addresses are left for driver images in this machine; boot a fresh one")
            }
            What::Host(error) => write!(f, "the host refuses memory for the image: {error}"),
            What::Object(status) => {
                write!(
                    f,
                    "its driver object cannot be made: {status}; is a driver of this name loaded already?"
                )
            }
            What::Entry(status) => write!(
                f,
                "DriverEntry returned {status}; check the registry values that the driver needs (its INF, or --set)"
            ),
        }
    }
}

impl std::error::Error for LoadError {}
