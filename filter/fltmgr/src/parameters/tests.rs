//! What a filter is shown for an IRP, and what reaches the next driver when it changes that.

use super::*;
use nt_abi::{IRP_MN_NOTIFY_CHANGE_DIRECTORY, IRP_MN_QUERY_DIRECTORY, IRP_MN_VERIFY_VOLUME};

struct Request {
    irp: IRP,
    stack: IO_STACK_LOCATION,
    next: IO_STACK_LOCATION,
    block: FLT_IO_PARAMETER_BLOCK,
}

/// An IRP in which every word of the parameters and every buffer pointer has a value of its own.
fn request(major: u8, minor: u8) -> Request {
    let request = Request {
        irp: IRP::zeroed(),
        stack: IO_STACK_LOCATION::zeroed(),
        next: IO_STACK_LOCATION::zeroed(),
        block: FLT_IO_PARAMETER_BLOCK::zeroed(),
    };
    request.irp.MdlAddress.set(0xA000 as *mut _);
    request.irp.UserBuffer.set(0xB000 as *mut _);
    request.irp.SystemBuffer().set(0xC000 as *mut _);
    request.irp.Overlay.raw[0].set(0xD000);
    request.stack.MajorFunction.set(major);
    request.stack.MinorFunction.set(minor);
    request.stack.FileObject.set(0xF000 as *mut _);
    request.stack.Flags.set(0x14);
    for (index, word) in request.stack.Parameters.raw.iter().enumerate() {
        word.set(0x1110 * (index as u64 + 1));
    }
    request
}

impl Request {
    fn pass(&self) -> SavedIrp {
        let saved = SavedIrp::of(&self.irp);
        load(&self.irp, &self.stack, &self.block);
        self.next.MajorFunction.set(self.stack.MajorFunction.get());
        self.next.MinorFunction.set(self.stack.MinorFunction.get());
        saved
    }
}

fn words(stack: &IO_STACK_LOCATION) -> [u64; 4] {
    std::array::from_fn(|i| stack.Parameters.raw[i].get())
}

#[test]
fn what_nobody_changed_reaches_the_next_driver_as_it_was() {
    // spec: SEED-IOPB-22, SEED-IOPB-38, IOPB-03
    for major in 0..=0x1B {
        for minor in [0, 1, 2] {
            for flags in [0, IRP_BUFFERED_IO] {
                let request = request(major, minor);
                request.irp.Flags.set(flags);
                // Control codes of all methods.
                for method in 0..4u64 {
                    request.stack.Parameters.raw[2].set(0x3330 | method);
                    let before = SavedIrp::of(&request.irp);
                    request.pass();
                    for (to, from) in request.next.Parameters.raw.iter().zip(&request.stack.Parameters.raw) {
                        to.set(from.get());
                    }
                    store(&request.block, &request.irp, &request.next);
                    let after = SavedIrp::of(&request.irp);
                    assert_eq!(words(&request.next), words(&request.stack), "{major:#x}/{minor}");
                    assert_eq!(
                        (after.mdl, after.user_buffer),
                        (before.mdl, before.user_buffer),
                        "{major:#x}"
                    );
                    assert_eq!((after.system_buffer, after.overlay), (before.system_buffer, before.overlay));
                    assert_eq!(request.next.Flags.get(), 0x14);
                    assert_eq!(request.block.OperationFlags.get(), 0x14);
                    assert_eq!(request.block.TargetFileObject.get() as usize, 0xF000);
                }
            }
        }
    }
}

#[test]
fn a_read_shows_the_system_buffer_only_when_it_is_buffered() {
    // spec: PARM-09, SWAP-01, CBD-06
    for (flags, buffer) in [(0, 0xB000), (IRP_BUFFERED_IO, 0xC000)] {
        let request = request(IRP_MJ_READ, 0);
        request.irp.Flags.set(flags);
        request.stack.Parameters.Read().Length.set(4096);
        request.stack.Parameters.Read().ByteOffset.set(512);
        request.pass();
        let read = request.block.Parameters.Read();
        assert_eq!((read.Length.get(), read.ByteOffset.get()), (4096, 512));
        assert_eq!((read.ReadBuffer.get() as usize, read.MdlAddress.get() as usize), (buffer, 0xA000));
        assert_eq!(has_system_buffer(&request.irp, &request.stack), flags != 0);
    }
}

