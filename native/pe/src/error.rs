//! What can be wrong with an image, in words for the person who must mend it.

use std::fmt;

/// Why an image cannot be loaded. `Display` gives the whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeError {
    /// The input has no bytes.
    Empty,
    /// No PE signature where one must stand.
    NotPe { offset: u64, found: &'static str, hint: &'static str },
    /// An x86 (32-bit) image.
    ThirtyTwoBit { offset: u64 },
    /// An image for another processor.
    WrongMachine { machine: u16, offset: u64 },
    /// The image was not linked to be executed.
    NotExecutable { offset: u64, characteristics: u16 },
    /// The file ends before something that its headers describe.
    Truncated { what: String, end: u64, file_bytes: u64 },
    /// A header field has a value that no valid image has.
    BadField { field: &'static str, value: u64, offset: u64, expected: &'static str },
    /// More of something than is allowed.
    TooMany { what: &'static str, count: u64, limit: u64 },
    /// Two sections (or the headers and a section) claim the same addresses.
    Overlap { first: String, first_end: u64, second: String, second_rva: u32 },
    /// A section reaches over the end of the image.
    SectionOutsideImage { name: String, end: u64, size_of_image: u32 },
    /// A directory points to addresses that belong to no section.
    NotInImage { what: String, rva: u64, bytes: u64 },
    /// A directory stands in the image but its content is not valid.
    BadDirectory { directory: &'static str, rva: u64, why: &'static str },
    /// A relocation of a type that x64 images do not have.
    UnknownRelocation { rva: u64, kind: u8 },
    /// A relocation whose target would not fit after the move.
    RelocationOverflow { rva: u32, delta: u64 },
    /// The buffer handed to the layout step has the wrong size.
    BufferSize { bytes: u64, size_of_image: u32 },
}

impl fmt::Display for PeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PeError::*;
        match self {
            Empty => write!(f, "the file is empty: give the .sys file that the linker wrote"),
            NotPe { offset, found, hint } => {
                write!(f, "not a PE image: {found} at file offset {offset:#x}; {hint}")
            }
            ThirtyTwoBit { offset } => {
                write!(f, "32-bit driver (machine 0x14c at file offset {offset:#x}): build it for x64")
            }
            WrongMachine { machine, offset } => write!(
                f,
                "wrong machine {machine:#06x}{} at file offset {offset:#x}: build the driver for x64 (0x8664)",
                machine_name(*machine)
            ),
            NotExecutable { offset, characteristics } => write!(
                f,
                "not an executable image: characteristics {characteristics:#06x} at file offset {offset:#x} lack \
                 EXECUTABLE_IMAGE (0x2); the link had errors or this is no linked driver: link it again"
            ),
            Truncated { what, end, file_bytes } => write!(
                f,
                "truncated: {what} ends at {end:#x}, beyond the file's {file_bytes:#x} bytes; copy or build the file again"
            ),
            BadField { field, value, offset, expected } => write!(
                f,
                "damaged header: {field} is {value:#x} at file offset {offset:#x}, expected {expected}; build the driver again"
            ),
            TooMany { what, count, limit } => write!(
                f,
                "too many {what}: {count} where at most {limit} are accepted; the image is damaged or not a driver"
            ),
            Overlap { first, first_end, second, second_rva } => write!(
                f,
                "{first} ends at RVA {first_end:#x} and overlaps {second} at RVA {second_rva:#x}; build the driver again"
            ),
            SectionOutsideImage { name, end, size_of_image } => write!(
                f,
                "section {name} ends at RVA {end:#x}, beyond the image's {size_of_image:#x} bytes (SizeOfImage); \
                 build the driver again"
            ),
            NotInImage { what, rva, bytes } => write!(
                f,
                "{what} at RVA {rva:#x} ({bytes:#x} bytes) lies in no section; the image is damaged: build the driver again"
            ),
            BadDirectory { directory, rva, why } => write!(
                f,
                "the {directory} is not valid at RVA {rva:#x}: {why}; the image is damaged: build the driver again"
            ),
            UnknownRelocation { rva, kind } => write!(
                f,
                "relocation of unknown type {kind} for RVA {rva:#x}: x64 images have types 0 to 4 and 10; build the driver again"
            ),
            RelocationOverflow { rva, delta } => write!(
                f,
                "the 32-bit address at RVA {rva:#x} cannot follow a move by {delta:#x}: load the image at its preferred \
                 base, or link the driver with 64-bit addresses (/LARGEADDRESSAWARE)"
            ),
            BufferSize { bytes, size_of_image } => write!(
                f,
                "the buffer for the image has {bytes:#x} bytes, the image needs {size_of_image:#x} (SizeOfImage)"
            ),
        }
    }
}

impl std::error::Error for PeError {}

fn machine_name(machine: u16) -> &'static str {
    match machine {
        0x0166 => " (MIPS)",
        0x0184 | 0x0284 => " (Alpha)",
        0x01c0 | 0x01c2 | 0x01c4 => " (32-bit ARM)",
        0x01f0 | 0x01f1 => " (PowerPC)",
        0x0200 => " (Itanium)",
        0x0ebc => " (EFI byte code)",
        0x5032 | 0x5064 => " (RISC-V)",
        0xa641 => " (ARM64EC)",
        0xaa64 => " (ARM64)",
        _ => "",
    }
}

/// Something odd that does not keep the image from being loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The subsystem is not NATIVE, as it is in a driver.
    NotKernelSubsystem { subsystem: u16 },
    /// The image has no entry point.
    NoEntryPoint,
    /// The entry point does not stand in executable memory.
    EntryNotExecutable { rva: u32 },
    /// The exception directory was not sorted; it has been sorted here.
    UnsortedRuntimeFunctions,
    /// Debug information cannot be read.
    DebugDirectory { why: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NotKernelSubsystem { subsystem } => write!(
                f,
                "not a kernel driver image: subsystem {subsystem}{}, expected 1 (native); link it with /SUBSYSTEM:NATIVE",
                match subsystem {
                    2 => " (Windows GUI)",
                    3 => " (Windows console)",
                    10..=13 => " (EFI)",
                    _ => "",
                }
            ),
            Warning::NoEntryPoint => {
                write!(f, "the image has no entry point: DriverEntry cannot be called; link it with /ENTRY")
            }
            Warning::EntryNotExecutable { rva } => {
                write!(f, "the entry point at RVA {rva:#x} is not in an executable section")
            }
            Warning::UnsortedRuntimeFunctions => {
                write!(
                    f,
                    "the exception directory is not sorted: Windows would not unwind through this image"
                )
            }
            Warning::DebugDirectory { why } => {
                write!(f, "debug information left out, names will be missing: {why}")
            }
        }
    }
}
