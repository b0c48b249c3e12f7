//! Controls, volume queries, extended attributes, descriptors, reparse points and the system's folder.

use fltmgr::control::*;
use fltmgr::ea::{EaQuery, flt_query_ea_file, flt_set_ea_file};
use fltmgr::security::*;
use fltmgr::tag::{ReparseTag, flt_tag_file, flt_untag_file};
use nt_abi::mdl_flags::{MDL_PAGES_LOCKED, MDL_WRITE_OPERATION};
use nt_abi::*;
use nt_io::{ControlBuffers, IoStatus};

use crate::stage::*;

fn buffers(input: usize, input_length: u32, output: usize, output_length: u32) -> ControlBuffers {
    ControlBuffers { input, input_length, output, output_length }
}

fn send(stage: &Stage, code: u32, buffers: ControlBuffers) -> (IoStatus, Seen) {
    let result = flt_fs_control_file(&stage.instance, stage.file, code, buffers).unwrap();
    let found = only();
    assert_eq!((found.major, found.minor), (IRP_MJ_FILE_SYSTEM_CONTROL, 0));
    // Both functions do the same, but for the operation.
    flt_device_io_control_file(&stage.instance, stage.file, code, buffers).unwrap();
    let other = only();
    assert_eq!(other.major, IRP_MJ_DEVICE_CONTROL);
    assert_eq!((other.parameters, other.irp_flags), (found.parameters, found.irp_flags));
    (result, found)
}

/// Bytes of the pool block at an address.
fn room(address: usize) -> Option<usize> {
    nt_ex::pool::size_of_block(address as *const u8)
}