#[test]
fn a_changed_write_reaches_the_next_driver_and_is_undone_on_the_way_up() {
    // spec: SWAP-16, IOPB-08
    let request = request(IRP_MJ_WRITE, 0);
    let saved = request.pass();
    let write = request.block.Parameters.Write();
    write.ByteOffset.set(8192);
    write.WriteBuffer.set(0x5555_0000 as *mut _);
    write.MdlAddress.set(0x6666_0000 as *mut _);
    request.block.IrpFlags.set(nt_abi::IRP_NOCACHE);
    store(&request.block, &request.irp, &request.next);
    assert_eq!(request.next.Parameters.Write().ByteOffset.get(), 8192);
    assert_eq!(request.irp.UserBuffer.get() as usize, 0x5555_0000);
    assert_eq!(request.irp.MdlAddress.get() as usize, 0x6666_0000);
    assert_eq!(request.irp.Flags.get(), nt_abi::IRP_NOCACHE);
    saved.restore(&request.irp);
    assert_eq!(request.irp.UserBuffer.get() as usize, 0xB000);
    assert_eq!(request.irp.MdlAddress.get() as usize, 0xA000);
    assert_eq!(request.irp.Flags.get(), 0);
    assert_eq!(
        words(&request.stack),
        [0x1110, 0x2220, 0x3330, 0x4440],
        "the layers above keep their location"
    );
}

#[test]
fn a_create_carries_options_extended_attributes_and_allocation_size() {
    // spec: PARM-07, PARM-30
    let request = request(IRP_MJ_CREATE, 0);
    request.stack.Parameters.Create().Options.set(0x0200_0040);
    request.stack.Parameters.Create().ShareAccess.set(7);
    request.pass();
    let create = request.block.Parameters.Create();
    assert_eq!((create.Options.get(), create.ShareAccess.get()), (0x0200_0040, 7));
    assert_eq!((create.EaBuffer.get() as usize, create.AllocationSize.get()), (0xC000, 0xD000));
}

#[test]
fn pipes_and_mailslots_are_created_as_files_are_up_to_their_own_parameters() {
    // spec: PARM-08
    for major in [IRP_MJ_CREATE_NAMED_PIPE, IRP_MJ_CREATE_MAILSLOT] {
        let request = request(major, 0);
        request.stack.Parameters.CreatePipe().Options.set(0x0200_0040);
        request.stack.Parameters.CreatePipe().ShareAccess.set(3);
        request.stack.Parameters.CreatePipe().Parameters.set(0xEEE0 as *mut _);
        request.pass();
        let (file, pipe) = (request.block.Parameters.Create(), request.block.Parameters.CreatePipe());
        assert_eq!((file.Options.get(), file.ShareAccess.get()), (0x0200_0040, 3));
        assert_eq!(file.SecurityContext.get() as usize, 0x1110);
        assert_eq!(pipe.Parameters.get() as usize, 0xEEE0);
    }
}

#[test]
fn locks_show_their_length_by_address_and_mirror_the_flags() {
    // spec: PARM-17, IOPB-04
    for (flags, immediate, exclusive) in [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1)] {
        let request = request(IRP_MJ_LOCK_CONTROL, 1);
        request.stack.Flags.set(flags);
        request.pass();
        let shown = request.block.Parameters.LockControl();
        assert_eq!(shown.Length.get() as usize, 0x1110);
        assert_eq!((shown.FailImmediately.get(), shown.ExclusiveLock.get()), (immediate, exclusive));
    }
}

