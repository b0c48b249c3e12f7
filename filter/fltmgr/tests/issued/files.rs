//! Files that filters open, ask about and change below themselves.

use std::cell::Cell;
use std::ptr::from_ref;
use std::sync::atomic::Ordering;

use fltmgr::directory::flt_is_directory;
use fltmgr::generated::*;
use fltmgr::properties::*;
use fltmgr::reissue::{flt_cancel_file_open, flt_reissue_synchronous_io};
use nt_abi::file_information_class as class;
use nt_abi::*;

use crate::stage::*;

const BOTH: u32 = IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO;

#[test]
fn information_is_asked_for_and_set_in_the_filters_buffer() {
    // spec: GIO-32
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        answer(|_, _| Some((NtStatus::BUFFER_OVERFLOW, 9)));
        let result = flt_query_information_file(&stage.instance, stage.file, buffer, 64, 5).unwrap();
        assert_eq!((result.status, result.information), (NtStatus::BUFFER_OVERFLOW, 9));
        let found = only();
        assert_eq!((found.major, found.irp_flags, found.system), (IRP_MJ_QUERY_INFORMATION, BOTH, buffer));
        assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (64, 5));
        let result = flt_set_information_file(&stage.instance, stage.file, buffer, 8, 20).unwrap();
        assert_eq!((result.status, result.information), (NtStatus::BUFFER_OVERFLOW, 9));
        let found = only();
        assert_eq!((found.major, found.irp_flags, found.system), (IRP_MJ_SET_INFORMATION, BOTH, buffer));
        assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (8, 20));
        assert_eq!(flt_flush_buffers(&stage.instance, stage.file), Ok(NtStatus::BUFFER_OVERFLOW));
        let found = only();
        assert_eq!(
            (found.major, found.irp_flags, found.file),
            (IRP_MJ_FLUSH_BUFFERS, IRP_SYNCHRONOUS_API, from_ref(stage.file) as usize)
        );
        assert_eq!(found.mode, 0);
    });
}

#[test]
fn a_rename_says_whether_it_replaces_and_needs_a_target_that_can_be_opened() {
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        let set = |class: u32, length: u32, replace: u8, root: u64, name: u16| {
            boundary::copy::write_value(buffer, u64::from(replace)).unwrap();
            boundary::copy::write_value(buffer + 8, root).unwrap();
            boundary::copy::write_value(buffer + 0x10, 2u32).unwrap();
            boundary::copy::write_value(buffer + 0x14, name).unwrap();
            let result =
                flt_set_information_file(&stage.instance, stage.file, buffer, length, class).unwrap();
            let sent = seen().iter().find(|found| found.major == IRP_MJ_SET_INFORMATION).map(|found| {
                assert_eq!(found.parameters[2], 0, "no target directory");
                found.parameters[3] as u8
            });
            sent.ok_or(result.status)
        };
        let (letter, backslash) = (u16::from(b'n'), u16::from(b'\\'));
        for class in [10, 11, 65, 72] {
            assert_eq!(set(class, 0x16, 0, 0, letter), Ok(0), "{class}");
            let replaces = u8::from(class < 65);
            assert_eq!(set(class, 0x16, 1, 0, letter), Ok(replaces), "{class}: newer ones have flags");
            let below = set(class, 0x16, 0, 8, letter);
            assert_eq!(below, Err(NtStatus::INVALID_HANDLE), "{class}: below no directory");
            assert!(set(class, 0x16, 0, 0, backslash).is_err(), "{class}: a whole path");
            assert_eq!(
                set(class, 0x15, 0, 0, letter),
                Err(NtStatus::INVALID_PARAMETER),
                "{class}: too short"
            );
        }
        // Disposition and others have no target.
        assert_eq!(set(13, 0x16, 1, 8, backslash), Ok(0));
    });
}

#[test]
fn a_file_that_is_opened_below_an_instance_is_seen_below_it_to_its_end() {
    // spec: GIO-24, GIO-27, GIO-41
    on_stage(USUAL, |stage| {
        thread_local!(static ABOVE: Cell<u32> = const { Cell::new(0) });
        hook(|who, _, _| {
            ABOVE.set(ABOVE.get() + u32::from(who == "asker"));
            None
        });
        let name = units(r"\??\C:\own");
        let create = |instance| flt_create_file(instance, parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT));
        for (instance, above) in [(Some(&*stage.instance), 0), (None, 6)] {
            let opened = create(instance).unwrap();
            assert_eq!(opened.status, NtStatus::SUCCESS);
            flt_close(opened.handle).unwrap();
            let majors: Vec<u8> = seen().iter().map(|found| found.major).collect();
            assert_eq!(majors, [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE]);
            assert_eq!(ABOVE.take(), above, "each with its post callback");
            let generated: Vec<bool> = watched()
                .iter()
                .map(|seen| seen.data_flags & FLTFL_CALLBACK_DATA_GENERATED_IO != 0)
                .collect();
            assert_eq!(generated, [instance.is_some(); 6]);
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
        assert_eq!(flt_close(0x7FF0), Ok(NtStatus::INVALID_HANDLE));
    });
}

