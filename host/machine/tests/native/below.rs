//! Transfers that filters send below themselves, at offsets that are none, and with buffers and controls that are wrong.

use altimeter::session::{Handle, Session};
use altimeter::{Machine, NtStatus, Stopped};
use fltmgr::transfer::{Transfer, flt_read_file, flt_write_file};
use fltmgr::{Instance, flt};
use nt_abi::{FILE_OBJECT, file_information_class as class};
use nt_ex::pool::{self, PoolKind};
use std::sync::Arc;

use crate::support::*;

/// Runs `f` with the recorder's instance, an open file of 1000 `a`s that stands at 100, and 16 bytes of nonpaged pool.
fn below(
    f: impl FnOnce(&Session, &Handle, &Arc<Instance>, &'static FILE_OBJECT, usize) -> Result<(), Stopped>,
) {
    let machine = with_recorder(&["Mode=sz:observe"]);
    below_of(&machine, f);
    machine.unload_all();
    assert_clean(&machine);
}

fn below_of(
    machine: &Machine,
    f: impl FnOnce(&Session, &Handle, &Arc<Instance>, &'static FILE_OBJECT, usize) -> Result<(), Stopped>,
) {
    machine
        .run(|session| {
            let handle = create(session, "file")?.expect("a file");
            session.write(&handle, Some(0), &[b'a'; 1000])?;
            let position = 100i64.to_le_bytes();
            session.set_information(&handle, class::FilePositionInformation, &position)?;
            let (file, _) = nt_io::reference_file_by_handle(handle.value(), 0, 0).expect("it is open");
            let filter = flt().filter_named(&altimeter::utf16("r")).expect("it is loaded");
            let instance = flt().instances_of(&filter).remove(0);
            let block = pool::allocate_engine(PoolKind::NonPaged, 16, 1).expect("memory");
            boundary::copy::write(block.as_ptr() as usize, b"0123456789abcdef").expect("it is there");
            f(session, &handle, &instance, file, block.as_ptr() as usize)?;
            pool::free(block.as_ptr(), Some(1))?;
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
            session.close(handle)
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
}

fn transfer(offset: i64, buffer: usize) -> Transfer {
    Transfer { offset: Some(offset), length: 16, buffer, mdl: 0, flags: 0, key: 0, callback: None }
}

#[test]
fn a_write_to_the_end_appends_and_one_at_the_position_goes_on_there() {
    // spec: GIO-18
    below(|session, handle, instance, file, buffer| {
        let written = flt_write_file(instance, file, transfer(-1, buffer))?;
        assert_eq!((written.status, written.information), (NtStatus::SUCCESS, 16));
        let mut standard = [0; 24];
        session.query_information(handle, class::FileStandardInformation, &mut standard)?;
        assert_eq!(u64::from_le_bytes(standard[8..16].try_into().expect("eight")), 1016);
        assert_eq!(file.CurrentByteOffset.get(), 1016, "behind what was appended");
        file.CurrentByteOffset.set(500);
        let written = flt_write_file(instance, file, transfer(-2, buffer))?;
        assert_eq!((written.status, file.CurrentByteOffset.get()), (NtStatus::SUCCESS, 516));
        let mut bytes = [0; 18];
        session.read(handle, Some(499), &mut bytes)?;
        assert_eq!(&bytes, b"a0123456789abcdefa");
        let mut tail = [0; 16];
        session.read(handle, Some(1000), &mut tail)?;
        assert_eq!(&tail, b"0123456789abcdef");
        file.CurrentByteOffset.set(1000);
        let read = flt_read_file(instance, file, transfer(-2, buffer))?;
        assert_eq!(
            (read.status, read.information, file.CurrentByteOffset.get()),
            (NtStatus::SUCCESS, 16, 1016)
        );
        Ok(())
    });
}

#[test]
fn controls_ignore_the_length_of_a_buffer_that_is_missing() {
    // spec: GIO-34
    let machine = with_recorder(&["Mode=sz:observe"]);
    recorder(&machine, "low", "360000", &["Mode=sz:observe"]);
    below_of(&machine, |_, _, instance, file, _| {
        let nothing = nt_io::ControlBuffers { input: 0, input_length: 64, output: 0, output_length: 64 };
        let code = nt_abi::FSCTL_IS_VOLUME_MOUNTED;
        let done = fltmgr::control::flt_fs_control_file(instance, file, code, nothing)?;
        assert_eq!(done.status, NtStatus::SUCCESS);
        Ok(())
    });
    let seen = results(&machine, "low").of(nt_abi::IRP_MJ_FILE_SYSTEM_CONTROL, false);
    let lengths: Vec<_> = seen.iter().map(|entry| (entry.parameters[0], entry.parameters[1])).collect();
    assert_eq!(lengths, [(0, 0)], "of output and input");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_volume_whose_name_is_longer_is_another_one() {
    below(|_, _, instance, file, _| {
        let destination = |name: &str| {
            let options = nt_abi::FLT_FILE_NAME_OPENED | nt_abi::FLT_FILE_NAME_QUERY_DEFAULT;
            let name = altimeter::utf16(name);
            fltmgr::names::flt_get_destination_file_name_information(instance, file, 0, &name, options)
        };
        let own = destination(r"\Device\HarddiskVolume1\other")?.expect("a name");
        fltmgr::names::flt_release_file_name_information(own)?;
        let other = destination(r"\Device\HarddiskVolume10\other")?;
        assert_eq!(other.err(), Some(NtStatus::NOT_SAME_DEVICE));
        Ok(())
    });
}
