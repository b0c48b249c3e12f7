//! What the parser refuses, with which words; and that no input makes it panic.

mod builder;

mod parse {
    use pe::{Image, PeError, relocate};

    use crate::builder::*;

    fn refused(file: &[u8]) -> String {
        Image::parse(file).expect_err("the image must be refused").to_string()
    }

    #[track_caller]
    fn assert_says(file: &[u8], words: &[&str]) {
        let message = refused(file);
        for word in words {
            assert!(message.contains(word), "{message:?} does not contain {word:?}");
        }
    }

    #[test]
    fn empty_file_is_refused() {
        assert_eq!(Image::parse(&[]), Err(PeError::Empty));
    }

    #[test]
    fn other_kinds_of_file_are_named() {
        assert_says(b"hello, world", &["not a PE image", "no MZ signature", "offset 0x0"]);
        assert_says(b"\x7fELF\x02\x01\x01", &["ELF", "Windows target"]);
        assert_says(&[0x64, 0x86, 3, 0, 0, 0], &["object file", "link it"]);
        assert_says(b"!<arch>\n", &["archive", "link it"]);
        assert_says(b"M", &["truncated", "DOS header"]);
        let mut file = full().build();
        file[NT] = b'N';
        assert_says(&file, &["not a PE image", "0x80"]);
    }

    #[test]
    fn driver_for_another_machine_is_refused() {
        let mut file = full().build();
        put(&mut file, NT + 4, &0x14Cu16.to_le_bytes());
        assert_says(&file, &["32-bit driver", "build it for x64", "0x84"]);
        put(&mut file, NT + 4, &0xAA64u16.to_le_bytes());
        assert_says(&file, &["wrong machine 0xaa64 (ARM64)", "x64"]);
    }

    #[test]
    fn image_with_link_errors_is_refused() {
        let mut file = full().build();
        file[NT + 22] = 0x20;
        assert_says(&file, &["not an executable image", "link it again"]);
    }

    #[test]
    fn impossible_header_values_are_named_with_their_place() {
        let with = |offset: usize, value: u32| {
            let mut file = full().build();
            put_u32(&mut file, offset, &[value]);
            file
        };
        assert_says(&with(OPTIONAL, 0x10B), &["Magic", "0x10b", "0x98"]);
        assert_says(&with(OPTIONAL + 16, 0x9000), &["AddressOfEntryPoint"]);
        assert_says(&with(OPTIONAL + 24, 1), &["ImageBase"]);
        assert_says(&with(OPTIONAL + 32, 0x1001), &["SectionAlignment", "0x1001"]);
        assert_says(&with(OPTIONAL + 56, 0x4000_0001), &["SizeOfImage", "1 GiB"]);
        assert_says(&with(OPTIONAL + 60, 0x200), &["SizeOfHeaders"]);
        let mut file = full().build();
        put(&mut file, NT + 6, &97u16.to_le_bytes());
        assert_says(&file, &["too many sections", "97", "96"]);
        put(&mut file, NT + 20, &0x60u16.to_le_bytes());
        assert_says(&file, &["SizeOfOptionalHeader"]);
    }

    #[test]
    fn section_beyond_the_file_is_refused() {
        let mut file = full().build();
        file.truncate(file.len() - 1);
        let message = refused(&file);
        assert!(message.contains("section .reloc ends at 0x1800"), "{message}");
        assert!(message.contains("beyond the file's 0x17ff bytes"), "{message}");
    }

    #[test]
    fn overlapping_sections_are_refused() {
        let mut driver = full();
        driver.sections[1].rva = 0x1000;
        let error = Image::parse(&driver.build()).unwrap_err();
        let expected = PeError::Overlap {
            first: "section .text".to_owned(),
            first_end: 0x2000,
            second: "section .rdata".to_owned(),
            second_rva: 0x1000,
        };
        assert_eq!(error, expected);
        driver.sections[1].rva = 0x200;
        assert_says(&driver.build(), &["the headers", "overlaps section .rdata"]);
    }

    #[test]
    fn section_beyond_the_image_is_refused() {
        let mut file = full().build();
        put_u32(&mut file, OPTIONAL + 56, &[0x8000]);
        assert_says(&file, &["section .reloc", "SizeOfImage"]);
    }

    fn with_relocations(block: Vec<u8>) -> Vec<u8> {
        let mut driver = full().directory(5, 0x8000, block.len() as u32);
        let section = driver.sections.last_mut().unwrap();
        (section.virtual_size, section.data) = (block.len() as u32, block);
        driver.build()
    }

    #[test]
    fn relocation_out_of_range_is_refused() {
        assert_says(
            &with_relocations(relocation_block(0x9000, &[(10, 0)])),
            &["target of a relocation", "0x9000"],
        );
        assert_says(&with_relocations(relocation_block(0x8000, &[(10, 0xFF9)])), &["0x8ff9"]);
        assert!(Image::parse(&with_relocations(relocation_block(0x8000, &[(10, 0xFF8)]))).is_ok());
    }

