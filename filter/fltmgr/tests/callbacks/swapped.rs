//! Buffers that a filter puts in place of the caller's, locks, or gets from below.

use std::cell::Cell;
use std::ptr::{from_ref, without_provenance_mut};

use nt_abi::mdl_flags::{MDL_INTERNAL, MDL_PAGES_LOCKED};
use nt_abi::*;
use nt_ex::pool::{self, PoolKind};
use nt_io::{io_allocate_mdl, io_current_stack, io_free_mdl};
use nt_mm::UserBuffer;

use crate::harness::*;

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";

/// Memory that is a filter's.
fn memory(bytes: usize) -> usize {
    pool::allocate(PoolKind::NonPaged, bytes, 0x7465_7374, true).expect("memory").as_ptr() as usize
}

fn mdl_of(buffer: usize, bytes: usize) -> &'static MDL {
    let mdl = io_allocate_mdl(buffer, bytes as u32, false, None).expect("memory");
    nt_mm::mdl::build_for_nonpaged_pool(mdl);
    mdl
}

fn address<T>(of: &T) -> usize {
    from_ref(of) as usize
}

fn is_freed(mdl: usize) -> bool {
    pool::block_around(mdl).is_none()
}

/// Buffer and MDL of a transfer.
fn pair(call: &Call) -> (usize, usize) {
    let read = call.block().Parameters.Read();
    (read.ReadBuffer.get().addr(), read.MdlAddress.get().addr())
}

fn put(call: &Call, buffer: usize, mdl: usize) {
    let read = call.block().Parameters.Read();
    read.ReadBuffer.set(without_provenance_mut(buffer));
    read.MdlAddress.set(without_provenance_mut(mdl));
    fltmgr::flt_set_callback_data_dirty(call.data);
}

/// A transfer of `length` bytes with a buffer, an MDL and flags.
fn transfer(
    file: &'static FILE_OBJECT,
    major: u8,
    (buffer, mdl): (usize, usize),
    flags: u32,
    length: u32,
) -> &'static IRP {
    send(file, major, |irp, stack| {
        irp.Flags.set(flags);
        irp.UserBuffer.set(without_provenance_mut(buffer));
        irp.MdlAddress.set(without_provenance_mut(mdl));
        stack.Parameters.Read().Length.set(length);
    })
}

#[test]
fn the_mdl_of_a_swapped_buffer_is_the_managers_until_the_filter_retains_it() {
    // spec: SWAP-15, SWAP-16, SWAP-17, SWAP-19, SWAP-20
    for retains in [false, true] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            let (own, mdl) = (memory(512), mdl_of(memory(512), 512));
            let flags = mdl.MdlFlags.get();
            let known = mdl_of(own, 512);
            on_pre(MIDDLE, move |call| {
                assert_eq!(pair(call), (own, address(known)));
                put(call, nt_mm::mdl::virtual_address(mdl), address(mdl));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_pre(LOWER, move |call| {
                assert_eq!(pair(call), (nt_mm::mdl::virtual_address(mdl), address(mdl)));
                assert_eq!(mdl.MdlFlags.get(), flags | MDL_INTERNAL);
                assert!(fltmgr::swap::refuses_to_free(mdl));
                assert_eq!(mdl.MdlFlags.get(), flags | MDL_INTERNAL);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(LOWER, move |call| {
                assert_eq!(pair(call).1, address(mdl));
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), 0, "not its swap");
                fltmgr::flt_retain_swapped_buffer_mdl_address(call.operation());
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(MIDDLE, move |call| {
                assert_eq!(pair(call), (own, address(known)), "what it saw");
                assert_eq!(mdl.MdlFlags.get(), flags | MDL_INTERNAL);
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), address(mdl));
                if retains {
                    fltmgr::flt_retain_swapped_buffer_mdl_address(call.operation());
                    assert_eq!(mdl.MdlFlags.get(), flags);
                    assert!(!fltmgr::swap::refuses_to_free(mdl));
                }
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(UPPER, move |call| {
                assert_eq!(is_freed(address(mdl)), !retains, "when its post callback has returned");
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), 0);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = transfer(file, IRP_MJ_WRITE, (own, address(known)), 0, 8);
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            assert_eq!((irp.UserBuffer.get().addr(), irp.MdlAddress.get().addr()), (own, address(known)));
            assert!(!is_freed(address(known)), "the caller's");
            assert_eq!(is_freed(address(mdl)), !retains);
            assert_eq!(rules(core), ["SWAP-20"], "for the attempt to free it");
            assert!(core.findings()[0].message.contains("was swapped in"));
            io_free_mdl(known).unwrap();
        });
    }
}

#[test]
fn swapped_buffers_are_asked_for_in_post_callbacks_only() {
    // spec: SWAP-21
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(MIDDLE, |call| {
            assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), 0);
            fltmgr::flt_retain_swapped_buffer_mdl_address(call.operation());
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        write(file, 0);
        assert_eq!(rules(core), ["SWAP-21"; 2]);
        assert!(core.findings().iter().all(|finding| finding.driver == "middle"));
    });
}

