//! What the parser accepts, and what it makes of it.

mod builder;

mod parse {
    use pe::{ExportTarget, Image, ImportSymbol, Relocation, RelocationKind, RuntimeFunction, Warning};

    use crate::builder::*;

    #[test]
    fn header_values_are_those_of_the_file() {
        let image = Image::parse(&full().build()).unwrap();
        assert_eq!((image.machine, image.subsystem), (0x8664, 1));
        assert_eq!((image.image_base, image.size_of_image), (IMAGE_BASE, 0x9000));
        assert_eq!((image.size_of_headers, image.section_alignment), (0x400, 0x1000));
        assert_eq!((image.entry_rva, image.checksum, image.timestamp), (0x1000, 0xABCD, 0x5F00_0000));
        assert!(!image.has_tls && !image.has_dwarf && !image.relocations_stripped);
        assert_eq!(image.warnings, []);
    }

    #[test]
    fn sections_of_the_same_name_are_two_sections() {
        let image = Image::parse(&full().build()).unwrap();
        let pages: Vec<_> = image.sections.iter().filter(|section| section.is_pageable()).collect();
        assert_eq!(pages.iter().map(|section| section.rva).collect::<Vec<_>>(), [0x5000, 0x6000]);
        assert!(pages[0].is_executable() && !pages[0].is_writable());
        assert!(!pages[1].is_executable() && pages[1].is_writable());
    }

    #[test]
    fn sections_tell_what_may_be_done_with_them() {
        let image = Image::parse(&full().build()).unwrap();
        let init = image.section_at(0x7008).unwrap();
        assert!(init.is_init() && init.is_discardable() && !init.is_pageable());
        assert!(image.sections.last().unwrap().is_discardable());
        assert!(image.sections[1].is_readable() && !image.sections[1].is_discardable());
        assert_eq!(image.section_at(0x3900), None);
    }

    #[test]
    fn imports_come_by_name_and_by_ordinal() {
        let image = Image::parse(&full().build()).unwrap();
        let [filter_manager, kernel] = &image.imports[..] else { panic!("{:?}", image.imports) };
        assert_eq!(filter_manager.name, "FLTMGR.SYS");
        let start = ImportSymbol::Name { hint: 9, name: "FltStartFiltering".to_owned() };
        assert_eq!((&filter_manager.entries[1].symbol, filter_manager.entries[1].iat_rva), (&start, 0x20A8));
        assert_eq!(kernel.name, "NTOSKRNL.EXE");
        assert_eq!(kernel.entries.len(), 1);
        assert_eq!(
            (&kernel.entries[0].symbol, kernel.entries[0].iat_rva),
            (&ImportSymbol::Ordinal(77), 0x20C0)
        );
    }

    #[test]
    fn exports_are_places_or_forwarders() {
        let image = Image::parse(&full().build()).unwrap();
        assert_eq!(image.export("Alpha"), Some(&ExportTarget::Rva(0x1010)));
        assert_eq!(image.export("Beta"), Some(&ExportTarget::Forwarder("other.Gamma".to_owned())));
        assert_eq!(image.exports[1].ordinal, 11);
        assert_eq!(image.export("alpha"), None);
    }

    #[test]
    fn export_tables_at_address_zero_are_none() {
        for place in [0x19C, 0x1A0, 0x1A4] {
            let mut driver = full();
            put_u32(&mut driver.sections[1].data, place, &[0]);
            assert_eq!(Image::parse(&driver.build()).unwrap().exports, []);
        }
    }

    #[test]
    fn export_directory_may_claim_more_bytes_than_there_are() {
        let mut driver = full();
        driver.directories[0].1 = 0xF432_DB7A;
        assert_eq!(Image::parse(&driver.build()).unwrap().exports.len(), 2);
    }

    #[test]
    fn load_configuration_names_cookie_and_guard_variables() {
        let image = Image::parse(&full().build()).unwrap();
        assert_eq!(image.security_cookie_rva, Some(0x3000));
        assert_eq!(image.guard_cf_check_function_pointer_rva, Some(0x3008));
        assert_eq!(image.guard_cf_dispatch_function_pointer_rva, Some(0x3010));
        assert_eq!(image.guard_xfg_check_function_pointer_rva, Some(0x3018));
        assert_eq!(image.guard_xfg_dispatch_function_pointer_rva, Some(0x3020));
        assert_eq!(image.guard_xfg_table_dispatch_function_pointer_rva, Some(0x3028));
        assert_eq!(image.guard_flags, 0x500);
    }