#[test]
fn files_that_stay_open_below_an_instance_are_reported_when_it_goes() {
    // spec: LIFE-21
    for (left, fails) in [(0, 0), (0, 1), (1, 0), (2, 1)] {
        on_stage(USUAL, |stage| {
            let name = units(r"\??\C:\own");
            let create = || {
                let parameters = parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT);
                flt_create_file(Some(&*stage.instance), parameters).unwrap()
            };
            flt_close(create().handle).unwrap();
            (0..left).for_each(|_| assert_ne!(create().handle, 0));
            answer(|_, found| (found.major == IRP_MJ_CREATE).then_some((NtStatus::ACCESS_DENIED, 0)));
            (0..fails).for_each(|_| assert_eq!(create().status, NtStatus::ACCESS_DENIED));
            fltmgr::flt_unregister_filter(&stage.filter).unwrap();
            let findings = stage.core.findings();
            assert_eq!(findings.len(), usize::from(left != 0), "{findings:?}");
            if left != 0 {
                assert_eq!((findings[0].rule, findings[0].driver.as_str()), ("LIFE-21", "asker"));
                assert!(findings[0].message.starts_with(&format!("{left} file(s)")), "{findings:?}");
            }
        });
    }
}

#[test]
fn a_query_by_name_is_seen_below_its_instance() {
    on_stage(USUAL, |stage| {
        thread_local!(static ABOVE: Cell<u32> = const { Cell::new(0) });
        hook(|who, _, _| {
            ABOVE.set(ABOVE.get() + u32::from(who == "asker"));
            None
        });
        let name = units(r"\??\C:\asked");
        let buffer = memory(0x48);
        for (instance, above) in [(Some(&*stage.instance), false), (None, true)] {
            let parameters = nt_io::CreateParameters {
                access: FILE_READ_ATTRIBUTES,
                disposition: FILE_OPEN,
                ..parameters(&name, 0)
            };
            let class = class::FileStatInformation;
            let result = flt_query_information_by_name(instance, parameters, buffer, 0x48, class).unwrap();
            assert_eq!(result.status, NtStatus::SUCCESS);
            assert!(seen().iter().any(|found| found.major == IRP_MJ_QUERY_INFORMATION));
            assert_eq!(ABOVE.take() != 0, above);
        }
    });
}

#[test]
fn whether_a_file_is_a_directory_is_asked_once_for_each_stream() {
    // spec: OBJ-23, OBJ-24
    for directory in [false, true] {
        on_stage(USUAL, |stage| {
            let is_it = |file| flt_is_directory(file, &stage.instance).unwrap();
            answer(|_, _| Some((NtStatus::ACCESS_DENIED, 0)));
            assert_eq!(is_it(stage.file), Err(NtStatus::ACCESS_DENIED));
            answer(move |_, found| {
                assert_eq!((found.major, found.parameters[0] as u32), (IRP_MJ_QUERY_INFORMATION, 24));
                assert_eq!(found.parameters[1] as u32, class::FileStandardInformation);
                // All is set but the flag, or the flag alone.
                boundary::copy::fill(found.system, u8::from(!directory), 24).unwrap();
                boundary::copy::write_value(found.system + 21, u8::from(directory)).unwrap();
                Some((NtStatus::SUCCESS, 24))
            });
            assert_eq!((seen().len(), is_it(stage.file)), (1, Ok(directory)));
            assert_eq!((seen().len(), is_it(stage.file)), (1, Ok(directory)));
            assert_eq!(seen().len(), 0, "it is known");
            let (other, _) = {
                answer_as_usual();
                stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT)
            };
            seen();
            assert_eq!((is_it(other), seen().len()), (Ok(false), 1), "another stream");
            assert_eq!(stage.rules(), Vec::<&str>::new());
            let context = stage.file.FsContext.replace(std::ptr::null_mut());
            assert_eq!((is_it(stage.file), seen().len()), (Err(NtStatus::INVALID_PARAMETER), 0));
            stage.file.FsContext.set(context);
            assert_eq!(stage.rules(), ["OBJ-24"]);
        });
    }
}