    #[test]
    fn damaged_relocation_blocks_are_refused() {
        assert_says(&with_relocations(relocation_block(0x3000, &[(5, 0x40)])), &["unknown type 5", "0x3040"]);
        assert_says(&with_relocations(relocation_block(0x3000, &[(4, 0x40)])), &["HIGHADJ"]);
        let mut block = relocation_block(0x3000, &[(10, 0x40)]);
        put_u32(&mut block, 4, &[4]);
        assert_says(&with_relocations(block.clone()), &["smaller than its header", "0x8000"]);
        put_u32(&mut block, 4, &[40]);
        assert_says(&with_relocations(block), &["over the end"]);
    }

    #[test]
    fn directories_outside_the_sections_are_refused() {
        for (index, word) in [(0, "export"), (1, "import"), (3, "exception"), (5, "relocation"), (10, "load")]
        {
            assert_says(&full().directory(index, 0x8F00, 0x40).build(), &[word, "0x8f00", "no section"]);
        }
    }

    #[test]
    fn damaged_imports_are_refused() {
        let mut driver = full();
        put_u64(&mut driver.sections[1].data, 0x88, &[0x7FFF_FFFF_FFFF_FFFF]);
        assert_says(&driver.build(), &["an import name of FLTMGR.SYS"]);
        let mut driver = full();
        put(&mut driver.sections[1].data, 0x122, &[0]);
        assert_says(&driver.build(), &["imported name is empty"]);
        let mut driver = full();
        put_u32(&mut driver.sections[1].data, 12, &[0x1000]);
        assert_says(&driver.build(), &["name does not end"]);
    }

    #[test]
    fn too_many_imports_are_refused() {
        let mut driver = full().section(b".idata", 0x9000, &vec![0x80; 0x9_0000], READ_ONLY);
        put_u32(&mut driver.sections[1].data, 0, &[0x9000, 0, 0, 0x20E0, 0x9000]);
        assert_says(&driver.build(), &["too many imports", "65537", "65536"]);
    }

    #[test]
    fn damaged_exception_entries_are_refused() {
        for entry in [[0x1020, 0x1020, 0x2500], [0x1000, 0x9001, 0x2500], [0x1000, 0x1010, 0x9000]] {
            let mut driver = full();
            put_u32(&mut driver.sections[3].data, 12, &entry);
            assert_says(&driver.build(), &["exception directory", "0x400c"]);
        }
    }

    #[test]
    fn damaged_exports_are_refused() {
        let mut driver = full();
        put(&mut driver.sections[1].data, 0x1D2, &[2]);
        assert_says(&driver.build(), &["export directory", "does not have"]);
        let mut driver = full();
        put_u32(&mut driver.sections[1].data, 0x180 + 24, &[65_537]);
        assert_says(&driver.build(), &["too many exported names"]);
    }

    #[test]
    fn cookie_outside_the_image_is_refused() {
        for address in [1, IMAGE_BASE - 8, IMAGE_BASE + 0x9000, IMAGE_BASE + 0x38FC] {
            let mut driver = full();
            put_u64(&mut driver.sections[1].data, 0x358, &[address]);
            assert_says(&driver.build(), &["the security cookie"]);
        }
    }

    /// Whatever the parser accepts, the later steps accept too, without a panic.
    fn exercise(file: &[u8]) {
        match Image::parse(file) {
            Ok(image) if image.size_of_image <= 1 << 20 => {
                let mut laid_out = image.map(file).unwrap();
                for kind in [0x1_0000, 0xFFFF_8000_0000_0000] {
                    let _ = relocate(&mut laid_out, &image.relocations, kind);
                }
                let _ = image.runtime_function_at(image.entry_rva);
                let _ = image.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
            }
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn truncation_at_every_byte_is_an_error_without_panic() {
        let file = full().build();
        for length in 0..file.len() {
            exercise(&file[..length]);
            assert!(Image::parse(&file[..length]).is_err(), "accepted with {length} bytes");
        }
        assert!(Image::parse(&file).is_ok());
    }

    #[test]
    fn flipped_bits_never_panic() {
        let good = full().build();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % bound as u64) as usize
        };
        for round in 0..6000 {
            let mut file = good.clone();
            for _ in 0..=round % 4 {
                // Most flips in the headers and the directories, where they matter.
                let at = if round % 3 == 0 { next(good.len()) } else { next(0xC00) };
                file[at] ^= 1 << next(8);
            }
            exercise(&file);
        }
        for at in NT..SECTION_TABLE + 40 * 8 {
            for value in [0, 0x7F, 0x80, 0xFF] {
                let mut file = good.clone();
                file[at] = value;
                exercise(&file);
            }
        }
    }
}
