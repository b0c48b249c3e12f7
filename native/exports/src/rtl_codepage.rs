//! Rtl: between UTF-16, the ANSI and OEM code pages, and UTF-8.

use boundary::{Raise, copy, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{NtStatus, STRING, UNICODE_STRING};
use nt_rtl::oem::CodePage::{self, Ansi, Oem};
use nt_rtl::string::{read_units, write_units};
use nt_rtl::{AnsiStr, UnicodeStr, utf8};

use crate::argument::{arg, fault, raised, rows, status, store_if};
use crate::flt_string::units;
use crate::rtl_string::bytes;

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlOemStringToUnicodeString done "code page 437";
    RtlOemStringToCountedUnicodeString done "code page 437";
    RtlUnicodeStringToOemString done "code page 437, no best fit";
    RtlUnicodeStringToCountedOemString done "code page 437, no best fit";
    RtlUpcaseUnicodeStringToOemString done "code page 437, no best fit";
    RtlUpcaseUnicodeStringToCountedOemString done "code page 437, no best fit";
    RtlUpcaseUnicodeStringToAnsiString done "code page 1252, no best fit";
    RtlFreeOemString done "";
    RtlxOemStringToUnicodeSize done "";
    RtlxAnsiStringToUnicodeSize done "";
    RtlxUnicodeStringToOemSize done "";
    RtlxUnicodeStringToAnsiSize done "";
    RtlAnsiStringToUnicodeSize done "";
    RtlUnicodeStringToAnsiSize done "";
    RtlAnsiCharToUnicodeChar done "code page 1252";
    RtlMultiByteToUnicodeN done "code page 1252";
    RtlMultiByteToUnicodeSize done "";
    RtlUnicodeToMultiByteN done "code page 1252, no best fit";
    RtlUnicodeToMultiByteSize done "";
    RtlUpcaseUnicodeToMultiByteN done "code page 1252, no best fit";
    RtlOemToUnicodeN done "code page 437";
    RtlUnicodeToOemN done "code page 437, no best fit";
    RtlUpcaseUnicodeToOemN done "code page 437, no best fit";
    RtlIsValidOemCharacter done "code page 437";
    RtlGetDefaultCodePage done "";
    RtlInitUTF8String done "";
    RtlInitUTF8StringEx done "";
    RtlFreeUTF8String done "";
    RtlUnicodeStringToUTF8String done "";
    RtlUTF8StringToUnicodeString done "";
    RtlUnicodeToUTF8N done "";
    RtlUTF8ToUnicodeN done "";
}

/// Fills or allocates a counted string of bytes without a zero behind them.
fn put_counted(target: &STRING, text: &[u8], allocate: bool) -> Result<NtStatus, Raise> {
    if text.is_empty() {
        target.Length.set(0);
        if allocate {
            target.MaximumLength.set(0);
            target.Buffer.set(std::ptr::null_mut());
        }
        return Ok(NtStatus::SUCCESS);
    }
    if allocate {
        let done = AnsiStr(target).fill(text, true);
        if done.is_ok() {
            target.MaximumLength.set(target.Length.get());
        }
        return Ok(status(done));
    }
    if text.len() > usize::from(target.MaximumLength.get()) {
        return Ok(NtStatus::BUFFER_OVERFLOW);
    }
    copy::write(target.Buffer.get() as usize, text).map_err(fault)?;
    target.Length.set(text.len() as u16);
    Ok(NtStatus::SUCCESS)
}

/// `upper`: what has no upper case in the code page is an error, not a `?`.
fn narrow(
    target: &STRING,
    source: &UNICODE_STRING,
    allocate: u8,
    (page, upper, counted): (CodePage, bool, bool),
) -> Result<NtStatus, Raise> {
    let (text, all) = page.to_bytes(&units(source)?, upper);
    if upper && !all {
        return Ok(NtStatus::UNMAPPABLE_CHARACTER);
    }
    if counted {
        put_counted(target, &text, allocate != 0)
    } else {
        Ok(status(AnsiStr(target).fill(&text, allocate != 0)))
    }
}