/// What `flt_get_volume_properties` gives with `room` bytes at an address: status, bytes, length.
fn properties(stage: &Stage, room: usize) -> (NtStatus, Vec<u8>, usize) {
    flt_get_volume_properties(&stage.instance.volume, 0x1000, room)
}

#[test]
fn the_properties_of_a_volume_are_those_of_its_devices() {
    // spec: OBJ-15, OBJ-16, OBJ-17, OBJ-18
    let setting = Setting { device_flags: DO_DIRECT_IO, sector: 4096, alignment: 7, ..USUAL };
    on_stage(setting, |stage| {
        let (status, bytes, length) = properties(stage, 0x400);
        assert_eq!((status, bytes.len()), (NtStatus::SUCCESS, length));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let lower = stage.instance.volume.lower().unwrap();
        assert_eq!((word(0), word(4)), (FILE_DEVICE_DISK_FILE_SYSTEM, lower.Characteristics.get()));
        assert_eq!((word(8), word(12), word(16), word(20)), (DO_DIRECT_IO, 7, 4096, 0));
        let fixed = size_of::<FLT_VOLUME_PROPERTIES>();
        let string = |at: usize| {
            let length = word(at) as u16 as usize;
            assert_eq!(word(at) >> 16, length as u32, "no room behind it");
            let address = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize - 0x1000;
            let units: Vec<u16> = bytes[address..address + length]
                .chunks(2)
                .map(|c| u16::from_le_bytes([c[0], c[1]]))
                .collect();
            (address, String::from_utf16_lossy(&units))
        };
        let strings = [24, 40, 56].map(string);
        assert_eq!(strings[0], (fixed, r"\FileSystem\Fs".to_owned()));
        assert_eq!(strings[1], (fixed + 28, r"\Fs".to_owned()));
        assert_eq!(strings[2], (fixed + 34, r"\Device\HarddiskVolume1".to_owned()));
        assert_eq!(length, fixed + 34 + 46);
        assert_eq!(properties(stage, length), (status, bytes.clone(), length), "exactly enough");
        let (status, bytes, given) = properties(stage, length - 1);
        assert_eq!((status, bytes.len(), given), (NtStatus::BUFFER_OVERFLOW, fixed, fixed));
        assert!(bytes[24..].iter().all(|byte| *byte == 0), "no strings");
        assert_eq!(properties(stage, fixed).0, NtStatus::BUFFER_OVERFLOW);
        assert_eq!(properties(stage, fixed - 1), (NtStatus::BUFFER_TOO_SMALL, Vec::new(), length));
        assert_eq!(seen().len(), 0, "nothing is sent");
    });
    on_stage(Setting { device_flags: DO_DAX_VOLUME, ..USUAL }, |stage| {
        assert_eq!(properties(stage, 0x400).1[20..24], [1, 0, 0, 0], "a volume without a cache");
    });
}

#[test]
fn memory_for_noncached_io_is_aligned_as_the_device_asks() {
    // spec: SEED-FWF-21
    for (alignment, expected) in [(0, 1), (15, 16), (16, 32), (0x1FF, 512), (0xFFF, 4096)] {
        on_stage(Setting { alignment, ..USUAL }, |stage| {
            assert_eq!(
                u32::from_le_bytes(properties(stage, 0x400).1[12..16].try_into().unwrap()) + 1,
                expected
            );
            let tag = u32::from_le_bytes(*b"Algn");
            let allocate =
                || flt_allocate_pool_aligned_with_tag(&stage.instance, 0, 100, tag).unwrap() as usize;
            let blocks: Vec<usize> = (0..4).map(|_| allocate()).collect();
            for block in &blocks {
                assert!(block.is_multiple_of(expected as usize), "{block:#x}");
                let size = nt_ex::pool::size_of_block(*block as *const u8).unwrap();
                assert_eq!(size >= 4096, expected > 16, "only what needs it takes a page");
            }
            for block in blocks {
                flt_free_pool_aligned_with_tag(&stage.instance, block, tag).unwrap();
            }
            assert_eq!(stage.rules(), Vec::<&str>::new());
            let plain = nt_ex::pool::allocate_pool_with_tag(0, 16, tag).unwrap() as usize;
            if !plain.is_multiple_of(expected as usize) {
                flt_free_pool_aligned_with_tag(&stage.instance, plain, tag).unwrap();
                assert_eq!(stage.rules(), ["SEED-FWF-21"]);
                let message = stage.core.findings().remove(0).message;
                assert!(message.contains(&format!("to the {expected} bytes")), "{message}");
            }
        });
    }
}

