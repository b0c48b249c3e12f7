//! Sections of files on a volume: views, stores, and how they reach the store.

mod support;

use boundary::copy;
use nt_abi::*;
use nt_ob::ObjectRef;
use nt_section::*;
use support::*;

const READ_ONLY: u32 = 0x02;
const READ_WRITE: u32 = 0x04;
const SEC_COMMIT: u32 = 0x0800_0000;
const SEC_IMAGE: u32 = 0x0100_0000;

fn section(file: &Open, bytes: u64, protection: u32) -> Result<ObjectRef, NtStatus> {
    let parameters =
        SectionParameters { maximum_size: bytes, protection, attributes: SEC_COMMIT, file: Some(file.file) };
    mm_create_section(&parameters).unwrap()
}

/// A section of the whole file, and a system view of it.
fn mapped(file: &Open, protection: u32) -> (ObjectRef, usize) {
    let section = section(file, 0, protection).expect("a section");
    let (address, _) = mm_map_view_in_system_space(section.address(), 0).unwrap().expect("a view");
    (section, address)
}

fn bytes_at(address: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    copy::read(address, &mut bytes).unwrap();
    bytes
}

mod views {
    use super::*;

    #[test]
    fn and_the_cache_see_each_others_bytes() {
        // spec: MM-05
        on_volume(|_, _| {
            let file = open("f", 0);
            file.write(0, &[1; 3 * PAGE]);
            let (section, view) = mapped(&file, READ_WRITE);
            assert_eq!(bytes_at(view + 2 * PAGE, 4), [1; 4]);
            file.write(PAGE as i64, &[2; 10]);
            assert_eq!(bytes_at(view + PAGE, 11), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
            copy::write(view + 5, &[9; 3]).unwrap();
            assert_eq!(file.read(4, 5).1, [1, 9, 9, 9, 1]);
            assert_eq!(mm_unmap_view_in_system_space(view), Ok(()));
            assert_eq!(mm_unmap_view_in_system_space(view), Err(NtStatus::NOT_MAPPED_VIEW));
            section.release().unwrap();
            file.close();
        });
    }

    #[test]
    fn of_a_file_that_nobody_caches_are_read_when_they_are_made() {
        on_volume(|store, _| {
            let file = open("f", FILE_NO_INTERMEDIATE_BUFFERING);
            file.write(0, &[5; 2 * PAGE]);
            store.log();
            let (section, view) = mapped(&file, READ_ONLY);
            assert_eq!(store.log(), ["read 8192 at 0"]);
            assert_eq!(bytes_at(view, 2 * PAGE), [5; 2 * PAGE]);
            assert!(store.log().is_empty(), "a fault does no I/O");
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            file.close();
        });
    }

    #[test]
    fn larger_than_a_piece_of_the_cache_begin_and_end_anywhere() {
        on_volume(|_, _| {
            let file = open("f", 0);
            let size = (600 << 10) + 100;
            for at in (0..size).step_by(64 << 10) {
                file.write(at as i64, &[(at >> 16) as u8; 64 << 10][..(64 << 10).min(size - at)]);
            }
            let section = section(&file, 0, READ_WRITE).unwrap();
            assert_eq!(section_size(section.address()), Some(SectionSize(size as u64)));
            let (view, bytes) = mm_map_view_in_system_space(section.address(), 0).unwrap().unwrap();
            assert_eq!(bytes, size.next_multiple_of(PAGE));
            for at in (0..size).step_by(64 << 10) {
                assert_eq!(bytes_at(view + at, 8), [(at >> 16) as u8; 8]);
            }
            assert_eq!(
                bytes_at(view + size, bytes - size),
                vec![0; bytes - size],
                "zeros behind the end of file"
            );
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            file.close();
        });
    }
}

mod sections {
    use super::*;

    #[test]
    fn of_nothing_and_beyond_the_file_are_refused() {
        // spec: FSF-14
        on_volume(|_, _| {
            let file = open("f", 0);
            assert_eq!(section(&file, 0, READ_WRITE).err(), Some(NtStatus::MAPPED_FILE_SIZE_ZERO));
            file.write(0, &[1; 100]);
            assert_eq!(section(&file, 200, READ_ONLY).err(), Some(NtStatus::SECTION_TOO_BIG));
            assert_eq!(section(&file, 0, 0x06).err(), Some(NtStatus::INVALID_PAGE_PROTECTION));
            let grown = section(&file, 200, READ_WRITE).unwrap();
            assert_eq!(file.sizes().0, 200, "a writable section makes the file as long as it is");
            grown.release().unwrap();
            file.close();
        });
    }