#[test]
fn a_new_buffer_needs_a_new_mdl_or_none() {
    // spec: SWAP-16, SWAP-17
    with_file(&[IRP_MJ_WRITE], |core, file| {
        let own = memory(512);
        let old = [0, address(mdl_of(own, 512))];
        let fresh = || address(mdl_of(own + 8, 504));
        // Whether there is an MDL, what the filter puts in place, whether that is a swap and what is found.
        type Case = (usize, (usize, usize), bool, &'static [&'static str]);
        let cases: [Case; 7] = [
            (0, (own, 0), false, &[]),
            (1, (own, old[1]), false, &[]),
            (0, (own + 8, 0), true, &[]),
            (1, (own + 8, old[1]), true, &["SWAP-16"]),
            (1, (own + 8, 0), true, &[]),
            (1, (own + 8, fresh()), true, &[]),
            (0, (own, fresh()), true, &[]),
        ];
        for (has, (buffer, mdl), swaps, expected) in cases {
            let known = core.findings().len();
            on_pre(MIDDLE, move |call| {
                put(call, buffer, mdl);
                call.move_to(8);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(MIDDLE, move |call| {
                let record = call.operation().current_record().expect("it runs");
                // SWAPPED.
                assert_eq!(record.is(1), swaps);
                let swapped = if swaps && mdl != old[has] { mdl } else { 0 };
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), swapped);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            transfer(file, IRP_MJ_WRITE, (own, old[has]), 0, 8);
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            assert_eq!(rules(core)[known..], *expected, "{has} {buffer:#x} {mdl:#x}");
        }
    });
}

#[test]
fn a_noncached_transfer_needs_whole_sectors() {
    // spec: SWAP-24
    let cases: [(u8, u32, u32, usize, bool); 10] = [
        // Sectors have 512 bytes: 513 bytes are two.
        (IRP_MJ_READ, IRP_NOCACHE, 513, 1023, true),
        (IRP_MJ_READ, IRP_NOCACHE, 513, 1024, false),
        (IRP_MJ_READ, IRP_NOCACHE, 513, 1025, false),
        (IRP_MJ_WRITE, IRP_NOCACHE, 512, 511, true),
        (IRP_MJ_WRITE, IRP_NOCACHE, 512, 512, false),
        (IRP_MJ_WRITE, IRP_NOCACHE | IRP_PAGING_IO, 1, 100, true),
        (IRP_MJ_READ, 0, 513, 100, false),
        (IRP_MJ_READ, IRP_PAGING_IO, 513, 100, false),
        (IRP_MJ_READ, IRP_BUFFERED_IO, 513, 100, false),
        (IRP_MJ_READ, IRP_NOCACHE, 0, 16, false),
    ];
    for (major, flags, length, bytes, short) in cases {
        // Its MDL says how large the new buffer is, or the pool block does.
        for with_mdl in [true, false] {
            with_file(&[major], |core, file| {
                let own = memory(2048);
                on_pre(MIDDLE, move |call| {
                    let block = memory(2048);
                    let (start, whole, _) = pool::block_around(block).unwrap();
                    assert_eq!(start, block);
                    if with_mdl {
                        put(call, block, address(mdl_of(block, bytes)));
                    } else {
                        put(call, block + whole - bytes, 0);
                    }
                    FLT_PREOP_SUCCESS_WITH_CALLBACK
                });
                transfer(file, major, (own, 0), flags, length);
                let expected: &[&str] = if short { &["SWAP-24"] } else { &[] };
                assert_eq!(rules(core), expected, "{major} {flags:#x} {length} {bytes} {with_mdl}");
                if short {
                    let message = core.findings()[0].message.clone();
                    // Nobody knows which driver allocated the test's memory.
                    assert!(message.contains(&format!("of {bytes} bytes is too small")), "{message}");
                }
            });
        }
    }
    // Not a transfer: the flag means something else.
    with_file(&[IRP_MJ_DIRECTORY_CONTROL], |core, file| {
        on_pre(MIDDLE, |call| {
            let query = call.block().Parameters.QueryDirectory();
            let buffer = memory(16);
            query.DirectoryBuffer.set(without_provenance_mut(buffer));
            query.MdlAddress.set(from_ref(mdl_of(buffer, 16)).cast_mut());
            fltmgr::flt_set_callback_data_dirty(call.data);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        send(file, IRP_MJ_DIRECTORY_CONTROL, |irp, stack| {
            irp.Flags.set(IRP_NOCACHE);
            stack.MinorFunction.set(IRP_MN_QUERY_DIRECTORY);
            stack.Parameters.QueryDirectory().Length.set(512);
        });
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_swap_without_a_post_callback_leaks_the_buffer_but_not_the_mdl() {
    // spec: SWAP-22
    for with_mdl in [true, false] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            let own = memory(512);
            let mdl = if with_mdl { address(mdl_of(memory(512), 512)) } else { 0 };
            on_pre(MIDDLE, move |call| {
                put(call, own + 8, mdl);
                FLT_PREOP_SUCCESS_NO_CALLBACK
            });
            on_post(UPPER, move |_| {
                assert!(mdl == 0 || !is_freed(mdl));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            transfer(file, IRP_MJ_WRITE, (own, 0), 0, 8);
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            assert!(mdl == 0 || is_freed(mdl), "with the operation");
            assert_eq!(rules(core), ["SWAP-22"]);
        });
    }
}

/// The file system makes an MDL for a transfer that came without one.
fn makes_an_mdl() {
    on_fs(|irp| {
        assert!(irp.MdlAddress.get().is_null());
        let mdl = mdl_of(irp.UserBuffer.get().addr(), 8);
        irp.MdlAddress.set(from_ref(mdl).cast_mut());
        Some(NtStatus::SUCCESS)
    });
}

#[test]
fn an_mdl_that_the_file_system_makes_is_for_those_whose_buffer_it_describes() {
    // spec: SWAP-18, IOPB-08
    // Who swaps the buffer.
    for swapper in [None, Some(MIDDLE)] {
        with_file(&[IRP_MJ_READ], |core, file| {
            thread_local! {
                static PAIRS: Cell<[(usize, usize); 4]> = const { Cell::new([(0, 0); 4]) };
            }
            makes_an_mdl();
            let (own, other) = (memory(512), memory(512));
            for filter in [UPPER, MIDDLE, LOWER] {
                on_pre(filter, move |call| {
                    if Some(filter) == swapper {
                        put(call, other, 0);
                    }
                    if filter == LOWER {
                        FLT_PREOP_SUCCESS_NO_CALLBACK
                    } else {
                        FLT_PREOP_SUCCESS_WITH_CALLBACK
                    }
                });
                on_post(filter, move |call| {
                    let mut pairs = PAIRS.get();
                    pairs[filter] = pair(call);
                    if Some(filter) == swapper {
                        pairs[3].1 = fltmgr::flt_get_swapped_buffer_mdl_address(call.operation());
                    }
                    PAIRS.set(pairs);
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            let irp = transfer(file, IRP_MJ_READ, (own, 0), 0, 8);
            let [upper, middle, _, (_, swapped)] = PAIRS.get();
            match swapper {
                None => {
                    let made = irp.MdlAddress.get().addr();
                    assert_ne!(made, 0, "it goes up with the IRP");
                    assert_eq!([upper, middle], [(own, made); 2]);
                    assert!(!is_freed(made));
                }
                Some(_) => {
                    assert!(irp.MdlAddress.get().is_null());
                    assert_ne!(swapped, 0);
                    assert_eq!([upper, middle], [(own, 0); 2]);
                    assert!(is_freed(swapped), "with the swapper's post callback");
                }
            }
            assert_eq!(rules(core), Vec::<&str>::new());
            assert_eq!(irp.UserBuffer.get().addr(), own);
        });
    }
}

/// The file system makes a system buffer for a request that came without one.
fn makes_a_system_buffer(system: usize, more: u32) {
    on_fs(move |irp| {
        irp.Flags.set(irp.Flags.get() | IRP_BUFFERED_IO | more);
        irp.SystemBuffer().set(without_provenance_mut(system));
        Some(NtStatus::SUCCESS)
    });
}

#[test]
fn a_system_buffer_that_the_file_system_makes_is_shown_up_to_the_lowest_swapper() {
    // spec: SWAP-25
    const NEW: u32 = FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER;
    for (swapper, changes, flags) in [
        (None, false, 0),
        (None, true, IRP_INPUT_OPERATION),
        (Some(MIDDLE), true, 0),
        (Some(MIDDLE), true, IRP_DEALLOCATE_BUFFER),
    ] {
        with_file(&[IRP_MJ_READ], |core, file| {
            let (own, other, system) = (memory(512), memory(512), memory(512));
            makes_a_system_buffer(system, flags);
            on_pre(MIDDLE, move |call| {
                if swapper.is_some() {
                    put(call, other, 0);
                } else if changes {
                    call.move_to(8);
                }
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            for filter in [UPPER, MIDDLE, LOWER] {
                on_post(filter, move |call| {
                    let shown = call.data.Flags.get() & NEW != 0;
                    assert_eq!(shown, swapper.is_none_or(|swapper| filter >= swapper), "{filter}");
                    if shown {
                        assert_eq!(fltmgr::flt_get_new_system_buffer_address(call.operation()), system);
                    }
                    assert_ne!(call.data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION, 0);
                    assert_eq!(call.data.Flags.get() & FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, 0);
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            let irp = transfer(file, IRP_MJ_READ, (own, 0), IRP_SYNCHRONOUS_API, 8);
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            if swapper.is_none() {
                assert_eq!(irp.SystemBuffer().get().addr(), system, "it goes up with the IRP");
                assert_eq!(irp.Flags.get(), IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO | flags);
            } else {
                assert!(irp.SystemBuffer().get().is_null());
                assert_eq!(irp.Flags.get(), IRP_SYNCHRONOUS_API);
            }
            let ours = swapper.is_some() && flags == IRP_DEALLOCATE_BUFFER;
            assert_eq!(pool::block_around(system).is_none(), ours, "freed with the operation");
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn a_buffer_that_is_the_systems_already_or_is_always_is_no_new_one() {
    // spec: SWAP-25
    for (major, flags, before, made, new) in [
        (IRP_MJ_READ, 0, 0, true, true),
        (IRP_MJ_QUERY_EA, 0, 0, true, true),
        (IRP_MJ_DIRECTORY_CONTROL, 0, 0, true, true),
        // It came with one.
        (IRP_MJ_READ, IRP_BUFFERED_IO, 1, true, false),
        // The file system left only the flag, or only a pointer.
        (IRP_MJ_READ, 0, 0, false, false),
        (IRP_MJ_READ, 0, 1, false, false),
        (IRP_MJ_QUERY_INFORMATION, 0, 0, true, false),
        (IRP_MJ_QUERY_SECURITY, 0, 0, true, false),
        (IRP_MJ_DEVICE_CONTROL, 0, 0, true, false),
    ] {
        with_file(&[major], |core, file| {
            let system = memory(512);
            if made {
                makes_a_system_buffer(system, 0);
            } else if before == 0 {
                on_fs(|irp| {
                    irp.Flags.set(IRP_BUFFERED_IO);
                    Some(NtStatus::SUCCESS)
                });
            }
            on_post(MIDDLE, move |call| {
                let flags = call.data.Flags.get();
                assert_eq!(flags & FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER != 0, new, "{major}");
                FLT_POSTOP_FINISHED_PROCESSING
            });
            send(file, major, |irp, _| {
                irp.Flags.set(flags);
                irp.SystemBuffer().set(without_provenance_mut(before * system));
            });
            assert!(log().contains(&format!("middle post {}", shown_name(major))));
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
    with_file(&[IRP_MJ_READ], |core, file| {
        on_post(MIDDLE, |call| {
            assert_eq!(fltmgr::flt_get_new_system_buffer_address(call.operation()), 0);
            FLT_POSTOP_FINISHED_PROCESSING
        });
        send(file, IRP_MJ_READ, |_, _| {});
        assert_eq!(rules(core), ["SWAP-25"]);
        assert_eq!(core.findings()[0].driver, "middle");
    });
}

fn shown_name(major: u8) -> String {
    let name = fltmgr::flt_get_irp_name(major).trim_start_matches("IRP_MJ_").to_owned();
    if matches!(major, IRP_MJ_READ | IRP_MJ_WRITE) { format!("{name} 0") } else { name }
}

#[test]
fn a_locked_buffer_has_an_mdl_below_and_on_the_way_up_until_the_operation_ends() {
    // spec: SWAP-11, SWAP-12, SWAP-13, SWAP-15, IOPB-16
    for major in [IRP_MJ_READ, IRP_MJ_WRITE] {
        with_file(&[major], |core, file| {
            thread_local! {
                static MADE: Cell<usize> = const { Cell::new(0) };
            }
            let user = UserBuffer::new(64).unwrap();
            let buffer = user.address();
            on_pre(MIDDLE, move |call| {
                assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(NtStatus::SUCCESS));
                let made = pair(call).1;
                assert_ne!(made, 0);
                assert!(fltmgr::flt_is_callback_data_dirty(call.data));
                // SAFETY: the manager's MDL.
                let mdl = unsafe { &*(made as *const MDL) };
                assert_eq!((nt_mm::mdl::virtual_address(mdl), nt_mm::mdl::byte_count(mdl)), (buffer, 64));
                let flags = mdl.MdlFlags.get();
                assert_eq!(flags & (MDL_INTERNAL | MDL_PAGES_LOCKED), MDL_INTERNAL | MDL_PAGES_LOCKED);
                // A read writes to the buffer.
                assert_eq!(
                    flags & mdl_flags::MDL_WRITE_OPERATION != 0,
                    call.block().MajorFunction.get() == IRP_MJ_READ
                );
                // It is there already.
                assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(NtStatus::SUCCESS));
                assert_eq!(pair(call).1, made);
                assert!(fltmgr::swap::refuses_to_free(mdl));
                MADE.set(made);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_pre(LOWER, move |call| {
                assert_eq!(pair(call), (buffer, MADE.get()));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_fs(|irp| {
                assert_eq!(irp.MdlAddress.get().addr(), MADE.get());
                Some(NtStatus::SUCCESS)
            });
            for filter in [UPPER, MIDDLE, LOWER] {
                on_post(filter, move |call| {
                    assert_eq!(pair(call), (buffer, MADE.get()), "{filter}");
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            let irp = send(file, major, |irp, stack| {
                irp.RequestorMode.set(1);
                irp.UserBuffer.set(without_provenance_mut(buffer));
                stack.Parameters.Read().Length.set(64);
            });
            assert!(irp.MdlAddress.get().is_null(), "the caller's IRP is as it was");
            assert!(is_freed(MADE.get()));
            assert_eq!(rules(core), ["SWAP-15"]);
            assert!(core.findings()[0].message.contains("FltLockUserBuffer"));
        });
    }
}

#[test]
fn only_a_buffer_that_drivers_reach_through_an_mdl_is_locked() {
    // spec: SWAP-11, SWAP-14
    let cases: [(bool, u8, u32); 13] = [
        (true, IRP_MJ_READ, 0),
        (true, IRP_MJ_WRITE, 0),
        (true, IRP_MJ_DIRECTORY_CONTROL, 0),
        (true, IRP_MJ_QUERY_EA, 0),
        (true, IRP_MJ_SET_EA, 0),
        (true, IRP_MJ_QUERY_QUOTA, 0),
        (true, IRP_MJ_SET_QUOTA, 0),
        (true, IRP_MJ_QUERY_SECURITY, 0),
        (true, IRP_MJ_DEVICE_CONTROL, 0x7_0003),
        (true, IRP_MJ_FILE_SYSTEM_CONTROL, 0x9_0002),
        (false, IRP_MJ_DEVICE_CONTROL, 0x7_0000),
        (false, IRP_MJ_QUERY_INFORMATION, 0),
        (false, IRP_MJ_FLUSH_BUFFERS, 0),
    ];
    for (lockable, major, code) in cases {
        for length in [0x40, 0] {
            with_file(&[major], |core, file| {
                let buffer = memory(0x40);
                on_pre(MIDDLE, move |call| {
                    let expected = if lockable { NtStatus::SUCCESS } else { NtStatus::INVALID_PARAMETER };
                    let operation = call.operation();
                    assert_eq!(fltmgr::flt_lock_user_buffer(operation), Ok(expected), "{major}");
                    let decoded = fltmgr::flt_decode_parameters(call.data);
                    let mdl = match decoded {
                        Ok(places) if places.mdl != 0 => {
                            boundary::copy::read_value::<usize>(places.mdl).unwrap()
                        }
                        _ => 0,
                    };
                    assert_eq!(mdl != 0, lockable && length != 0, "{major} {length}");
                    assert_eq!(fltmgr::flt_is_callback_data_dirty(call.data), mdl != 0);
                    if mdl != 0 {
                        // SAFETY: the manager's MDL.
                        let mdl = unsafe { &*(mdl as *const MDL) };
                        let described = (nt_mm::mdl::virtual_address(mdl), nt_mm::mdl::byte_count(mdl));
                        assert_eq!(described, (buffer, length as usize), "{major}");
                    }
                    FLT_PREOP_SUCCESS_WITH_CALLBACK
                });
                send(file, major, |irp, stack| {
                    irp.UserBuffer.set(without_provenance_mut(buffer));
                    let words = &stack.Parameters.raw;
                    words[usize::from(major == IRP_MJ_QUERY_SECURITY)].set(length);
                    if code != 0 {
                        words[2].set(code.into());
                    }
                });
                assert!(log().iter().any(|line| line.starts_with("done STATUS_SUCCESS")));
                assert_eq!(rules(core), Vec::<&str>::new());
            });
        }
    }
}

#[test]
fn a_programs_buffer_is_probed_as_one_and_a_filters_is_not() {
    // spec: SWAP-14
    // Mode of the request, whether the buffer is a program's, whether the operation names another one, what comes of it.
    let (success, violation) = (NtStatus::SUCCESS, NtStatus::ACCESS_VIOLATION);
    for (mode, users, swapped, expected) in [
        (0, true, false, success),
        (0, false, false, success),
        (1, true, false, success),
        (1, false, false, violation),
        (1, false, true, success),
    ] {
        with_file(&[IRP_MJ_READ], |core, file| {
            let user = UserBuffer::new(64).unwrap();
            let kernel = memory(64);
            let buffer = if users { user.address() } else { kernel };
            let other = memory(64);
            on_pre(MIDDLE, move |call| {
                if swapped {
                    put(call, other, 0);
                }
                assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(expected));
                assert_eq!(pair(call).1 != 0, expected == success);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            let irp = send(file, IRP_MJ_READ, |irp, stack| {
                irp.RequestorMode.set(mode);
                irp.UserBuffer.set(without_provenance_mut(buffer));
                stack.Parameters.Read().Length.set(8);
            });
            assert_eq!(io_status(irp), (NtStatus::SUCCESS, 8));
            assert_eq!(rules(core), Vec::<&str>::new(), "{mode} {users} {swapped}");
        });
    }
    // A system buffer is the system's, whoever asks.
    with_file(&[IRP_MJ_READ], |core, file| {
        let system = memory(64);
        on_pre(MIDDLE, |call| {
            assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(NtStatus::SUCCESS));
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        send(file, IRP_MJ_READ, |irp, stack| {
            irp.RequestorMode.set(1);
            irp.Flags.set(IRP_BUFFERED_IO);
            irp.SystemBuffer().set(without_provenance_mut(system));
            irp.UserBuffer.set(without_provenance_mut(system));
            stack.Parameters.Read().Length.set(8);
        });
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

fn io_status(irp: &IRP) -> (NtStatus, usize) {
    (irp.IoStatus.Status.get(), irp.IoStatus.Information.get())
}

#[test]
fn who_locks_a_swapped_buffer_makes_the_swappers_mdl() {
    // spec: SWAP-12, SWAP-17, SWAP-18
    // The lower filter locks on the way down, or on the way up; the swapper has an MDL, or not.
    for (in_post, has) in [(false, false), (true, false), (false, true)] {
        with_file(&[IRP_MJ_READ], |core, file| {
            thread_local! {
                static MADE: Cell<usize> = const { Cell::new(0) };
            }
            let (own, other) = (memory(64), memory(64));
            let mdl = if has { address(mdl_of(other, 64)) } else { 0 };
            on_pre(MIDDLE, move |call| {
                put(call, other, mdl);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            let lock = move |call: &Call| {
                assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(NtStatus::SUCCESS));
                MADE.set(pair(call).1);
                assert!(MADE.get() != 0 && (!has || MADE.get() == mdl));
            };
            on_pre(LOWER, move |call| {
                if !in_post {
                    lock(call);
                }
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(LOWER, move |call| {
                if in_post {
                    lock(call);
                }
                assert_eq!(pair(call), (other, MADE.get()));
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), 0);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(MIDDLE, move |call| {
                assert_eq!(pair(call), (own, 0));
                assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), MADE.get());
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(UPPER, move |call| {
                assert_eq!(pair(call), (own, 0));
                assert!(is_freed(MADE.get()), "with the swapper's post callback");
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = transfer(file, IRP_MJ_READ, (own, 0), 0, 8);
            assert_eq!(io_status(irp), (NtStatus::SUCCESS, 8));
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
    // Locked above the swap it is the caller's buffer.
    with_file(&[IRP_MJ_READ], |core, file| {
        let (own, other) = (memory(64), memory(64));
        on_pre(MIDDLE, move |call| {
            put(call, other, 0);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        on_post(MIDDLE, move |call| {
            assert_eq!(fltmgr::flt_lock_user_buffer(call.operation()), Ok(NtStatus::SUCCESS));
            assert_ne!(pair(call).1, 0);
            assert_eq!(fltmgr::flt_get_swapped_buffer_mdl_address(call.operation()), 0);
            note(format!("{:#x}", pair(call).1));
            FLT_POSTOP_FINISHED_PROCESSING
        });
        on_post(UPPER, move |call| {
            note(format!("{:#x}", pair(call).1));
            FLT_POSTOP_FINISHED_PROCESSING
        });
        transfer(file, IRP_MJ_READ, (own, 0), 0, 8);
        let lines = log();
        let seen: Vec<&String> = lines.iter().filter(|line| line.starts_with("0x")).collect();
        assert!(seen.len() == 2 && seen[0] == seen[1], "{lines:?}");
        let mdl = usize::from_str_radix(&seen[0][2..], 16).unwrap();
        assert!(is_freed(mdl));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn what_filters_changed_in_the_irp_is_put_back_when_it_returns() {
    // spec: IOPB-08
    with_file(&[IRP_MJ_WRITE, IRP_MJ_FLUSH_BUFFERS], |core, file| {
        let own = memory(64);
        on_pre(MIDDLE, |call| {
            call.block().IrpFlags.set(IRP_NOCACHE);
            call.block().OperationFlags.set(0x10);
            fltmgr::flt_set_callback_data_dirty(call.data);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        on_fs(|irp| {
            assert_eq!((irp.Flags.get(), io_current_stack(irp).Flags.get()), (IRP_NOCACHE, 0x10));
            Some(NtStatus::SUCCESS)
        });
        for major in [IRP_MJ_WRITE, IRP_MJ_FLUSH_BUFFERS] {
            let irp = send(file, major, |irp, stack| {
                irp.UserBuffer.set(without_provenance_mut(own));
                irp.Flags.set(IRP_SYNCHRONOUS_API);
                stack.Parameters.Write().Length.set(8);
            });
            assert_eq!(irp.Flags.get(), IRP_SYNCHRONOUS_API, "{major}");
        }
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}
