//! Fast I/O of a cached file, as native filters see it.

use altimeter::NtStatus;
use altimeter::session::{Handle, Session};
use nt_abi::{FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE};

use crate::support::*;

/// Caches the file by an IRP, so that what follows can be fast.
fn cache(session: &Session, handle: &Handle) {
    let done = session.write(handle, Some(0), &[1; 4096]).expect("the machine runs");
    assert_eq!(done.status, NtStatus::SUCCESS);
}

fn kinds(machine: &altimeter::Machine, major: u8) -> (usize, usize) {
    let seen = results(machine, "r");
    (seen.fast(major, false).len(), seen.of(major, false).len())
}

#[test]
fn the_first_transfer_is_an_irp_and_those_after_it_are_fast() {
    // spec: PARM-02, CBD-02, CBD-03, IOPB-02, SEED-IOPB-02, SEED-IOPB-22, SWAP-03, IO-42, CC-20, REL-01, POST-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| {
        cache(session, handle);
        session.write(handle, Some(100), &[2; 50])?;
        let mut got = [0; 200];
        assert_eq!(session.read(handle, Some(0), &mut got)?.information, 200);
        assert!(got[..100].iter().all(|byte| *byte == 1) && got[100..150].iter().all(|byte| *byte == 2));
        Ok(())
    });
    let seen = results(&machine, "r");
    let writes = seen.fast(IRP_MJ_WRITE, false);
    assert_eq!((writes.len(), seen.fast(IRP_MJ_READ, false).len()), (1, 1));
    let (pre, post) = (&writes[0], &seen.fast(IRP_MJ_WRITE, true)[0]);
    // Length, key, offset, buffer, no MDL.
    assert_eq!((pre.parameters[0], pre.parameters[2], pre.parameters[4]), (50, 100, 0));
    assert_ne!(pre.parameters[3], 0);
    assert_eq!((pre.irp_flags, pre.operation_flags, pre.minor), (0, 0, 0));
    assert_eq!((pre.irql, pre.requestor_mode, pre.equal), (0, 1, ALL_EQUAL));
    assert_eq!(pre.data_flags & FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, 0);
    assert_eq!((post.status, post.information, post.irql), (0, 50, 0));
    assert_eq!((post.thread, post.data, post.parameters), (pre.thread, pre.data, pre.parameters));
    assert_eq!(seen.failed, 0, "lines {:?}", seen.failed_lines);
    assert_clean(&machine);
}

#[test]
fn a_disallowed_transfer_comes_again_as_an_irp() {
    // spec: PRE-11, PRE-13
    let machine = with_recorder(&["Mode=sz:disallow-fastio"]);
    with_file(&machine, "file", |session, handle| {
        cache(session, handle);
        session.write(handle, Some(0), &[7; 100])?;
        let mut got = [0; 100];
        session.read(handle, Some(0), &mut got)?;
        assert_eq!(got, [7; 100]);
        Ok(())
    });
    let (fast, irps) = kinds(&machine, IRP_MJ_WRITE);
    assert_eq!(fast, 1);
    assert!(irps >= 2, "the one that cached the file, and the one that followed");
    let seen = results(&machine, "r");
    assert!(seen.fast(IRP_MJ_WRITE, true).is_empty() && seen.fast(IRP_MJ_READ, true).is_empty());
    assert_eq!(seen.failed, 0, "lines {:?}", seen.failed_lines);
}

#[test]
fn a_filter_above_sees_that_fast_io_was_disallowed_below() {
    // spec: PRE-11, POST-01
    let machine = machine();
    recorder(&machine, "upper", "365000", &["Mode=sz:observe"]);
    recorder(&machine, "r", "360000", &["Mode=sz:disallow-fastio"]);
    with_file(&machine, "file", |session, handle| {
        cache(session, handle);
        session.write(handle, Some(0), &[7; 100])
    });
    let upper = results(&machine, "upper");
    let posts = upper.fast(IRP_MJ_WRITE, true);
    assert_eq!((posts.len(), posts[0].status), (1, NtStatus::FLT_DISALLOW_FAST_IO.bits()));
    assert!(upper.of(IRP_MJ_WRITE, true).iter().all(|entry| entry.status == 0));
}

#[test]
fn a_fast_transfer_that_a_filter_completes_reaches_nothing() {
    // spec: PRE-14
    let machine = with_recorder(&["Mode=sz:complete-pre", "Major=dword:3", "Status=dword:0xC0000022"]);
    with_file(&machine, "file", |session, handle| {
        cache(session, handle);
        assert_eq!(session.read(handle, Some(0), &mut [0; 10])?.status, NtStatus::ACCESS_DENIED);
        Ok(())
    });
    assert_eq!(kinds(&machine, IRP_MJ_READ), (1, 0), "no IRP follows");
    assert_clean(&machine);
}

