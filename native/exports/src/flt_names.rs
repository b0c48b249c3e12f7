//! File names.

use boundary::{copy, export};
use fltmgr::{name_parts, names, operation_from};
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{FILE_OBJECT, NtStatus, UNICODE_STRING};

use crate::argument::{arg, fault, optional, rows};
use crate::flt_filter::{answer, instance};
use crate::flt_string::units;

rows! { "fltmgr.sys", "fltmgr";
    FltGetFileNameInformation done "NAME-01 to NAME-28";
    FltGetFileNameInformationUnsafe done "NAME-35 to NAME-38";
    FltPurgeFileNameInformationCache done "NAME-44, NAME-45";
    FltGetTunneledName done "NAME-46 to NAME-49";
    FltCheckAndGrowNameControl done "NAME-56";
    FltReleaseFileNameInformation done "NAME-44";
    FltReferenceFileNameInformation done "NAME-44";
    FltParseFileNameInformation done "NAME-29 to NAME-33";
    FltParseFileName done "NAME-34";
    FltGetDestinationFileNameInformation done "NAME-39 to NAME-43";
}

export! {
    /// The name of the file that an operation is about.
    pub fn FltGetFileNameInformation(data: usize, options: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        if data == 0 || out.is_null() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        answer(names::flt_get_file_name_information(operation_from(data)?, options)?, out, "FltGetFileNameInformation")
    }

    /// The name of an open file, outside any operation.
    pub fn FltGetFileNameInformationUnsafe(file: *mut FILE_OBJECT, address: usize, options: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        if out.is_null() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        arg!(FltGetFileNameInformationUnsafe: file);
        let instance = if address == 0 { None } else { Some(instance(address)?) };
        let found = names::flt_get_file_name_information_unsafe(file, instance.as_deref(), options)?;
        answer(found, out, "FltGetFileNameInformationUnsafe")
    }

    /// Forgets the names that a name provider made.
    pub fn FltPurgeFileNameInformationCache(address: usize, file: *mut FILE_OBJECT) -> NtStatus [irql <= APC_LEVEL] {
        let file = optional(file, "FltPurgeFileNameInformationCache", "FileObject")?;
        names::flt_purge_file_name_information_cache(&*instance(address)?, file)
    }

    /// The name that a file got from the tunnel cache, or NULL.
    pub fn FltGetTunneledName(data: usize, name: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        answer(names::flt_get_tunneled_name(operation_from(data)?, name)?, out, "FltGetTunneledName")
    }

    /// Makes room in the name that a name provider fills in.
    pub fn FltCheckAndGrowNameControl(control: usize, bytes: u16) -> NtStatus [irql <= APC_LEVEL] {
        names::provider::flt_check_and_grow_name_control(control, bytes)
    }

    /// Gives a name back.
    pub fn FltReleaseFileNameInformation(name: usize) -> () [irql <= APC_LEVEL] {
        names::flt_release_file_name_information(name)
    }

    /// Adds a reference to a name.
    pub fn FltReferenceFileNameInformation(name: usize) -> () [irql <= APC_LEVEL] {
        names::flt_reference_file_name_information(name);
        Ok(())
    }

    /// Takes a name apart.
    pub fn FltParseFileNameInformation(name: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(names::flt_parse_file_name_information(name))
    }

    /// Takes any name apart; the parts lie inside it.
    pub fn FltParseFileName(name: *mut UNICODE_STRING, extension: *mut UNICODE_STRING, stream: *mut UNICODE_STRING, last: *mut UNICODE_STRING) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltParseFileName: name);
        let parts = name_parts::flt_parse_file_name(&units(name)?);
        let start = name.Buffer.get() as usize;
        for (out, range) in [(extension, parts.extension), (stream, parts.stream), (last, parts.component)] {
            let Some(out) = optional(out, "FltParseFileName", "a part")? else { continue };
            let bytes = (range.len() * 2) as u16;
            out.Length.set(bytes);
            out.MaximumLength.set(bytes);
            out.Buffer.set(if range.is_empty() { std::ptr::null_mut() } else { (start + range.start * 2) as *mut _ });
        }
        Ok(NtStatus::SUCCESS)
    }

    /// The name that a rename or link will give.
    pub fn FltGetDestinationFileNameInformation(address: usize, file: *mut FILE_OBJECT, root: usize, name: usize, bytes: u32, options: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltGetDestinationFileNameInformation: file);
        let mut raw = vec![0u8; bytes as usize & !1];
        copy::read(name, &mut raw).map_err(fault)?;
        let name: Vec<u16> = raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let instance = instance(address)?;
        let found = names::flt_get_destination_file_name_information(&instance, file, root, &name, options)?;
        answer(found, out, "FltGetDestinationFileNameInformation")
    }
}