#[test]
fn control_codes_choose_their_form_by_method() {
    // spec: PARM-14, PARM-15
    for major in [IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_DEVICE_CONTROL] {
        let request = request(major, 0);
        let code =
            |method: u32| request.stack.Parameters.DeviceIoControl().IoControlCode.set(0x9_0000 | method);
        let control = request.block.Parameters.DeviceIoControl();
        code(0);
        request.pass();
        assert_eq!(control.Buffered().SystemBuffer.get() as usize, 0xC000);
        assert!(has_system_buffer(&request.irp, &request.stack));
        for method in [1, 2] {
            code(method);
            request.pass();
            let direct = control.Direct();
            assert_eq!(direct.InputSystemBuffer.get() as usize, 0xC000);
            assert_eq!(
                (direct.OutputBuffer.get() as usize, direct.OutputMdlAddress.get() as usize),
                (0xB000, 0xA000)
            );
        }
        code(3);
        request.pass();
        assert_eq!(control.Neither().InputBuffer.get() as usize, 0x4440);
        assert_eq!(control.Neither().OutputBuffer.get() as usize, 0xB000);
        assert!(!has_system_buffer(&request.irp, &request.stack));
    }
    let verify = request(IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_VERIFY_VOLUME);
    verify.pass();
    assert_eq!(
        verify.block.Parameters.FileSystemControl().VerifyVolume().DeviceObject.get() as usize,
        0x2220
    );
}

#[test]
fn directory_control_follows_its_minor_function() {
    // spec: PARM-13, SEED-IOPB-40
    let query = request(IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY);
    query.stack.Parameters.QueryDirectory().FileInformationClass.set(3);
    query.pass();
    assert_eq!(query.block.Parameters.QueryDirectory().FileInformationClass.get(), 3);
    let notify = request(IRP_MJ_DIRECTORY_CONTROL, IRP_MN_NOTIFY_CHANGE_DIRECTORY);
    notify.stack.Parameters.NotifyDirectory().CompletionFilter.set(0x17);
    notify.pass();
    let shown = notify.block.Parameters.NotifyDirectory();
    assert_eq!((shown.CompletionFilter.get(), shown.DirectoryBuffer.get() as usize), (0x17, 0xB000));
}

#[test]
fn majors_without_parameters_show_none() {
    // spec: PARM-05
    for major in
        [nt_abi::IRP_MJ_CLEANUP, nt_abi::IRP_MJ_CLOSE, nt_abi::IRP_MJ_FLUSH_BUFFERS, nt_abi::IRP_MJ_SHUTDOWN]
    {
        let request = request(major, 0);
        request.pass();
        assert!(request.block.Parameters.raw.iter().all(|w| w.get() == 0), "{major:#x}");
        assert_eq!(decode::places(&request.block, false), None);
    }
}

#[test]
fn decoding_names_the_places_of_buffer_mdl_and_length() {
    // spec: SWAP-05, SWAP-06, SWAP-07, SWAP-08
    let of = |major, minor| {
        let request = request(major, minor);
        request.pass();
        decode::places(&request.block, false)
    };
    let read = of(IRP_MJ_READ, 0).expect("a buffer");
    assert_eq!(
        (read.mdl, read.buffer, read.length, read.access),
        (Some(0x20), 0x18, Some(0), decode::WRITE_ACCESS)
    );
    assert_eq!(of(IRP_MJ_SET_INFORMATION, 0).expect("a buffer").mdl, None);
    assert_eq!(of(IRP_MJ_SET_SECURITY, 0).expect("a buffer").length, None);
    assert_eq!(of(IRP_MJ_LOCK_CONTROL, 1), None);
    assert_eq!(of(IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_VERIFY_VOLUME), None);
    let fsctl = request(IRP_MJ_FILE_SYSTEM_CONTROL, 0);
    fsctl.stack.Parameters.FileSystemControl().FsControlCode.set(0x9_0003);
    fsctl.pass();
    let places = decode::places(&fsctl.block, false).expect("a buffer");
    assert_eq!((places.mdl, places.buffer), (Some(0x28), 0x20), "two buffers: the output fields");
}