    #[test]
    fn keep_the_file_after_its_handle_until_what_was_stored_is_written() {
        // spec: PAGE-15, MM-05
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; PAGE]);
            let (section, view) = mapped(&file, READ_WRITE);
            file.close();
            copy::write(view + 100, b"stored after the handle was closed").unwrap();
            section.release().unwrap();
            mm_unmap_view_in_system_space(view).unwrap();
            assert_eq!(flush_all(), Ok(0));
            nt_cc::flush_all().unwrap();
            let bytes = store.bytes("f");
            assert_eq!(&bytes[100..134], b"stored after the handle was closed");
            assert_eq!((bytes.len(), bytes[99], bytes[134]), (PAGE, 1, 1));
            let again = open("f", 0);
            assert_eq!(again.sizes(), (PAGE as i64, PAGE as i64));
            again.close();
        });
    }
}

mod stores {
    use super::*;

    #[test]
    fn are_written_by_the_page_writer_and_by_a_flush() {
        // spec: PAGE-05, FSF-15
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 4 * PAGE]);
            file.flush();
            let (section, view) = mapped(&file, READ_WRITE);
            store.log();
            copy::write(view + PAGE + 7, &[7; 2]).unwrap();
            copy::write(view + 3 * PAGE, &[8]).unwrap();
            assert_eq!(flush_all(), Ok(0));
            let mut written = store.log();
            written.sort_unstable();
            assert_eq!(written, ["write 4096 at 12288", "write 4096 at 4096"], "the pages stored to");
            assert_eq!(store.bytes("f")[PAGE + 6..PAGE + 10], [1, 7, 7, 1]);
            copy::write(view, &[3]).unwrap();
            file.flush();
            assert_eq!(store.bytes("f")[0], 3);
            assert_eq!(flush_all(), Ok(0));
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            file.close();
        });
    }

    #[test]
    fn behind_valid_data_move_its_end_and_leave_zeros_in_front() {
        // spec: PAGE-05, PAGE-09
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 10]);
            file.set_end(6 * PAGE as i64);
            assert_eq!(file.sizes(), (6 * PAGE as i64, 10));
            let (section, view) = mapped(&file, READ_WRITE);
            copy::write(view + 4 * PAGE, &[4; 4]).unwrap();
            assert_eq!(flush_all(), Ok(0));
            assert_eq!(file.sizes(), (6 * PAGE as i64, 5 * PAGE as i64));
            let bytes = store.bytes("f");
            assert_eq!(bytes[..12], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
            assert!(bytes[12..4 * PAGE].iter().all(|byte| *byte == 0));
            assert_eq!(bytes[4 * PAGE..4 * PAGE + 5], [4, 4, 4, 4, 0]);
            // The last handle makes zeros of the rest, not of what was stored meanwhile.
            copy::write(view + 5 * PAGE + 1, &[5; 5]).unwrap();
            file.close();
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            assert_eq!(flush_all(), Ok(0));
            nt_cc::flush_all().unwrap();
            let bytes = store.bytes("f");
            assert_eq!(bytes[5 * PAGE..5 * PAGE + 8], [0, 5, 5, 5, 5, 5, 0, 0]);
        });
    }

    #[test]
    fn of_a_stream_file_object_are_written_when_its_owner_says_so() {
        // spec: CC-24
        on_volume(|store, core| {
            let file = open("f", 0);
            file.write(0, &[1; PAGE]);
            file.flush();
            let (section, view) = mapped(&file, READ_WRITE);
            let tried = || core.findings().iter().any(|finding| finding.rule == "lost-mapped-write");
            let context = file.file.FsContext2.replace(std::ptr::null_mut());
            copy::write(view, &[2]).unwrap();
            assert_eq!(flush_all(), Ok(0));
            assert!(!tried(), "nobody opened it");
            let flags = &file.header().Flags2;
            flags.set(flags.get() | FSRTL_FLAG2_DO_MODIFIED_WRITE);
            // This file system refuses file objects that nobody opened, so the writer gives up, but it tries.
            assert_eq!(flush_all(), Ok(0));
            assert_eq!((tried(), store.bytes("f")[0]), (true, 1));
            file.file.FsContext2.set(context);
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            file.close();
        });
    }

    #[test]
    fn that_cannot_be_written_are_reported_and_given_up() {
        on_volume(|store, core| {
            let file = open("f", 0);
            file.write(0, &[1; PAGE]);
            file.flush();
            let (section, view) = mapped(&file, READ_WRITE);
            copy::write(view, &[2]).unwrap();
            store.set_hook(|what| {
                if what.starts_with("write") { Err(StoreError::NoSpace("f".into())) } else { Ok(()) }
            });
            assert_eq!(flush_all(), Ok(0));
            store.clear_hook();
            let findings = core.findings();
            assert!(findings.iter().any(|finding| finding.rule == "lost-mapped-write"), "{findings:?}");
            assert_eq!(store.bytes("f")[0], 1);
            copy::write(view, &[3]).unwrap();
            assert_eq!(flush_all(), Ok(0));
            assert_eq!(store.bytes("f")[0], 3, "later stores are written again");
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            file.close();
        });
    }
}

