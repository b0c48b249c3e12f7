//! Operations that a filter sends to another volume, or to another file.

use std::cell::Cell;
use std::ptr::{from_ref, without_provenance_mut};
use std::sync::Arc;

use fltmgr::{Filter, Instance};
use nt_abi::*;
use nt_io::io_complete_with;

use crate::harness::*;

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";
const WRITES: [(u8, bool, bool); 1] = [(IRP_MJ_WRITE, true, true)];

/// The pointer that drivers have of an instance.
fn target(instance: &Arc<Instance>) -> usize {
    fltmgr::instance_for_driver(instance).expect("it is there")
}

/// A file of each volume, with the filters on both.
fn with_two(f: impl FnOnce(&Arc<nt_ke::Core>, &[Arc<Filter>; 3], [&'static FILE_OBJECT; 2])) {
    in_machine(|core| {
        let filters = three(&[IRP_MJ_WRITE]);
        let files = ['C', 'D'].map(open);
        log();
        f(core, &filters, files);
    });
}

/// The pre callback of a filter sends what comes to this instance and file.
fn sends(filter: usize, instance: usize, file: usize) {
    on_pre(filter, move |call| {
        if instance != 0 {
            call.block().TargetInstance.set(without_provenance_mut(instance));
        }
        if file != 0 {
            call.block().TargetFileObject.set(without_provenance_mut(file));
        }
        fltmgr::flt_set_callback_data_dirty(call.data);
        FLT_PREOP_SUCCESS_WITH_CALLBACK
    });
}

fn address<T>(of: &T) -> usize {
    from_ref(of) as usize
}

thread_local! {
    static VOLUMES: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// Which volume the callbacks are told, and whether the objects agree.
fn note_volumes(of: &[usize]) {
    for filter in of {
        let say = |call: &Call| {
            let (objects, block) = (call.objects, call.block());
            let place = VOLUMES.get().iter().position(|volume| *volume == objects.Volume.get().addr());
            assert_eq!(objects.FileObject.get(), block.TargetFileObject.get());
            assert_eq!(objects.Instance.get().addr(), block.TargetInstance.get().addr());
            let instance = fltmgr::from_address::<Instance>(objects.Instance.get().addr()).unwrap();
            let volume = fltmgr::from_address::<fltmgr::Volume>(objects.Volume.get().addr()).unwrap();
            assert!(Arc::ptr_eq(&instance.volume, &volume));
            note(format!("on {}", ["C", "D"][place.expect("one of the two")]));
        };
        on_post(*filter, move |call| {
            say(call);
            FLT_POSTOP_FINISHED_PROCESSING
        });
        if *filter != MIDDLE {
            on_pre(*filter, move |call| {
                say(call);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
        }
    }
}

fn know_volumes(files: [&'static FILE_OBJECT; 2], filter: &Arc<Filter>) {
    VOLUMES.set(files.map(|file| {
        let instance = instance(file, filter);
        fltmgr::anchor::flt_object_reference(target(&instance)).unwrap();
        let volume = Arc::clone(&instance.volume);
        fltmgr::anchor::reference_for_driver(&volume).expect("it is there")
    }));
}

#[test]
fn an_operation_goes_on_below_the_instance_that_it_was_sent_to() {
    // spec: IOPB-10, SEED-IOPB-46, SEED-IOPB-50
    for pends in [false, true] {
        in_machine(|core| {
            // Another filter right above the one that redirects, and another one right below.
            let _above = register_as("above", "200.5", UPPER, &WRITES, 0);
            let filters = three(&[IRP_MJ_WRITE]);
            let _below = register_as("below", "199", LOWER, &WRITES, 0);
            let files = ['C', 'D'].map(open);
            log();
            know_volumes(files, &filters[MIDDLE]);
            note_volumes(&[UPPER, MIDDLE, LOWER]);
            sends(MIDDLE, target(&instance(files[1], &filters[MIDDLE])), address(files[1]));
            thread_local! {
                static BELOW: Cell<Option<&'static IRP>> = const { Cell::new(None) };
            }
            let (device, file) = (address(volume_of(files[1]).lower().unwrap()), address(files[1]));
            on_fs(move |irp| {
                let stack = nt_io::io_current_stack(irp);
                assert_eq!((stack.DeviceObject.get().addr(), stack.FileObject.get().addr()), (device, file));
                BELOW.set(Some(irp));
                (!pends).then_some(NtStatus::SUCCESS)
            });
            write(files[0], 0);
            let mut lines = log();
            if pends {
                assert_eq!(lines.pop().as_deref(), Some("pending"));
                io_complete_with(BELOW.get().unwrap(), NtStatus::SUCCESS, 8).unwrap();
                lines.extend(log());
            }
            assert_eq!(
                lines,
                [
                    "upper pre WRITE 0",
                    "on C",
                    "upper pre WRITE 0",
                    "on C",
                    "middle pre WRITE 0",
                    "lower pre WRITE 0",
                    "on D",
                    "lower pre WRITE 0",
                    "on D",
                    "fs WRITE 0",
                    "lower post WRITE 0",
                    "on D",
                    "lower post WRITE 0",
                    "on D",
                    "middle post WRITE 0",
                    "on C",
                    "upper post WRITE 0",
                    "on C",
                    "upper post WRITE 0",
                    "on C",
                    DONE,
                ]
            );
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn an_operation_that_was_held_can_be_sent_elsewhere_when_it_is_completed() {
    // spec: IOPB-10, PRE-09
    with_two(|core, filters, files| {
        thread_local! {
            static HELD: Cell<Option<&'static fltmgr::Operation>> = const { Cell::new(None) };
        }
        know_volumes(files, &filters[MIDDLE]);
        note_volumes(&[UPPER, MIDDLE, LOWER]);
        on_pre(MIDDLE, |call| {
            HELD.set(Some(call.operation()));
            FLT_PREOP_PENDING
        });
        write(files[0], 0);
        assert_eq!(log(), ["upper pre WRITE 0", "on C", "middle pre WRITE 0", "pending"]);
        let operation = HELD.get().unwrap();
        operation
            .iopb
            .TargetInstance
            .set(without_provenance_mut(target(&instance(files[1], &filters[MIDDLE]))));
        operation.iopb.TargetFileObject.set(from_ref(files[1]).cast_mut());
        fltmgr::flt_set_callback_data_dirty(&operation.data);
        fltmgr::flt_complete_pended_pre_operation(operation, FLT_PREOP_SUCCESS_WITH_CALLBACK, 0).unwrap();
        assert_eq!(
            log(),
            [
                "lower pre WRITE 0",
                "on D",
                "fs WRITE 0",
                "lower post WRITE 0",
                "on D",
                "middle post WRITE 0",
                "on C",
                "upper post WRITE 0",
                "on C",
                DONE
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

/// Sends a write from C to `instance` and `file`, which is refused: it goes to C's own file.
fn refused(core: &nt_ke::Core, files: [&'static FILE_OBJECT; 2], instance: usize, rule: &str, why: &str) {
    sends(MIDDLE, instance, address(files[1]));
    let own = (address(volume_of(files[0]).lower().unwrap()), address(files[0]));
    on_fs(move |irp| {
        let stack = nt_io::io_current_stack(irp);
        assert_eq!((stack.DeviceObject.get().addr(), stack.FileObject.get().addr()), own);
        Some(NtStatus::SUCCESS)
    });
    let before = core.findings().len();
    write(files[0], 0);
    assert_eq!(log().last().map(String::as_str), Some(DONE));
    let findings = core.findings();
    let found: Vec<&str> = findings[before..].iter().map(|finding| finding.rule).collect();
    assert_eq!(found, [rule], "{why}");
    assert!(findings[before].message.contains(why), "{}", findings[before].message);
    assert_eq!(findings[before].driver, "middle");
}

#[test]
fn an_operation_goes_only_to_the_same_filter_on_another_volume() {
    // spec: IOPB-10, IOPB-11, SEED-IOPB-51
    with_two(|core, filters, files| {
        let own = target(&instance(files[1], &filters[MIDDLE]));
        let same = "same filter at the same altitude on another volume";
        refused(core, files, 0x10, "IOPB-10", "no instance");
        for other in [UPPER, LOWER] {
            refused(core, files, target(&instance(files[1], &filters[other])), "IOPB-10", same);
        }
        refused(core, files, target(&instance(files[0], &filters[LOWER])), "IOPB-10", same);
        // The same filter at another altitude.
        let volume = volume_of(files[1]);
        let at: Vec<u16> = "250".encode_utf16().collect();
        let second =
            fltmgr::flt_attach_volume_at_altitude(&filters[MIDDLE], &volume, &at, None).unwrap().unwrap();
        refused(core, files, target(&second), "IOPB-10", same);
        // A device with fewer stack locations; as many or more will do.
        let size = &volume.device().unwrap().StackSize;
        let was = size.get();
        size.set(was - 1);
        refused(core, files, own, "IOPB-11", "smaller StackSize");
        let known = core.findings().len();
        for enough in [was, was + 1] {
            size.set(enough);
            on_fs(|_| Some(NtStatus::SUCCESS));
            sends(MIDDLE, own, address(files[1]));
            on_pre(LOWER, |call| {
                let instance = fltmgr::from_address::<Instance>(call.objects.Instance.get().addr()).unwrap();
                note(String::from_utf16_lossy(&instance.volume.name));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            write(files[0], 0);
            assert!(log().contains(&String::from_utf16_lossy(&volume.name)));
        }
        assert_eq!(core.findings().len(), known);
    });
}

#[test]
fn a_file_object_has_to_be_one_of_the_volume() {
    // spec: IOPB-12, SEED-IOPB-53
    with_two(|core, filters, files| {
        let another = open('C');
        log();
        let there = target(&instance(files[1], &filters[MIDDLE]));
        for (instance, file, wrong) in [
            (0, address(another), false),
            (0, address(files[1]), true),
            (there, address(files[1]), false),
            (there, address(another), true),
            // Unchanged it is not looked at.
            (there, 0, false),
        ] {
            let known = core.findings().len();
            sends(MIDDLE, instance, file);
            on_pre(LOWER, move |call| {
                let expected = if file == 0 { address(files[0]) } else { file };
                assert_eq!(call.objects.FileObject.get().addr(), expected);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(MIDDLE, move |call| {
                assert_eq!(call.objects.FileObject.get().addr(), address(files[0]));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            write(files[0], 0);
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            let expected: &[&str] = if wrong { &["IOPB-12"] } else { &[] };
            assert_eq!(rules(core)[known..], *expected, "{instance:#x} {file:#x}");
        }
    });
}

#[test]
fn an_operation_is_sent_over_four_volumes_at_most() {
    // spec: IOPB-10
    in_machine(|core| {
        let last = register_as("last", "50", LOWER, &WRITES, 0);
        let filters = three(&[IRP_MJ_WRITE]);
        let files = ['C', 'D'].map(open);
        log();
        let to = |at: usize, filter: &Arc<Filter>| target(&instance(files[at], filter));
        sends(UPPER, to(1, &filters[UPPER]), address(files[1]));
        sends(MIDDLE, to(0, &filters[MIDDLE]), address(files[0]));
        let targets = [[0, to(1, &filters[LOWER])], [to(0, &last), 0]];
        on_pre(LOWER, move |call| {
            // The lower one, on C, sends it to D; the last one, on D, would send it back.
            let place = usize::from(std::ptr::eq(call.block().TargetFileObject.get(), files[1]));
            note(["C", "D"][place]);
            call.block().TargetInstance.set(without_provenance_mut(targets[place][1 - place]));
            call.block().TargetFileObject.set(from_ref(files[1 - place]).cast_mut());
            fltmgr::flt_set_callback_data_dirty(call.data);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        let device = address(volume_of(files[1]).lower().unwrap());
        on_fs(move |irp| {
            assert_eq!(nt_io::io_current_stack(irp).DeviceObject.get().addr(), device);
            Some(NtStatus::SUCCESS)
        });
        write(files[0], 0);
        let lines = log();
        assert_eq!(lines[2..7], ["lower pre WRITE 0", "C", "lower pre WRITE 0", "D", "fs WRITE 0"]);
        assert_eq!(lines.len(), 12);
        assert_eq!(rules(core), ["IOPB-10"]);
        assert!(core.findings()[0].message.contains("too many volumes"));
    });
}

#[test]
fn a_volume_may_have_as_many_filters_as_there_are_records() {
    // The records of an operation are sixteen for up to eight filters.
    for (more, fits) in [(8, true), (9, false)] {
        in_machine(|core| {
            attach_by_hand();
            let sender = register(MIDDLE, &WRITES, 0);
            let filters = |count: i32, kind: usize, from: i32| -> Vec<_> {
                (0..count)
                    .map(|n| register_as(&format!("f{kind}{n}"), &format!("{}", from + n), kind, &WRITES, 0))
                    .collect()
            };
            let (above, below) = (filters(7, UPPER, 300), filters(more, LOWER, 100));
            let files = ['C', 'D'].map(open);
            let attach = |file, filter: &Arc<Filter>| {
                fltmgr::flt_attach_volume(filter, &volume_of(file), None).unwrap().unwrap()
            };
            above.iter().for_each(|filter| drop(attach(files[0], filter)));
            attach(files[0], &sender);
            below.iter().for_each(|filter| drop(attach(files[1], filter)));
            sends(MIDDLE, target(&attach(files[1], &sender)), address(files[1]));
            log();
            if fits {
                write(files[0], 0);
                let lines = log();
                assert_eq!(lines.len(), 2 * (7 + 1 + 8) + 2);
                assert_eq!(lines[8..16], ["lower pre WRITE 0"; 8]);
                assert_eq!(rules(core), Vec::<&str>::new());
            } else {
                let device = nt_io::io_get_related_device(files[0]);
                let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8).unwrap();
                let stack = nt_io::io_next_stack(irp);
                stack.MajorFunction.set(IRP_MJ_WRITE);
                stack.FileObject.set(from_ref(files[0]).cast_mut());
                assert!(nt_io::io_call_driver(device, irp).is_err());
                let check = core.bug_checked().expect("the machine ends");
                assert_eq!(check.code, bugcheck::FLTMGR_FILE_SYSTEM);
                assert!(check.message.contains("more than twice as many filters"), "{}", check.message);
            }
        });
    }
}