#[test]
fn a_snapshot_puts_every_field_back() {
    // spec: SEED-IOPB-01, SEED-IOPB-49
    let request = request(IRP_MJ_WRITE, 0);
    request.pass();
    let before = Snapshot::of(&request.block);
    request.block.IrpFlags.set(0xFFFF);
    request.block.MajorFunction.set(0x1B);
    request.block.MinorFunction.set(9);
    request.block.OperationFlags.set(0);
    request.block.Reserved.set(3);
    request.block.TargetFileObject.set(std::ptr::null_mut());
    request.block.TargetInstance.set(8 as *mut _);
    for word in &request.block.Parameters.raw {
        word.set(7);
    }
    assert_ne!(Snapshot::of(&request.block), before);
    before.restore(&request.block);
    assert_eq!(Snapshot::of(&request.block), before);
}

/// Majors with parameters of their own, with a minor function and a control code that choose the form.
const FORMS: [(u8, u8, u64); 24] = [
    (IRP_MJ_CREATE, 0, 0),
    (IRP_MJ_CREATE_NAMED_PIPE, 0, 0),
    (IRP_MJ_CREATE_MAILSLOT, 0, 0),
    (IRP_MJ_READ, 0, 0),
    (IRP_MJ_WRITE, 0, 0),
    (IRP_MJ_QUERY_INFORMATION, 0, 0),
    (IRP_MJ_SET_INFORMATION, 0, 0),
    (IRP_MJ_QUERY_EA, 0, 0),
    (IRP_MJ_SET_EA, 0, 0),
    (IRP_MJ_QUERY_VOLUME_INFORMATION, 0, 0),
    (IRP_MJ_SET_VOLUME_INFORMATION, 0, 0),
    (IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY, 0),
    (IRP_MJ_DIRECTORY_CONTROL, IRP_MN_NOTIFY_CHANGE_DIRECTORY, 0),
    (IRP_MJ_FILE_SYSTEM_CONTROL, nt_abi::IRP_MN_USER_FS_REQUEST, 0x9_0000),
    (IRP_MJ_FILE_SYSTEM_CONTROL, nt_abi::IRP_MN_KERNEL_CALL, 0x9_0003),
    (IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_VERIFY_VOLUME, 0),
    (IRP_MJ_DEVICE_CONTROL, 0, 0x7_0001),
    (IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MN_VERIFY_VOLUME, 0x7_0002),
    (IRP_MJ_LOCK_CONTROL, 1, 0),
    (IRP_MJ_QUERY_SECURITY, 0, 0),
    (IRP_MJ_SET_SECURITY, 0, 0),
    (IRP_MJ_QUERY_QUOTA, 0, 0),
    (IRP_MJ_SET_QUOTA, 0, 0),
    (nt_abi::IRP_MJ_PNP, 0, 0),
];

fn form((major, minor, code): (u8, u8, u64)) -> Request {
    let request = request(major, minor);
    if code != 0 {
        request.stack.Parameters.raw[2].set(code);
    }
    request
}

/// How many words of its stack location a form has.
fn used((major, minor, code): (u8, u8, u64)) -> usize {
    match major {
        IRP_MJ_SET_EA | IRP_MJ_SET_QUOTA => 1,
        IRP_MJ_READ | IRP_MJ_WRITE | IRP_MJ_LOCK_CONTROL => 3,
        IRP_MJ_QUERY_INFORMATION
        | IRP_MJ_QUERY_VOLUME_INFORMATION
        | IRP_MJ_SET_VOLUME_INFORMATION
        | IRP_MJ_QUERY_SECURITY
        | IRP_MJ_SET_SECURITY => 2,
        IRP_MJ_DIRECTORY_CONTROL if minor == IRP_MN_NOTIFY_CHANGE_DIRECTORY => 3,
        IRP_MJ_FILE_SYSTEM_CONTROL if minor == IRP_MN_VERIFY_VOLUME => 2,
        // Only METHOD_NEITHER has an input buffer there.
        IRP_MJ_FILE_SYSTEM_CONTROL | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            3 + usize::from(code & 3 == 3)
        }
        _ => 4,
    }
}

