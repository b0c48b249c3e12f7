//! The parsed image.

use object::pe;

use crate::reader::Bytes;
use crate::view::View;
use crate::{
    CodeView, Export, ExportTarget, ImportedModule, PeError, Relocation, RuntimeFunction, Section, Warning,
    debug, exception, export, header, import, load_config, relocation, section,
};

/// An x64 PE image, as values. All RVAs in it have been checked to lie in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Always 0x8664 (x64).
    pub machine: u16,
    /// 1 (native) in drivers; anything else gives a warning.
    pub subsystem: u16,
    /// Preferred address.
    pub image_base: u64,
    /// Bytes of address space.
    pub size_of_image: u32,
    /// Bytes at the start of the file that stand at the start of the image too.
    pub size_of_headers: u32,
    /// DriverEntry (or the cookie set-up before it); 0 for none.
    pub entry_rva: u32,
    /// Checksum as written in the header; not verified.
    pub checksum: u32,
    /// Link time in seconds since 1970, or a hash of a reproducible build.
    pub timestamp: u32,
    /// Bytes to which sections are aligned in memory.
    pub section_alignment: u32,
    /// Sections in the order of the table.
    pub sections: Vec<Section>,
    /// Base relocations in order.
    pub relocations: Vec<Relocation>,
    /// Whether there is a relocation directory.
    pub has_relocations: bool,
    /// Whether the linker removed the relocations: the image can only stand at `image_base`.
    pub relocations_stripped: bool,
    /// Imports, by module.
    pub imports: Vec<ImportedModule>,
    /// Exported names in the order of the name table.
    pub exports: Vec<Export>,
    /// `__security_cookie`, 8 bytes, which the loader fills.
    pub security_cookie_rva: Option<u32>,
    /// Pointer to the routine that checks an indirect call target (control flow guard).
    pub guard_cf_check_function_pointer_rva: Option<u32>,
    /// Pointer to the routine that checks and performs an indirect call.
    pub guard_cf_dispatch_function_pointer_rva: Option<u32>,
    /// As `guard_cf_check_function_pointer_rva`, for extended flow guard.
    pub guard_xfg_check_function_pointer_rva: Option<u32>,
    /// As `guard_cf_dispatch_function_pointer_rva`, for extended flow guard.
    pub guard_xfg_dispatch_function_pointer_rva: Option<u32>,
    /// As `guard_xfg_dispatch_function_pointer_rva`, for calls through a table.
    pub guard_xfg_table_dispatch_function_pointer_rva: Option<u32>,
    /// `IMAGE_GUARD_*` flags.
    pub guard_flags: u32,
    /// Functions in ascending order.
    pub runtime_functions: Vec<RuntimeFunction>,
    /// Where the table of them stands; 0 without one.
    pub exception_table: u32,
    /// The PDB file.
    pub debug: Option<CodeView>,
    /// Whether the image holds DWARF debug information.
    pub has_dwarf: bool,
    /// Whether there is a thread-local storage directory, which the kernel does not serve.
    pub has_tls: bool,
    /// Oddities.
    pub warnings: Vec<Warning>,
}

impl Image {
    /// Parses the bytes of a driver file.
    ///
    /// Errors: the first thing that is wrong; see [`PeError`].
    pub fn parse(file: &[u8]) -> Result<Image, PeError> {
        let file = Bytes(file);
        let header = header::parse(file)?;
        let sections = section::parse(file, &header)?;
        let view = View {
            file,
            sections: &sections,
            image_base: header.image_base,
            size_of_image: header.size_of_image,
            size_of_headers: header.size_of_headers,
        };
        let directory = |index: usize| header.directories.get(index).copied().unwrap_or_default();
        let relocation_directory = directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC);
        let mut warnings = header_warnings(&header, &sections);
        let relocations = relocation::parse(&view, relocation_directory)?;
        let imports = import::parse(&view, directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT))?;
        let exports = export::parse(&view, directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT))?;
        let load_config = load_config::parse(&view, directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG))?;
        let exceptions = directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION);
        let runtime_functions = exception::parse(&view, exceptions, &mut warnings)?;
        let debug = debug::parse(&view, directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG), &mut warnings);
        let has_dwarf =
            sections.iter().any(|section| matches!(section.name.as_str(), ".debug_info" | ".zdebug_info"));
        Ok(Image {
            machine: header.machine,
            subsystem: header.subsystem,
            image_base: header.image_base,
            size_of_image: header.size_of_image,
            size_of_headers: header.size_of_headers,
            entry_rva: header.entry_rva,
            checksum: header.checksum,
            timestamp: header.timestamp,
            section_alignment: header.section_alignment,
            relocations,
            has_relocations: relocation_directory.is_present(),
            relocations_stripped: header.file_characteristics & pe::IMAGE_FILE_RELOCS_STRIPPED.0 != 0,
            imports,
            exports,
            security_cookie_rva: load_config.security_cookie_rva,
            guard_cf_check_function_pointer_rva: load_config.guard_cf_check_function_pointer_rva,
            guard_cf_dispatch_function_pointer_rva: load_config.guard_cf_dispatch_function_pointer_rva,
            guard_xfg_check_function_pointer_rva: load_config.guard_xfg_check_function_pointer_rva,
            guard_xfg_dispatch_function_pointer_rva: load_config.guard_xfg_dispatch_function_pointer_rva,
            guard_xfg_table_dispatch_function_pointer_rva: load_config
                .guard_xfg_table_dispatch_function_pointer_rva,
            guard_flags: load_config.guard_flags,
            runtime_functions,
            exception_table: if exceptions.is_present() { exceptions.rva } else { 0 },
            debug,
            has_dwarf,
            has_tls: directory(pe::IMAGE_DIRECTORY_ENTRY_TLS).is_present(),
            warnings,
            sections,
        })
    }

    /// The section that holds an RVA.
    pub fn section_at(&self, rva: u32) -> Option<&Section> {
        self.sections.iter().find(|section| section.contains(rva))
    }

    /// What an exported name stands for; names are case-sensitive.
    pub fn export(&self, name: &str) -> Option<&ExportTarget> {
        self.exports.iter().find(|export| export.name == name).map(|export| &export.target)
    }

    /// The function that holds an RVA.
    pub fn runtime_function_at(&self, rva: u32) -> Option<&RuntimeFunction> {
        let after = self.runtime_functions.partition_point(|function| function.begin <= rva);
        let candidate = self.runtime_functions.get(after.checked_sub(1)?)?;
        (rva < candidate.end).then_some(candidate)
    }
}

fn header_warnings(header: &header::Header, sections: &[Section]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if header.subsystem != pe::IMAGE_SUBSYSTEM_NATIVE.0 {
        warnings.push(Warning::NotKernelSubsystem { subsystem: header.subsystem });
    }
    let entry = header.entry_rva;
    if entry == 0 {
        warnings.push(Warning::NoEntryPoint);
    } else if !sections.iter().any(|section| section.contains(entry) && section.is_executable()) {
        warnings.push(Warning::EntryNotExecutable { rva: entry });
    }
    warnings
}