mod a_mapped_file {
    use super::*;

    #[test]
    fn is_neither_cut_nor_deleted_nor_opened_against_its_views() {
        // spec: MM-01, MM-02, MM-03, MM-04
        on_volume(|_, _| {
            let file = open("f", 0);
            file.write(0, &[1; 3 * PAGE]);
            let (section, view) = mapped(&file, READ_WRITE);
            assert_eq!(file.set_end(PAGE as i64), NtStatus::USER_MAPPED_FILE);
            assert_eq!(file.set_end(4 * PAGE as i64), NtStatus::SUCCESS, "it may grow");
            let delete = nt_mm::UserBuffer::from_bytes(&[1]).unwrap();
            let dispose = || {
                let class = file_information_class::FileDispositionInformation;
                nt_io::nt_set_information_file(file.handle, delete.address(), 1, class).unwrap().status
            };
            assert_eq!(dispose(), NtStatus::CANNOT_DELETE);
            let pointers = nt_cc::section_pointers(file.file).unwrap();
            assert_eq!(mm_does_file_have_user_writable_references(pointers), 1);
            assert!(!mm_can_file_be_truncated(pointers, Some(0)));
            assert!(mm_can_file_be_truncated(pointers, Some(5 * PAGE as i64)));
            assert!(mm_flush_image_section(pointers, FlushType::Write), "there is no image");
            mm_unmap_view_in_system_space(view).unwrap();
            section.release().unwrap();
            assert_eq!(mm_does_file_have_user_writable_references(pointers), 0);
            assert_eq!(file.set_end(PAGE as i64), NtStatus::SUCCESS);
            assert_eq!(dispose(), NtStatus::SUCCESS);
            file.close();
        });
    }

    #[test]
    fn that_is_an_image_is_not_opened_for_writing() {
        // spec: MM-01, MM-02
        on_volume(|_, _| {
            let file = open("f.sys", 0);
            file.write(0, b"no image");
            let image = || {
                let parameters = SectionParameters {
                    maximum_size: 0,
                    protection: 0x20,
                    attributes: SEC_IMAGE,
                    file: Some(file.file),
                };
                mm_create_section(&parameters).unwrap()
            };
            assert_eq!(image().err(), Some(NtStatus::INVALID_IMAGE_NOT_MZ));
            file.write(0, include_bytes!("../../../drivers/bin/passthrough.sys"));
            let section = image().expect("a driver is an image");
            let pointers = nt_cc::section_pointers(file.file).unwrap();
            assert!(!pointers.ImageSectionObject.get().is_null());
            assert!(!mm_flush_image_section(pointers, FlushType::Write));
            assert!(!mm_can_file_be_truncated(pointers, None));
            section.release().unwrap();
            assert!(pointers.ImageSectionObject.get().is_null());
            assert!(mm_flush_image_section(pointers, FlushType::Delete));
            file.close();
        });
    }
}