#[test]
fn each_form_shows_every_parameter_of_the_stack_location_and_the_buffers() {
    // spec: SEED-IOPB-22, SEED-IOPB-38
    let code = |code: u64| [0x1110, 0x2220, code];
    let expected: [&[u64]; 24] = [
        &[0x1110, 0x2220, 0x3330, 0x4440, 0xC000, 0xD000],
        &[0x1110, 0x2220, 0x3330, 0x4440],
        &[0x1110, 0x2220, 0x3330, 0x4440],
        &[0x1110, 0x2220, 0x3330, 0xB000, 0xA000],
        &[0x1110, 0x2220, 0x3330, 0xB000, 0xA000],
        &[0x1110, 0x2220, 0xC000],
        &[0x1110, 0x2220, 0x3330, 0x4440, 0xC000],
        &[0x1110, 0x2220, 0x3330, 0x4440, 0xB000, 0xA000],
        &[0x1110, 0xB000, 0xA000],
        &[0x1110, 0x2220, 0xC000],
        &[0x1110, 0x2220, 0xC000],
        &[0x1110, 0x2220, 0x3330, 0x4440, 0xB000, 0xA000],
        &[0x1110, 0x2220, 0x3330, 0, 0xB000, 0xA000],
        &[code(0x9_0000).as_slice(), &[0xC000]].concat(),
        &[code(0x9_0003).as_slice(), &[0x4440, 0xB000, 0xA000]].concat(),
        &[0x1110, 0x2220],
        &[code(0x7_0001).as_slice(), &[0xC000, 0xB000, 0xA000]].concat(),
        &[code(0x7_0002).as_slice(), &[0xC000, 0xB000, 0xA000]].concat(),
        &[0x1110, 0x2220, 0x3330],
        &[0x1110, 0x2220, 0xB000, 0xA000],
        &[0x1110, 0x2220],
        &[0x1110, 0x2220, 0x3330, 0x4440, 0xB000, 0xA000],
        &[0x1110, 0xB000, 0xA000],
        &[0x1110, 0x2220, 0x3330, 0x4440],
    ];
    for (at, expected) in FORMS.into_iter().zip(expected) {
        let request = form(at);
        request.pass();
        let shown: [u64; 6] = std::array::from_fn(|word| request.block.Parameters.raw[word].get());
        let (shown, rest) = shown.split_at(expected.len());
        assert_eq!((shown, rest.iter().sum()), (expected, 0u64), "{at:x?}");
    }
}

#[test]
fn what_filters_were_shown_is_all_that_the_next_driver_needs() {
    // spec: SEED-IOPB-38, IOPB-08
    for (flags, at) in [0, IRP_BUFFERED_IO].into_iter().flat_map(|flags| FORMS.map(|at| (flags, at))) {
        let request = form(at);
        request.irp.Flags.set(flags);
        let mut words = words(&request.stack);
        if matches!(at.0, IRP_MJ_CREATE_NAMED_PIPE | IRP_MJ_CREATE_MAILSLOT) {
            // Reserved: not a filter's to change.
            words[2] &= !0xFFFF;
        }
        words[used(at)..].fill(0);
        let buffers = [0xA000, 0xB000, 0xC000, 0xD000];
        // MDL, user buffer, system buffer, allocation size.
        let carried: [bool; 4] = match at {
            (IRP_MJ_CREATE, ..) => [false, false, true, true],
            (
                IRP_MJ_READ
                | IRP_MJ_WRITE
                | IRP_MJ_QUERY_EA
                | IRP_MJ_SET_EA
                | IRP_MJ_DIRECTORY_CONTROL
                | IRP_MJ_QUERY_QUOTA
                | IRP_MJ_SET_QUOTA,
                ..,
            ) => [true, flags == 0, flags != 0, false],
            (IRP_MJ_QUERY_INFORMATION | IRP_MJ_SET_INFORMATION, ..) => [false, false, true, false],
            (IRP_MJ_QUERY_VOLUME_INFORMATION | IRP_MJ_SET_VOLUME_INFORMATION, ..) => {
                [false, false, true, false]
            }
            (IRP_MJ_FILE_SYSTEM_CONTROL, _, 0x9_0000) => [false, false, true, false],
            (IRP_MJ_FILE_SYSTEM_CONTROL, _, 0x9_0003) => [true, true, false, false],
            (IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL, ..) => [true, true, true, false],
            (IRP_MJ_QUERY_SECURITY, ..) => [true, true, false, false],
            _ => [false; 4],
        };
        request.pass();
        request.irp.MdlAddress.set(0x8000 as *mut _);
        request.irp.UserBuffer.set(0x8000 as *mut _);
        request.irp.SystemBuffer().set(0x8000 as *mut _);
        request.irp.Overlay.raw[0].set(0x8000);
        store(&request.block, &request.irp, &request.next);
        let next: [u64; 4] = std::array::from_fn(|word| request.next.Parameters.raw[word].get());
        assert_eq!(next, words, "{at:x?}");
        let now = SavedIrp::of(&request.irp);
        let now = [now.mdl as u64, now.user_buffer as u64, now.system_buffer as u64, now.overlay];
        let expected: [u64; 4] = std::array::from_fn(|at| if carried[at] { buffers[at] } else { 0x8000 });
        assert_eq!(now, expected, "{at:x?}, flags {flags:#x}");
        assert_eq!(request.next.FileObject.get() as usize, 0xF000);
        assert_eq!(request.next.MinorFunction.get(), at.1);
    }
}