#[test]
fn a_change_of_a_fast_write_counts_for_the_cache() {
    // spec: SEED-IOPB-43, IOPB-08
    let machine = with_recorder(&["Mode=sz:change-dirty", "Offset=dword:512"]);
    with_file(&machine, "change", |session, handle| {
        session.write(handle, Some(0), &[1; 4096])?;
        // Fast, and moved to 512.
        session.write(handle, Some(0), &[9; 10])?;
        Ok(())
    });
    let fast = results(&machine, "r").fast(IRP_MJ_WRITE, true);
    assert_eq!(fast.last().expect("a fast write").parameters[2], 0, "the post sees what its pre was given");
    // A file that the filter leaves alone shows where the bytes went.
    machine
        .run(|session| {
            let name = altimeter::utf16("\\change");
            let to = session.volume_path(&altimeter::utf16("\\plain"));
            let request = altimeter::session::OpenRequest::on_volume(&name)
                .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE | nt_abi::DELETE);
            let handle = session.open(&request)?.expect("the file").handle;
            let mut rename = vec![0u8; 20];
            rename[16..20].copy_from_slice(&((to.len() * 2) as u32).to_le_bytes());
            rename.extend(to.iter().flat_map(|unit| unit.to_le_bytes()));
            let done = session.set_information(
                &handle,
                nt_abi::file_information_class::FileRenameInformation,
                &rename,
            )?;
            assert_eq!(done.status, NtStatus::SUCCESS);
            session.close(handle)?;
            let plain = create(session, "plain")?.expect("the file");
            let mut got = vec![0; 1024];
            session.read(&plain, Some(0), &mut got)?;
            assert_eq!((got[0], got[512..522].to_vec(), got[522]), (0, vec![9; 10], 1));
            session.close(plain)?;
            Ok(())
        })
        .expect("the machine runs");
    assert_clean(&machine);
}

#[test]
fn a_device_control_comes_first_as_fast_io_with_the_callers_buffers() {
    // spec: PARM-16
    const METHOD_BUFFERED_CODE: u32 = 0x70000;
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |_, handle| {
        let buffer = nt_mm::UserBuffer::new(16).expect("user memory");
        let buffers = nt_io::ControlBuffers {
            input: buffer.address(),
            input_length: 3,
            output: buffer.address() + 8,
            output_length: 4,
        };
        let none = nt_io::Asynchronous::default();
        nt_io::nt_device_io_control_file(handle.value(), &none, METHOD_BUFFERED_CODE, buffers)?;
        Ok(())
    });
    let seen = results(&machine, "r");
    let (fast, irps) = (seen.fast(IRP_MJ_DEVICE_CONTROL, false), seen.of(IRP_MJ_DEVICE_CONTROL, false));
    assert_eq!((fast.len(), irps.len()), (1, 1), "the file system declines");
    let [output, input, code, from, to, _] = fast[0].parameters;
    assert_eq!((output, input, code, to), (4, 3, u64::from(METHOD_BUFFERED_CODE), from + 8));
    assert_ne!(irps[0].parameters[3], from, "the IRP has a system buffer");
    assert_clean(&machine);
}

/// Attributes of `\file` by its name, as a program asks for them.
fn attributes(_: &Session) -> Result<(NtStatus, u32), altimeter::Stopped> {
    let name = altimeter::utf16(r"\??\C:\file");
    let parameters = nt_io::CreateParameters {
        name: &name,
        object_attributes: nt_abi::OBJ_CASE_INSENSITIVE,
        mode: 1,
        ..nt_io::CreateParameters::default()
    };
    let buffer = nt_mm::UserBuffer::new(56).expect("user memory");
    let status = nt_io::nt_query_full_attributes_file(&parameters, buffer.address())?;
    let attributes = boundary::copy::read_value(buffer.address() + 48).expect("the answer");
    Ok((status, attributes))
}

#[test]
fn attributes_by_name_open_no_file_unless_a_filter_wants_to_see_it() {
    // spec: PARM-18, PARM-03
    use nt_abi::{IRP_MJ_CREATE, IRP_MJ_NETWORK_QUERY_OPEN};
    let counts = |mode: &str| {
        let machine = with_recorder(&[mode, "Major=dword:0xf2"]);
        with_file(&machine, "file", |_, _| Ok(()));
        let before = results(&machine, "r").of(IRP_MJ_CREATE, false).len();
        let answer = machine.run(attributes).expect("the machine runs");
        assert_eq!(answer, (NtStatus::SUCCESS, nt_abi::FILE_ATTRIBUTE_ARCHIVE), "{mode}");
        let seen = results(&machine, "r");
        assert_clean(&machine);
        (seen.fast(IRP_MJ_NETWORK_QUERY_OPEN, false).len(), seen.of(IRP_MJ_CREATE, false).len() - before)
    };
    assert_eq!(counts("Mode=sz:observe"), (1, 0));
    assert_eq!(counts("Mode=sz:disallow-fastio"), (1, 1));
}