    #[test]
    fn short_load_configuration_has_no_later_fields() {
        let mut driver = full();
        put_u32(&mut driver.sections[1].data, 0x300, &[0x70]);
        let image = Image::parse(&driver.build()).unwrap();
        assert_eq!(image.security_cookie_rva, Some(0x3000));
        assert_eq!(image.guard_cf_check_function_pointer_rva, None);
        assert_eq!((image.guard_xfg_check_function_pointer_rva, image.guard_flags), (None, 0));
    }

    #[test]
    fn runtime_functions_are_found_by_address() {
        let image = Image::parse(&full().build()).unwrap();
        let second = RuntimeFunction { begin: 0x1020, end: 0x1060, unwind: 0x2504 };
        assert_eq!(image.runtime_function_at(0x1020), Some(&second));
        assert_eq!(image.runtime_function_at(0x105F), Some(&second));
        assert_eq!(image.runtime_function_at(0x1060), None);
        assert_eq!(image.runtime_function_at(0xFFF), None);
    }

    #[test]
    fn unsorted_runtime_functions_are_sorted_with_a_warning() {
        let mut driver = full();
        put_u32(&mut driver.sections[3].data, 0, &[0x1020, 0x1060, 0x2504, 0x1000, 0x1020, 0x2500]);
        let image = Image::parse(&driver.build()).unwrap();
        assert_eq!(image.runtime_functions[0].begin, 0x1000);
        assert_eq!(image.warnings, [Warning::UnsortedRuntimeFunctions]);
    }

    #[test]
    fn debug_record_names_the_pdb_file() {
        let debug = Image::parse(&full().build()).unwrap().debug.unwrap();
        assert_eq!((&debug.guid, debug.age, debug.pdb_name.as_str()), (b"0123456789abcdef", 3, "full.pdb"));
    }

    #[test]
    fn damaged_debug_directory_is_only_a_warning() {
        let image = Image::parse(&full().directory(6, 0x8F00, 28).build()).unwrap();
        assert_eq!(image.debug, None);
        assert!(matches!(&image.warnings[..], [Warning::DebugDirectory { .. }]));
    }

    #[test]
    fn image_without_relocations_says_so() {
        let mut driver = full().directory(5, 0, 0);
        driver.sections.pop();
        let image = Image::parse(&driver.build()).unwrap();
        assert!(!image.has_relocations && image.relocations.is_empty());
        let mut file = driver.build();
        file[NT + 22] |= 1;
        assert!(Image::parse(&file).unwrap().relocations_stripped);
    }

    #[test]
    fn every_relocation_type_is_read_and_padding_is_skipped() {
        let entries = [(1, 0x10), (2, 0x14), (3, 0x18), (4, 0x20), (0, 0x678), (10, 0x40), (0, 0)];
        let block = relocation_block(0x3000, &entries);
        let mut driver = full().directory(5, 0x8000, block.len() as u32);
        let section = driver.sections.last_mut().unwrap();
        (section.virtual_size, section.data) = (block.len() as u32, block);
        let image = Image::parse(&driver.build()).unwrap();
        let expected = [
            (0x3010, RelocationKind::High),
            (0x3014, RelocationKind::Low),
            (0x3018, RelocationKind::HighLow),
            (0x3020, RelocationKind::HighAdj { low: 0x678 }),
            (0x3040, RelocationKind::Dir64),
        ];
        assert_eq!(image.relocations, expected.map(|(rva, kind)| Relocation { rva, kind }));
    }

    #[test]
    fn long_section_names_come_from_the_string_table() {
        let driver = full().section(b"/4", 0x9000, &[0; 8], DISCARDABLE);
        let mut file = driver.build();
        let table = file.len() as u32;
        put_u32(&mut file, NT + 12, &[table]);
        file.extend_from_slice(b"\x10\0\0\0.debug_info\0");
        let image = Image::parse(&file).unwrap();
        assert_eq!(image.sections.last().unwrap().name, ".debug_info");
        assert!(image.has_dwarf);
    }