fn bytes(address: usize, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    boundary::copy::read(address, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_buffered_control_goes_through_one_system_buffer_for_both_ways() {
    on_stage(USUAL, |stage| {
        let (input, output) = (memory(16), memory(64));
        boundary::copy::write(input, b"from the filter!").unwrap();
        for (input_length, output_length) in [(16, 64), (16, 8), (16, 0), (0, 64)] {
            boundary::copy::fill(output, 0x55, 64).unwrap();
            answer(move |_, found| {
                assert!(
                    room(found.system).is_some_and(|room| room >= input_length.max(output_length) as usize)
                );
                assert_eq!(
                    bytes(found.system, input_length as usize),
                    b"from the filter!"[..input_length as usize]
                );
                boundary::copy::fill(found.system, 0xAA, output_length.min(12) as usize).unwrap();
                Some((NtStatus::SUCCESS, output_length.min(12) as usize))
            });
            let asked = buffers(input, input_length, output, output_length);
            let (result, found) = send(stage, 0x0009_0000 | METHOD_BUFFERED, asked);
            let given = output_length.min(12) as usize;
            assert_eq!((result.status, result.information), (NtStatus::SUCCESS, given));
            assert_eq!(found.irp_flags, IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
            let [out, into, code, type3] = found.parameters;
            assert_eq!((out as u32, into as u32, code as u32), (output_length, input_length, 0x0009_0000));
            assert_eq!((type3, found.user, found.mdl), (0, 0, None));
            assert_eq!(bytes(output, 64), [vec![0xAA; given], vec![0x55; 64 - given]].concat());
            assert_eq!(room(found.system), None, "it is freed");
        }
        answer_as_usual();
        let (_, found) = send(stage, METHOD_BUFFERED, buffers(0, 0, 0, 0));
        assert_eq!((found.system, found.irp_flags), (0, IRP_SYNCHRONOUS_API), "nothing needs no buffer");
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_buffered_control_gives_back_what_came_with_a_warning_but_not_what_came_with_an_error() {
    on_stage(USUAL, |stage| {
        let output = memory(32);
        for (status, copied) in
            [(NtStatus::BUFFER_OVERFLOW, 32), (NtStatus::ACCESS_DENIED, 0), (NtStatus::SUCCESS, 32)]
        {
            boundary::copy::fill(output, 0x55, 32).unwrap();
            answer(move |_, found| {
                boundary::copy::fill(found.system, 0xAA, 32).unwrap();
                // More than there is room for.
                Some((status, 40))
            });
            let (result, _) = send(stage, METHOD_BUFFERED, buffers(0, 0, output, 32));
            assert_eq!((result.status, result.information), (status, 40));
            assert_eq!(bytes(output, 32), [vec![0xAA; copied], vec![0x55; 32 - copied]].concat(), "{status}");
        }
    });
}

#[test]
fn a_direct_control_has_its_input_in_a_system_buffer_and_its_output_in_an_mdl() {
    on_stage(USUAL, |stage| {
        let (input, output) = (memory(16), memory(64));
        boundary::copy::write(input, b"from the filter!").unwrap();
        for (method, written) in [(METHOD_IN_DIRECT, false), (METHOD_OUT_DIRECT, true)] {
            boundary::copy::fill(output, 0x55, 64).unwrap();
            answer(move |_, found| {
                assert_eq!(bytes(found.system, 16), b"from the filter!");
                assert!(room(found.system).is_some_and(|room| (16..64).contains(&room)));
                // What a file system leaves in the system buffer is not the output.
                Some((NtStatus::SUCCESS, 16))
            });
            let (_, found) = send(stage, 0x0009_0000 | method, buffers(input, 16, output, 64));
            assert_eq!(found.irp_flags, IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
            assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (64, 16));
            assert_eq!((found.parameters[2] as u32, found.parameters[3]), (0x0009_0000 | method, 0));
            let (_, start, length, flags) = found.mdl.expect("an MDL");
            assert_eq!((start, length, found.user), (output, 64, 0));
            let flags = u32::from(flags);
            assert_ne!(flags & u32::from(MDL_PAGES_LOCKED), 0);
            assert_eq!(flags & u32::from(MDL_WRITE_OPERATION) != 0, written, "what the method says");
            assert_eq!(bytes(output, 64), [0x55; 64]);
            assert_eq!(room(found.mdl.unwrap().0), None, "it is freed");
            answer_as_usual();
            let (_, found) = send(stage, method, buffers(input, 16, output, 0));
            assert_eq!(found.mdl, None, "no output");
            let (_, found) = send(stage, method, buffers(0, 0, output, 64));
            assert_eq!((found.system, found.irp_flags), (0, IRP_SYNCHRONOUS_API), "no input");
            assert!(found.mdl.is_some());
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_control_of_method_neither_gets_the_addresses_as_they_are() {
    on_stage(USUAL, |stage| {
        let (input, output) = (memory(16), memory(64));
        let (_, found) = send(stage, 0x0009_0000 | METHOD_NEITHER, buffers(input, 16, output, 64));
        assert_eq!((found.irp_flags, found.system, found.mdl), (IRP_SYNCHRONOUS_API, 0, None));
        assert_eq!((found.user, found.parameters[3] as usize), (output, input));
        assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (64, 16));
    });
}

#[test]
fn a_query_of_the_volume_goes_into_the_filters_buffer() {
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        answer(|_, _| Some((NtStatus::BUFFER_OVERFLOW, 17)));
        let result = flt_query_volume_information_file(&stage.instance, stage.file, (buffer, 64), 5).unwrap();
        assert_eq!((result.status, result.information), (NtStatus::BUFFER_OVERFLOW, 17));
        let found = only();
        assert_eq!((found.major, found.system), (IRP_MJ_QUERY_VOLUME_INFORMATION, buffer));
        assert_eq!(found.irp_flags, IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
        assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (64, 5));
    });
}

#[test]
fn the_systems_folder_is_a_hidden_directory_that_is_shared_with_everyone() {
    on_stage(USUAL, |stage| {
        assert_eq!(flt_create_system_volume_information_folder(&stage.instance), Ok(NtStatus::SUCCESS));
        let requests = seen();
        let majors: Vec<u8> = requests.iter().map(|found| found.major).collect();
        assert_eq!(majors, [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE], "it is closed again");
        let found = &requests[0];
        assert_eq!(found.name, r"\System Volume Information");
        assert_eq!(found.stack_flags & SL_CASE_SENSITIVE, 0);
        // Security context, options and disposition, attributes and share access.
        let [_, options, rest, _] = found.parameters;
        let (attributes, share) = (rest as u16, (rest >> 16) as u16);
        assert_eq!(u32::from(attributes), FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
        assert_eq!(share, 7);
        assert_eq!(options as u32 >> 24, FILE_OPEN_IF);
        assert_eq!(options as u32 & 0xFF_FFFF, FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(found.access, FILE_LIST_DIRECTORY | SYNCHRONIZE);
        let watched = watched();
        assert!(watched.iter().all(|seen| seen.data_flags & FLTFL_CALLBACK_DATA_GENERATED_IO != 0));
        answer(|_, found| (found.major == IRP_MJ_CREATE).then_some((NtStatus::ACCESS_DENIED, 0)));
        let refused = flt_create_system_volume_information_folder(&stage.instance);
        assert_eq!(refused, Ok(NtStatus::ACCESS_DENIED));
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn extended_attributes_are_asked_for_with_what_chooses_them() {
    on_stage(USUAL, |stage| {
        let (buffer, list) = (memory(64), memory(32));
        let ask = |query| {
            let result = flt_query_ea_file(&stage.instance, stage.file, (buffer, 64), query).unwrap();
            assert_eq!(result.status, NtStatus::SUCCESS);
            let found = only();
            assert_eq!((found.major, found.irp_flags), (IRP_MJ_QUERY_EA, IRP_SYNCHRONOUS_API));
            assert_eq!((found.user, found.parameters[0] as u32), (buffer, 64));
            let [_, at, length, index] = found.parameters;
            (found.stack_flags, at as usize, length as u32, index as u32)
        };
        let none = EaQuery::default();
        assert_eq!(ask(none), (0, 0, 0, 0));
        assert_eq!(ask(EaQuery { restart: true, ..none }).0, SL_RESTART_SCAN);
        assert_eq!(ask(EaQuery { single: true, ..none }).0, SL_RETURN_SINGLE_ENTRY);
        let indexed = EaQuery { index: Some(3), restart: true, single: true, ..none };
        let all = SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY | SL_INDEX_SPECIFIED;
        assert_eq!(ask(indexed), (all, 0, 0, 3));
        assert_eq!(ask(EaQuery { list, list_length: 32, ..none }), (0, list, 32, 0));
        answer(|_, _| Some((NtStatus::NO_EAS_ON_FILE, 5)));
        let result = flt_query_ea_file(&stage.instance, stage.file, (buffer, 64), none).unwrap();
        assert_eq!((result.status, result.information), (NtStatus::NO_EAS_ON_FILE, 5));
        only();
        let set = flt_set_ea_file(&stage.instance, stage.file, buffer, 40).unwrap();
        let found = only();
        assert_eq!((set, found.major), (NtStatus::NO_EAS_ON_FILE, IRP_MJ_SET_EA));
        assert_eq!((found.user, found.parameters[0] as u32), (buffer, 40));
        assert_eq!(found.irp_flags, IRP_SYNCHRONOUS_API);
    });
}

#[test]
fn descriptors_are_asked_for_and_set_by_their_parts() {
    // spec: PARM-30
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        answer(|_, _| Some((NtStatus::BUFFER_OVERFLOW, 99)));
        let got = flt_query_security_object(&stage.instance, stage.file, 5, (buffer, 64)).unwrap();
        assert_eq!((got.status, got.information), (NtStatus::BUFFER_OVERFLOW, 99));
        let found = only();
        assert_eq!((found.major, found.irp_flags), (IRP_MJ_QUERY_SECURITY, IRP_SYNCHRONOUS_API));
        assert_eq!((found.user, found.parameters[0] as u32, found.parameters[1] as u32), (buffer, 5, 64));
        answer(|_, _| Some((NtStatus::ACCESS_DENIED, 0)));
        let set = flt_set_security_object(&stage.instance, stage.file, 4, buffer).unwrap();
        let found = only();
        assert_eq!((set, found.major), (NtStatus::ACCESS_DENIED, IRP_MJ_SET_SECURITY));
        assert_eq!((found.parameters[0] as u32, found.parameters[1] as usize), (4, buffer));
        assert_eq!(found.irp_flags, IRP_SYNCHRONOUS_API);
    });
}

#[test]
fn the_default_descriptor_lets_the_system_and_administrators_in() {
    on_stage(USUAL, |_| {
        let base = flt_build_default_security_descriptor(0x0012_0001).unwrap().unwrap();
        let word = |at: usize| boundary::copy::read_value::<u64>(base + at).unwrap() as usize;
        // Revision 1; a DACL is there; absolute.
        assert_eq!(word(0) & 0xFFFF_FFFF, 1 | 4 << 16);
        let (owner, group, system_list, list) = (word(8), word(16), word(24), word(32));
        assert_eq!((owner, system_list), (group, 0));
        let administrators = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        assert_eq!(bytes(owner, 16), administrators);
        let allowed = |sid: &[u8]| {
            let head = [0, 0, 8 + sid.len() as u8, 0, 1, 0, 0x12, 0];
            [&head, sid].concat()
        };
        let entries = [allowed(&system), allowed(&administrators)].concat();
        assert_eq!(bytes(list, 8 + entries.len())[8..], entries);
        assert_eq!(bytes(list, 8)[4], 2, "two entries");
        assert_eq!(list, base + 0x28);
        assert_eq!(owner, list + 8 + entries.len(), "one block for all");
        let whole = owner + 16 - base;
        assert!(room(base).is_some_and(|room| (whole..whole + 16).contains(&room)), "{:?}", room(base));
        flt_free_security_descriptor(base).unwrap();
        assert_eq!(room(base), None);
    });
}

#[test]
fn a_tag_is_sent_with_its_guid_unless_it_is_microsofts() {
    // spec: RTAG-02, RTAG-04
    on_stage(USUAL, |stage| {
        let guid = *b"0123456789abcdef";
        let sent = |code: u32, expected: Vec<u8>| {
            answer(move |_, found| {
                assert_eq!(found.parameters[2] as u32, code);
                assert_eq!(found.parameters[1] as usize, expected.len());
                assert_eq!(found.parameters[0], 0, "no output");
                assert_eq!(bytes(found.system, expected.len()), expected);
                Some((NtStatus::IO_REPARSE_TAG_MISMATCH, 0))
            });
        };
        let head = |tag: u32, length: u16| [&tag.to_le_bytes()[..], &length.to_le_bytes(), &[0, 0]].concat();
        let own = ReparseTag { tag: 0x0000_1234, guid: Some(guid) };
        sent(0x0009_00A4, [head(0x1234, 5), guid.to_vec(), b"hello".to_vec()].concat());
        let result = flt_tag_file(&stage.instance, stage.file, own, b"hello");
        assert_eq!((result, seen().len()), (Ok(NtStatus::IO_REPARSE_TAG_MISMATCH), 1));
        sent(0x0009_00AC, [head(0x1234, 0), guid.to_vec()].concat());
        flt_untag_file(&stage.instance, stage.file, own).unwrap();
        for microsofts_guid in [None, Some(guid)] {
            let tag = ReparseTag { tag: 0xA000_000C, guid: microsofts_guid };
            sent(0x0009_00A4, [head(0xA000_000C, 2), b"hi".to_vec()].concat());
            flt_tag_file(&stage.instance, stage.file, tag, b"hi").unwrap();
        }
        assert_eq!(seen().len(), 3);
        let without = ReparseTag { tag: 0x1234, guid: None };
        let refused = flt_tag_file(&stage.instance, stage.file, without, b"hello");
        assert_eq!((refused, seen().len()), (Ok(NtStatus::INVALID_PARAMETER), 0));
        let refused = flt_untag_file(&stage.instance, stage.file, without);
        assert_eq!((refused, seen().len()), (Ok(NtStatus::INVALID_PARAMETER), 0));
    });
}