#[test]
fn majors_without_parameters_give_the_next_driver_none() {
    for major in
        [nt_abi::IRP_MJ_CLEANUP, nt_abi::IRP_MJ_CLOSE, nt_abi::IRP_MJ_FLUSH_BUFFERS, nt_abi::IRP_MJ_SHUTDOWN]
    {
        let request = request(major, 0);
        request.pass();
        request.next.Parameters.raw[0].set(5);
        request.block.Parameters.raw[0].set(7);
        store(&request.block, &request.irp, &request.next);
        assert_eq!(request.next.Parameters.raw[0].get(), 5, "{major:#x}");
    }
    let power = request(nt_abi::IRP_MJ_SYSTEM_CONTROL, 0);
    power.pass();
    assert_eq!(power.block.Parameters.raw[3].get(), 0x4440);
}

#[test]
fn every_form_names_its_buffer() {
    // spec: SWAP-05, SWAP-06, SWAP-07, SWAP-08
    use decode::{MODIFY_ACCESS, READ_ACCESS, WRITE_ACCESS};
    let places =
        |mdl, buffer, length, access| Some(decode::Places { mdl, buffer, length: Some(length), access });
    let expected = [
        places(None, 0x20, 0x18, READ_ACCESS),
        None,
        None,
        places(Some(0x20), 0x18, 0, WRITE_ACCESS),
        places(Some(0x20), 0x18, 0, READ_ACCESS),
        places(None, 0x10, 0, WRITE_ACCESS),
        places(None, 0x20, 0, READ_ACCESS),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        places(Some(0x10), 8, 0, READ_ACCESS),
        places(None, 0x10, 0, WRITE_ACCESS),
        places(None, 0x10, 0, READ_ACCESS),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        places(None, 0x18, 0, MODIFY_ACCESS),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        None,
        // METHOD_IN_DIRECT, then METHOD_OUT_DIRECT.
        places(Some(0x28), 0x20, 0, READ_ACCESS),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        None,
        places(Some(0x18), 0x10, 8, WRITE_ACCESS),
        Some(decode::Places { mdl: None, buffer: 8, length: None, access: READ_ACCESS }),
        places(Some(0x28), 0x20, 0, WRITE_ACCESS),
        places(Some(0x10), 8, 0, READ_ACCESS),
        None,
    ];
    for (at, expected) in FORMS.into_iter().zip(expected) {
        let request = form(at);
        request.pass();
        assert_eq!(decode::places(&request.block, false), expected, "{at:x?}");
    }
    for method in 0..4 {
        let request = form((IRP_MJ_DEVICE_CONTROL, 0, 0x7_0000 | method));
        request.pass();
        assert_eq!(
            decode::places(&request.block, true),
            places(None, 0x20, 0, WRITE_ACCESS),
            "fast I/O, {method}"
        );
    }
}