    #[test]
    fn other_subsystems_and_a_missing_entry_point_are_warnings() {
        let mut driver = full();
        driver.entry = 0;
        let mut file = driver.build();
        file[OPTIONAL + 68] = 3;
        let warnings = Image::parse(&file).unwrap().warnings;
        assert_eq!(warnings, [Warning::NotKernelSubsystem { subsystem: 3 }, Warning::NoEntryPoint]);
        assert!(
            warnings[0].to_string().starts_with("not a kernel driver image: subsystem 3 (Windows console)")
        );
    }

    #[test]
    fn entry_point_in_data_is_a_warning() {
        let mut driver = full();
        driver.entry = 0x3000;
        let warnings = Image::parse(&driver.build()).unwrap().warnings;
        assert_eq!(warnings, [Warning::EntryNotExecutable { rva: 0x3000 }]);
    }
}

mod map {
    use pe::{Image, PeError, Relocation, RelocationKind, relocate};

    use crate::builder::*;

    #[test]
    fn sections_stand_at_their_rvas_and_the_rest_is_zero() {
        let file = full().build();
        let image = Image::parse(&file).unwrap();
        let laid_out = image.map(&file).unwrap();
        assert_eq!(laid_out.len(), 0x9000);
        assert_eq!(laid_out[..0x400], file[..0x400]);
        assert!(laid_out[0x400..0x1000].iter().all(|byte| *byte == 0));
        assert_eq!(laid_out[0x1000..0x1100], [0xCC; 0x100]);
        assert_eq!(laid_out[0x3080..0x4000], [0; 0xF80]);
        let mut own = vec![0xFF; 0x9000];
        image.map_into(&file, &mut own).unwrap();
        assert_eq!(own, laid_out);
    }

    #[test]
    fn buffer_of_another_size_and_another_file_are_refused() {
        let file = full().build();
        let image = Image::parse(&file).unwrap();
        let error = image.map_into(&file, &mut [0; 0x1000]).unwrap_err();
        assert_eq!(error, PeError::BufferSize { bytes: 0x1000, size_of_image: 0x9000 });
        assert!(matches!(image.map(&file[..0x500]), Err(PeError::Truncated { .. })));
    }

    #[test]
    fn a_move_changes_only_the_relocated_places() {
        let file = full().build();
        let image = Image::parse(&file).unwrap();
        let original = image.map(&file).unwrap();
        let mut moved = original.clone();
        let delta = 0xFFFF_F800_1234_0000u64.wrapping_sub(IMAGE_BASE);
        relocate(&mut moved, &image.relocations, delta).unwrap();
        assert_eq!(moved[0x3040..0x3048], 0xFFFF_F800_1234_1010u64.to_le_bytes());
        relocate(&mut moved, &image.relocations, delta.wrapping_neg()).unwrap();
        assert_eq!(moved, original);
    }

    #[test]
    fn narrow_relocations_change_their_part_of_the_address() {
        let moved = |kind: RelocationKind, before: &[u8], delta: u64| {
            let mut bytes = before.to_vec();
            relocate(&mut bytes, &[Relocation { rva: 0, kind }], delta).map(|()| bytes)
        };
        let delta = 0x0012_8000;
        assert_eq!(moved(RelocationKind::High, &[0x40, 0], delta).unwrap(), [0x52, 0]);
        assert_eq!(moved(RelocationKind::Low, &[0x34, 0x12], delta).unwrap(), [0x34, 0x92]);
        let word = 0x0040_1234u32.to_le_bytes();
        assert_eq!(moved(RelocationKind::HighLow, &word, delta).unwrap(), 0x0052_9234u32.to_le_bytes());
        // 0x0040_1234 + 0x0012_8000 = 0x0052_9234: its lower half is negative, so the upper half is one more.
        assert_eq!(moved(RelocationKind::HighAdj { low: 0x1234 }, &[0x40, 0], delta).unwrap(), [0x53, 0]);
        let far = 0x1_0000_0000;
        assert_eq!(
            moved(RelocationKind::HighLow, &word, far),
            Err(PeError::RelocationOverflow { rva: 0, delta: far })
        );
    }

    #[test]
    fn relocation_outside_the_buffer_is_refused() {
        let relocations = [Relocation { rva: 4, kind: RelocationKind::Dir64 }];
        assert!(matches!(relocate(&mut [0; 8], &relocations, 1), Err(PeError::NotInImage { rva: 4, .. })));
    }
}