/// The buffer versions: as many characters as fit.
fn narrow_n(
    (to, room, written): (usize, u32, *mut u32),
    (from, length): (usize, u32),
    page: CodePage,
    upper: bool,
) -> Result<NtStatus, Raise> {
    let (mut text, _) = page.to_bytes(&read_units(from, length as usize / 2).map_err(fault)?, upper);
    text.truncate(room as usize);
    copy::write(to, &text).map_err(fault)?;
    store_if(written, text.len() as u32)?;
    Ok(NtStatus::SUCCESS)
}

fn widen_n(
    (to, room, written): (usize, u32, *mut u32),
    (from, length): (usize, u32),
    page: CodePage,
) -> Result<NtStatus, Raise> {
    let mut text = Vec::new();
    copy::append(&mut text, from, length.min(room / 2) as usize).map_err(fault)?;
    write_units(to, &page.to_units(&text)).map_err(fault)?;
    store_if(written, text.len() as u32 * 2)?;
    Ok(NtStatus::SUCCESS)
}

fn told(written: usize, needed: usize, all_mapped: bool) -> NtStatus {
    if written < needed {
        NtStatus::BUFFER_TOO_SMALL
    } else if all_mapped {
        NtStatus::SUCCESS
    } else {
        NtStatus::SOME_NOT_MAPPED
    }
}

/// What is mapped, and whether a character of it was replaced: a success of its own.
fn mapped(done: Result<(), NtStatus>, all: bool) -> NtStatus {
    if done.is_ok() && !all { NtStatus::SOME_NOT_MAPPED } else { status(done) }
}

