//! Query opens: answered, refused, and disallowed by native callbacks.

use std::cell::Cell;

use nt_abi::*;
use nt_fsrtl::fs_filter::*;
use nt_io::*;

use crate::support::*;

extern "win64" fn query_open(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    assert_eq!(data.Operation.get(), IRP_MJ_QUERY_OPEN);
    let [irp, to, length, class, status] = data.Parameters.raw.each_ref().map(Cell::get);
    // SAFETY: the create's IRP, whose current stack location is that of the create.
    let stack = io_current_stack(unsafe { &*(irp as *const IRP) });
    assert_eq!((stack.MajorFunction.get(), class, status), (IRP_MJ_CREATE, 71, 0));
    assert_eq!(stack.FileObject.get(), data.FileObject.get());
    boundary::copy::write_value(to as usize, 1u32).unwrap();
    boundary::copy::write_value(length as usize, 4u32).unwrap();
    note("fs query open".into());
    data.Parameters.raw[4].set(u64::from(FS_ANSWER.get().bits()));
    NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY.0
}

extern "win64" fn after_query_open(data: &FS_FILTER_CALLBACK_DATA, status: i32, _: usize) {
    assert_eq!(data.Parameters.raw[4].get() as u32 as i32, status);
    note(format!("post {status:#x}"));
    if FILTER_ANSWER.get() != NtStatus::SUCCESS {
        data.Parameters.raw[4].set(u64::from(FILTER_ANSWER.get().bits()));
    }
}

#[test]
fn a_post_callback_of_a_query_open_may_disallow_it_by_its_completion_status() {
    // spec: FSF-28
    in_machine(|subject| {
        let register = |driver, pre: *const (), post: *const ()| {
            let table: [Cell<u64>; 15] = Default::default();
            table[0].set(0x78);
            table[13].set(pre as u64);
            table[14].set(post as u64);
            // SAFETY: as long as its size says; all fields are cells.
            let callbacks = unsafe { &*(&raw const table).cast::<FS_FILTER_CALLBACKS>() };
            assert_eq!(register_callbacks(driver, callbacks), Ok(NtStatus::SUCCESS));
        };
        register(subject.fs, query_open as *const (), std::ptr::null());
        register(subject.filter, std::ptr::null(), after_query_open as *const ());
        let name: Vec<u16> = r"\Device\Base\file".encode_utf16().collect();
        let ask = || {
            let parameters = CreateParameters { name: &name, ..CreateParameters::default() };
            let answer = Cell::new(0u32);
            let result = nt_query_information_by_name(&parameters, answer.as_ptr() as usize, 4, 71).unwrap();
            (result.status, answer.get(), log())
        };
        assert_eq!(ask(), (NtStatus::SUCCESS, 1, vec!["fs query open".into(), "post 0x0".into()]));
        FS_ANSWER.set(NtStatus::OBJECT_NAME_NOT_FOUND);
        let lines = vec!["fs query open".into(), "post 0xc0000034".into()];
        assert_eq!(ask(), (NtStatus::OBJECT_NAME_NOT_FOUND, 0, lines));
        // The create that comes instead is refused by drivers without dispatch routines.
        FS_ANSWER.set(NtStatus::SUCCESS);
        FILTER_ANSWER.set(NtStatus::FLT_DISALLOW_FSFILTER_IO);
        assert_eq!(ask().0, NtStatus::INVALID_DEVICE_REQUEST);
        assert!(subject.rules().is_empty());
    });
}