#[test]
fn whether_a_volume_takes_writes_is_asked_of_its_disk() {
    // spec: OBJ-22
    on_stage(USUAL, |stage| {
        let ask = || flt_is_volume_writable(&stage.instance.volume).unwrap();
        assert_eq!(ask(), Ok(true));
        nt_io::disk::set_read_only(stage.disk);
        assert_eq!((ask(), seen().len()), (Ok(false), 0));
    });
}

/// Runs `f` in the post callback of `asker` for the next create.
fn in_post_create(f: impl Fn(&'static FLT_CALLBACK_DATA) + 'static) {
    hook(move |who, data, post| {
        if who == "asker" && post && iopb(data).MajorFunction.get() == IRP_MJ_CREATE {
            f(data);
        }
        None
    });
}

fn instance_of(data: &FLT_CALLBACK_DATA) -> std::sync::Arc<fltmgr::Instance> {
    fltmgr::from_address(iopb(data).TargetInstance.get() as usize).unwrap()
}

fn file_of(data: &FLT_CALLBACK_DATA) -> &'static FILE_OBJECT {
    // SAFETY: the operation's file object.
    unsafe { &*iopb(data).TargetFileObject.get() }
}

#[test]
fn an_open_that_is_cancelled_is_cleaned_up_once_below() {
    // spec: GIO-36, GIO-37
    on_stage(USUAL, |stage| {
        let name = units(r"\??\C:\undone");
        in_post_create(|data| {
            let (instance, file) = (instance_of(data), file_of(data));
            flt_cancel_file_open(&instance, file).unwrap();
            assert_ne!(file.Flags.load(Ordering::Relaxed) & FO_FILE_OPEN_CANCELLED, 0);
            // A second time is too late.
            flt_cancel_file_open(&instance, file).unwrap();
            data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
            data.IoStatus.Information.set(0);
        });
        let opened = nt_io::io_create_file(&parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT)).unwrap();
        assert_eq!((opened.status, opened.handle), (NtStatus::ACCESS_DENIED, 0));
        let requests = seen();
        let majors: Vec<u8> = requests.iter().map(|found| found.major).collect();
        assert_eq!(majors, [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE]);
        assert_eq!(requests[1].irp_flags, IRP_SYNCHRONOUS_API | IRP_CLOSE_OPERATION);
        assert_eq!(stage.rules(), ["GIO-36"]);
        assert!(stage.core.findings()[0].message.contains("cancelled already"));
        flt_cancel_file_open(&stage.instance, stage.file).unwrap();
        assert_eq!((stage.rules(), seen().len()), (vec!["GIO-36"; 2], 0));
        assert!(stage.core.findings()[1].message.contains("has a handle"));
    });
}

#[test]
fn an_open_is_cancelled_at_passive_level() {
    // spec: GIO-36
    on_stage(USUAL, |stage| {
        let name = units(r"\??\C:\undone");
        in_post_create(|data| {
            let old = nt_ke::irql::raise(irql::APC_LEVEL);
            flt_cancel_file_open(&instance_of(data), file_of(data)).unwrap();
            nt_ke::irql::lower(old);
            data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
        });
        nt_io::io_create_file(&parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT)).unwrap();
        assert_eq!(stage.rules(), ["GIO-36"]);
        assert!(stage.core.findings()[0].message.contains("above PASSIVE_LEVEL"));
    });
}