export! {
    /// From bytes of the OEM code page.
    pub fn RtlOemStringToUnicodeString(target: *mut UNICODE_STRING, source: *mut STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlOemStringToUnicodeString: target, source);
        Ok(status(UnicodeStr(target).fill_terminated(&Oem.to_units(&bytes(source)?), allocate != 0)))
    }

    /// The same without a zero behind it.
    pub fn RtlOemStringToCountedUnicodeString(target: *mut UNICODE_STRING, source: *mut STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlOemStringToCountedUnicodeString: target, source);
        let text = Oem.to_units(&bytes(source)?);
        if text.is_empty() {
            target.Length.set(0);
            if allocate != 0 {
                target.MaximumLength.set(0);
                target.Buffer.set(std::ptr::null_mut());
            }
            return Ok(NtStatus::SUCCESS);
        }
        let done = UnicodeStr(target).fill(&text, allocate != 0);
        if done.is_ok() && allocate != 0 {
            target.MaximumLength.set(target.Length.get());
        }
        Ok(status(done))
    }

    /// To bytes of the OEM code page.
    pub fn RtlUnicodeStringToOemString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToOemString: target, source);
        narrow(target, source, allocate, (Oem, false, false))
    }

    /// The same without a zero behind it.
    pub fn RtlUnicodeStringToCountedOemString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToCountedOemString: target, source);
        narrow(target, source, allocate, (Oem, false, true))
    }

    /// To bytes of the OEM code page, in upper case.
    pub fn RtlUpcaseUnicodeStringToOemString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUpcaseUnicodeStringToOemString: target, source);
        narrow(target, source, allocate, (Oem, true, false))
    }

    /// The same without a zero behind it.
    pub fn RtlUpcaseUnicodeStringToCountedOemString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUpcaseUnicodeStringToCountedOemString: target, source);
        narrow(target, source, allocate, (Oem, true, true))
    }

    /// To bytes of the ANSI code page, in upper case.
    pub fn RtlUpcaseUnicodeStringToAnsiString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUpcaseUnicodeStringToAnsiString: target, source);
        narrow(target, source, allocate, (Ansi, true, false))
    }

    /// Gives a string's buffer back.
    pub fn RtlFreeOemString(text: *mut STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlFreeOemString: text);
        AnsiStr(text).free()
    }

    /// Bytes that the units and a zero take.
    pub fn RtlxOemStringToUnicodeSize(source: *mut STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlxOemStringToUnicodeSize: source);
        Ok(u32::from(source.Length.get()) * 2 + 2)
    }

    /// Bytes that the units and a zero take.
    pub fn RtlxAnsiStringToUnicodeSize(source: *mut STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlxAnsiStringToUnicodeSize: source);
        Ok(u32::from(source.Length.get()) * 2 + 2)
    }

    /// Bytes that the bytes and a zero take.
    pub fn RtlxUnicodeStringToOemSize(source: *mut UNICODE_STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlxUnicodeStringToOemSize: source);
        Ok(u32::from(source.Length.get()) / 2 + 1)
    }

    /// Bytes that the bytes and a zero take.
    pub fn RtlxUnicodeStringToAnsiSize(source: *mut UNICODE_STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlxUnicodeStringToAnsiSize: source);
        Ok(u32::from(source.Length.get()) / 2 + 1)
    }

    /// Bytes that the units and a zero take.
    pub fn RtlAnsiStringToUnicodeSize(source: *mut STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlAnsiStringToUnicodeSize: source);
        Ok(u32::from(source.Length.get()) * 2 + 2)
    }

    /// Bytes that the bytes and a zero take.
    pub fn RtlUnicodeStringToAnsiSize(source: *mut UNICODE_STRING) -> u32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToAnsiSize: source);
        Ok(u32::from(source.Length.get()) / 2 + 1)
    }

    /// The unit of the next character, past which it moves the pointer.
    pub fn RtlAnsiCharToUnicodeChar(place: *mut usize) -> u16 [irql <= PASSIVE_LEVEL] {
        let at = crate::argument::load(place, "RtlAnsiCharToUnicodeChar", "SourceCharacter")?;
        let byte = copy::read_value::<u8>(at).map_err(fault)?;
        crate::argument::store(place, at + 1, "RtlAnsiCharToUnicodeChar", "SourceCharacter")?;
        Ok(nt_rtl::ansi::to_unit(byte))
    }

    /// From bytes of the ANSI code page.
    pub fn RtlMultiByteToUnicodeN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        widen_n((to, room, written), (from, length), Ansi)
    }

    /// Bytes that the units take.
    pub fn RtlMultiByteToUnicodeSize(size: *mut u32, _from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        crate::argument::store(size, length * 2, "RtlMultiByteToUnicodeSize", "BytesInUnicodeString")?;
        Ok(NtStatus::SUCCESS)
    }

    /// To bytes of the ANSI code page.
    pub fn RtlUnicodeToMultiByteN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        narrow_n((to, room, written), (from, length), Ansi, false)
    }

    /// Bytes that it takes.
    pub fn RtlUnicodeToMultiByteSize(size: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let (text, _) = Ansi.to_bytes(&read_units(from, length as usize / 2).map_err(fault)?, false);
        crate::argument::store(size, text.len() as u32, "RtlUnicodeToMultiByteSize", "BytesInMultiByteString")?;
        Ok(NtStatus::SUCCESS)
    }

    /// To bytes of the ANSI code page, in upper case.
    pub fn RtlUpcaseUnicodeToMultiByteN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        narrow_n((to, room, written), (from, length), Ansi, true)
    }

    /// From bytes of the OEM code page.
    pub fn RtlOemToUnicodeN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        widen_n((to, room, written), (from, length), Oem)
    }

    /// To bytes of the OEM code page.
    pub fn RtlUnicodeToOemN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        narrow_n((to, room, written), (from, length), Oem, false)
    }

    /// To bytes of the OEM code page, in upper case.
    pub fn RtlUpcaseUnicodeToOemN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        narrow_n((to, room, written), (from, length), Oem, true)
    }

    /// Whether the OEM code page has a unit; it is replaced by what the code page makes of it.
    pub fn RtlIsValidOemCharacter(unit: *mut u16) -> bool [irql <= PASSIVE_LEVEL] {
        let wanted = nt_rtl::upcase(crate::argument::load(unit, "RtlIsValidOemCharacter", "Char")?);
        let byte = nt_rtl::oem::byte_of(wanted);
        let shown = byte.map_or(u16::from(b'_'), nt_rtl::oem::to_unit);
        crate::argument::store(unit, shown, "RtlIsValidOemCharacter", "Char")?;
        Ok(byte.is_some())
    }

    /// The code pages of the machine.
    pub fn RtlGetDefaultCodePage(ansi: *mut u16, oem: *mut u16) -> () [irql <= PASSIVE_LEVEL] {
        crate::argument::store(ansi, 1252, "RtlGetDefaultCodePage", "AnsiCodePage")?;
        crate::argument::store(oem, 437, "RtlGetDefaultCodePage", "OemCodePage")
    }

    /// Names a zero-terminated string.
    pub fn RtlInitUTF8String(target: *mut STRING, source: usize) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlInitUTF8String: target);
        raised(AnsiStr(target).init(source))
    }

    /// Names a zero-terminated string, or fails when it is too long.
    pub fn RtlInitUTF8StringEx(target: *mut STRING, source: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlInitUTF8StringEx: target);
        if source != 0 && nt_rtl::string::read_zero_terminated_bytes(source, 0xFFFF).map_err(fault)?.len() > 0xFFFE {
            return Ok(NtStatus::NAME_TOO_LONG);
        }
        Ok(status(AnsiStr(target).init(source)))
    }

    /// Gives a string's buffer back.
    pub fn RtlFreeUTF8String(text: *mut STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlFreeUTF8String: text);
        AnsiStr(text).free()
    }

    /// To UTF-8.
    pub fn RtlUnicodeStringToUTF8String(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToUTF8String: target, source);
        let made = utf8::from_units(&units(source)?, usize::MAX);
        Ok(mapped(AnsiStr(target).fill(&made.text, allocate != 0), made.all_mapped))
    }

    /// From UTF-8.
    pub fn RtlUTF8StringToUnicodeString(target: *mut UNICODE_STRING, source: *mut STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUTF8StringToUnicodeString: target, source);
        let made = utf8::to_units(&bytes(source)?, usize::MAX);
        Ok(mapped(UnicodeStr(target).fill(&made.text, allocate != 0), made.all_mapped))
    }

    /// To UTF-8; with a null target, how much it takes.
    pub fn RtlUnicodeToUTF8N(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if to == 0 && written.is_null() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        if from == 0 {
            return Ok(NtStatus::INVALID_PARAMETER_4);
        }
        if !length.is_multiple_of(2) {
            return Ok(NtStatus::INVALID_PARAMETER_5);
        }
        let source = read_units(from, length as usize / 2).map_err(fault)?;
        let made = utf8::from_units(&source, if to == 0 { usize::MAX } else { room as usize });
        if to != 0 {
            copy::write(to, &made.text).map_err(fault)?;
        }
        store_if(written, made.text.len() as u32)?;
        Ok(told(made.text.len(), made.needed, made.all_mapped))
    }

    /// From UTF-8; with a null target, how much it takes.
    pub fn RtlUTF8ToUnicodeN(to: usize, room: u32, written: *mut u32, from: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if to == 0 && written.is_null() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        if from == 0 {
            return Ok(NtStatus::INVALID_PARAMETER_4);
        }
        let mut source = Vec::new();
        copy::append(&mut source, from, length as usize).map_err(fault)?;
        let made = utf8::to_units(&source, if to == 0 { usize::MAX } else { room as usize / 2 });
        if to != 0 {
            write_units(to, &made.text).map_err(fault)?;
        }
        store_if(written, made.text.len() as u32 * 2)?;
        Ok(told(made.text.len(), made.needed, made.all_mapped))
    }
}