#[test]
fn callback_data_say_where_a_system_buffer_is_for_each_form() {
    // spec: CBD-06, SWAP-02
    for at in FORMS {
        // By the flag, by the pointer, by both; without.
        let has = [(0, 0), (0, 0xC000), (IRP_BUFFERED_IO, 0), (IRP_BUFFERED_IO, 0xC000)].map(
            |(flags, system_buffer)| {
                let request = form(at);
                request.irp.Flags.set(flags);
                request.irp.SystemBuffer().set(std::ptr::without_provenance_mut(system_buffer));
                has_system_buffer(&request.irp, &request.stack)
            },
        );
        let expected = match at {
            (
                IRP_MJ_READ
                | IRP_MJ_WRITE
                | IRP_MJ_QUERY_EA
                | IRP_MJ_SET_EA
                | IRP_MJ_DIRECTORY_CONTROL
                | IRP_MJ_QUERY_QUOTA
                | IRP_MJ_SET_QUOTA,
                ..,
            ) => [false, false, false, true],
            (
                IRP_MJ_CREATE
                | IRP_MJ_QUERY_INFORMATION
                | IRP_MJ_SET_INFORMATION
                | IRP_MJ_QUERY_VOLUME_INFORMATION
                | IRP_MJ_SET_VOLUME_INFORMATION,
                ..,
            )
            | (IRP_MJ_FILE_SYSTEM_CONTROL, _, 0x9_0000) => [false, true, false, true],
            _ => [false; 4],
        };
        assert_eq!(has, expected, "{at:x?}");
    }
    // A mount has no control code, whatever stands in its place.
    let verify = form((IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_VERIFY_VOLUME, 0x9_0000));
    assert!(!has_system_buffer(&verify.irp, &verify.stack));
}

#[test]
fn a_snapshot_notices_any_byte_of_the_block_that_is_not_the_same() {
    // spec: SEED-IOPB-43
    let request = request(IRP_MJ_WRITE, 3);
    request.pass();
    request.block.TargetInstance.set(0x7000 as *mut _);
    let seen = Snapshot::of(&request.block);
    assert!(!seen.differs(&request.block, 0x7000));
    assert!(seen.differs(&request.block, 0x7008), "another instance is called now");
    for word in (0..9usize).filter(|word| *word != 2) {
        for byte in 0..8 {
            let mut bytes = [0; 9];
            bytes[word] = 1u64 << (8 * byte);
            let changed = FLT_IO_PARAMETER_BLOCK::zeroed();
            let cells = from_ref(&changed).cast::<[Cell<u64>; 9]>();
            // SAFETY: a block is nine words of cells, and any bits are one.
            for (cell, bits) in unsafe { &*cells }.iter().zip(bytes) {
                cell.set(bits);
            }
            assert!(Snapshot::default().differs(&changed, 0), "word {word}, byte {byte}");
            assert!(Snapshot::default().differs(&changed, 8), "and another instance");
            assert!(Snapshot::of(&changed).differs(&FLT_IO_PARAMETER_BLOCK::zeroed(), 0));
            assert!(!Snapshot::of(&changed).differs(&changed, 0));
        }
    }
}

#[test]
fn nine_words_make_a_block_and_its_snapshot() {
    let (block, copy) = (FLT_IO_PARAMETER_BLOCK::zeroed(), Cell::new(Snapshot::default()));
    let first = Snapshot::first_word(IRP_MJ_WRITE);
    Snapshot::write([first, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80], &block, &copy);
    let expected = Snapshot {
        major: IRP_MJ_WRITE,
        file: 0x10,
        instance: 0x20,
        parameters: [0x30, 0x40, 0x50, 0x60, 0x70, 0x80],
        ..Snapshot::default()
    };
    assert_eq!((Snapshot::of(&block), copy.get()), (expected, expected));
}