#[test]
fn a_create_is_issued_again_from_its_post_callback_with_other_parameters() {
    // spec: CBD-05, GIO-12, GIO-14
    for dirty in [false, true] {
        on_stage(USUAL, |stage| {
            let name = units(r"\??\C:\again");
            answer(|_, found| {
                let share = (found.parameters[2] >> 16) as u16;
                (found.major == IRP_MJ_CREATE).then_some(if share == 1 {
                    (NtStatus::SUCCESS, 1)
                } else {
                    (NtStatus::SHARING_VIOLATION, 0)
                })
            });
            in_post_create(move |data| {
                assert_eq!(data.IoStatus.Status.get(), NtStatus::SHARING_VIOLATION);
                iopb(data).Parameters.Create().ShareAccess.set(1);
                if dirty {
                    fltmgr::flt_set_callback_data_dirty(data);
                }
                flt_reissue_synchronous_io(&instance_of(data), from_ref(data) as usize).unwrap();
                let expected = if dirty { (NtStatus::SUCCESS, 1) } else { (NtStatus::SHARING_VIOLATION, 0) };
                let io = &data.IoStatus;
                assert_eq!((io.Status.get(), io.Information.get()), expected);
                assert_eq!(
                    iopb(data).Parameters.Create().ShareAccess.get(),
                    7,
                    "what was sent to this filter"
                );
                assert_eq!(data.Flags.get() & FLTFL_CALLBACK_DATA_DIRTY, 0);
            });
            let opened = nt_io::io_create_file(&parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT)).unwrap();
            assert_eq!(opened.status.is_success(), dirty);
            let creates: Vec<_> = seen().into_iter().filter(|found| found.major == IRP_MJ_CREATE).collect();
            assert_eq!(creates.len(), 2);
            assert_eq!(creates[0].irp, creates[1].irp, "its own IRP");
            let flags: Vec<u32> = watched()
                .iter()
                .filter(|seen| seen.major == IRP_MJ_CREATE && !seen.post)
                .map(|seen| seen.data_flags)
                .collect();
            let irp = FLTFL_CALLBACK_DATA_IRP_OPERATION;
            assert_eq!(flags, [irp, irp | FLTFL_CALLBACK_DATA_REISSUED_IO], "nobody but a program issued it");
            assert_eq!(stage.rules(), Vec::<&str>::new());
        });
    }
}

#[test]
fn the_reparse_data_of_a_create_are_those_of_its_last_answer() {
    const TAG: usize = 0x8000_0013;
    for again in [true, false] {
        on_stage(USUAL, |stage| {
            thread_local!(static DATA: Cell<[usize; 2]> = const { Cell::new([0; 2]) });
            DATA.set([memory(32), memory(32)]);
            let creates = Cell::new(0);
            answer(move |irp, found| {
                if found.major != IRP_MJ_CREATE {
                    return None;
                }
                creates.set(creates.get() + 1);
                let place = creates.get() - 1;
                if place == 1 && !again {
                    assert!(irp.AuxiliaryBuffer().get().is_null(), "the first ones are gone");
                    return Some((NtStatus::SUCCESS, 1));
                }
                irp.AuxiliaryBuffer().set(DATA.get()[place] as *mut _);
                Some((NtStatus::REPARSE, TAG))
            });
            in_post_create(move |data| {
                assert_eq!(data.TagData.get() as usize, DATA.get()[0]);
                flt_reissue_synchronous_io(&instance_of(data), from_ref(data) as usize).unwrap();
                assert_eq!(nt_ex::pool::size_of_block(DATA.get()[0] as *const u8), None);
                let io = &data.IoStatus;
                let expected = if again { (NtStatus::REPARSE, TAG) } else { (NtStatus::SUCCESS, 1) };
                assert_eq!((io.Status.get(), io.Information.get()), expected);
                assert_eq!(data.TagData.get() as usize, if again { DATA.get()[1] } else { 0 });
            });
            let name = units(r"\??\C:\linked");
            let opened = nt_io::io_create_file(&parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT)).unwrap();
            assert_eq!(opened.status.is_success(), !again);
            no_hook();
            assert_eq!(stage.rules(), Vec::<&str>::new());
        });
    }
}

#[test]
fn only_synchronized_operations_are_issued_again() {
    // spec: GIO-13
    for synchronized in [false, true] {
        on_stage(USUAL, |stage| {
            hook(move |who, data, post| {
                if who != "asker" || iopb(data).MajorFunction.get() != IRP_MJ_FLUSH_BUFFERS {
                    return None;
                }
                if post {
                    flt_reissue_synchronous_io(&instance_of(data), from_ref(data) as usize).unwrap();
                    return None;
                }
                Some(if synchronized { FLT_PREOP_SYNCHRONIZE } else { FLT_PREOP_SUCCESS_WITH_CALLBACK })
            });
            nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
            assert_eq!(seen().len(), 1 + usize::from(synchronized));
            assert_eq!(stage.rules(), if synchronized { vec![] } else { vec!["GIO-13"] });
        });
    }
    on_stage(USUAL, |stage| {
        hook(|who, data, post| {
            if who == "asker" && !post && iopb(data).MajorFunction.get() == IRP_MJ_FLUSH_BUFFERS {
                flt_reissue_synchronous_io(&instance_of(data), from_ref(data) as usize).unwrap();
                return Some(FLT_PREOP_SYNCHRONIZE);
            }
            None
        });
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        assert_eq!((seen().len(), stage.rules()), (1, vec!["GIO-13"]), "not before it was sent");
    });
}
