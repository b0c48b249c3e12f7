//! Objects, handles and names, in a machine that has nothing above the object manager.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary::Raise;
use nt_abi::{
    GENERIC_READ, MAXIMUM_ALLOWED, NtStatus, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, OBJ_OPENIF,
    OBJ_PERMANENT, bugcheck,
};
use nt_ke::core::Config;
use nt_ke::{Core, Severity, current_core, current_thread};
use nt_ob::*;

fn run<R>(f: impl FnOnce() -> R) -> R {
    let core: Arc<Core> = Core::new(Config::default()).expect("a slot is free");
    let result = core
        .attach(0, || {
            core.install(Box::new(nt_mm::Mm::new(&core).expect("pages")));
            core.install(Box::new(nt_ex::Ex::new(&core)));
            Ob::boot(&core).expect("no raise").expect("boots");
            f()
        })
        .expect("a thread");
    core.stop();
    result
}

fn stops_with(code: u32, f: impl FnOnce() -> Option<Raise>) {
    run(|| {
        assert_eq!(f(), Some(Raise::Stop));
        assert_eq!(current_core().bug_checked().expect("a bug check").code, code);
    });
}

static CLOSED: AtomicU64 = AtomicU64::new(u64::MAX);

fn box_type() -> &'static ObjectType {
    fn parse(request: &mut ParseRequest<'_>) -> Result<Parsed, Raise> {
        if let Some(seen) = request.context.downcast_mut::<Vec<Vec<u16>>>() {
            seen.push(request.remaining.to_vec());
        }
        if request.remaining == units(r"\again") {
            return Ok(Parsed::Reparse(units(r"\Device\Box\elsewhere")));
        }
        if request.remaining == units(r"\forever") {
            return Ok(Parsed::Reparse(units(r"\Device\Box\forever")));
        }
        ob_reference(request.object)?;
        Ok(Parsed::Object(request.object))
    }
    fn close(_: usize, _: usize, left: u64) -> Result<(), Raise> {
        CLOSED.store(left, Ordering::Relaxed);
        Ok(())
    }
    ob_create_type(TypeDescription {
        mapping: Mapping { read: 1, write: 2, execute: 4, all: 7 },
        valid_access: 7,
        parse: Some(parse),
        close: Some(close),
        ..TypeDescription::new("Box", *b"Boxx")
    })
    .expect("pool")
}

fn plain_type() -> &'static ObjectType {
    if let Ok(kind) = find(r"\ObjectTypes\Plain", 0) {
        return ob_type_at(kind.address()).expect("a type");
    }
    ob_create_type(TypeDescription {
        mapping: Mapping { read: 1, write: 2, execute: 4, all: 7 },
        valid_access: 7,
        ..TypeDescription::new("Plain", *b"Plai")
    })
    .expect("pool")
}

fn named(name: &str, attributes: u32) -> ObjectAttributes {
    ObjectAttributes::named(&units(name), attributes)
}

fn find(name: &str, attributes: u32) -> Result<ObjectRef, NtStatus> {
    ob_reference_by_name(&units(name), attributes, None).expect("no raise")
}

mod references {
    use super::*;

    #[test]
    fn the_last_dereference_runs_the_delete_procedure_once() {
        static DELETED: AtomicU64 = AtomicU64::new(0);
        run(|| {
            let kind = ob_create_type(TypeDescription {
                delete: Some(|_| {
                    DELETED.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }),
                ..TypeDescription::new("Deleted", *b"Dele")
            })
            .unwrap();
            let object = ob_create_object(kind, 24).unwrap();
            ob_reference(object).unwrap();
            ob_dereference(object).unwrap();
            assert_eq!(DELETED.load(Ordering::Relaxed), 0);
            assert_eq!(kind.objects(), 1);
            ob_dereference(object).unwrap();
            assert_eq!(DELETED.load(Ordering::Relaxed), 1);
            assert_eq!(kind.objects(), 0);
        });
    }

    #[test]
    fn a_stale_pointer_is_a_bug_check() {
        stops_with(bugcheck::REFERENCE_BY_POINTER, || {
            let object = ob_create_object(plain_type(), 24).unwrap();
            ob_dereference(object).unwrap();
            ob_reference(object).err()
        });
    }

    #[test]
    fn a_pointer_to_nothing_is_a_bug_check() {
        stops_with(bugcheck::REFERENCE_BY_POINTER, || ob_dereference(0xFFFF_8000_1234_5678).err());
        stops_with(bugcheck::REFERENCE_BY_POINTER, || ob_reference(0).err());
    }

    #[test]
    fn an_object_of_another_type_is_a_bug_check_when_lent() {
        stops_with(bugcheck::REFERENCE_BY_POINTER, || {
            let object = ob_create_object(plain_type(), 24).unwrap();
            object_from::<nt_abi::KEVENT>(object, ob_event_type()).err()
        });
    }

    #[test]
    fn dereferencing_below_the_handles_is_a_bug_check() {
        stops_with(bugcheck::REFERENCE_BY_POINTER, || {
            let object = ob_create_object(plain_type(), 24).unwrap();
            ob_create_handle(object, 1, 0).unwrap();
            ob_dereference(object).unwrap();
            ob_dereference(object).err()
        });
    }

    #[test]
    fn a_safe_reference_refuses_what_is_gone() {
        run(|| {
            let object = ob_create_object(plain_type(), 24).unwrap();
            assert!(ob_reference_safe(object));
            ob_dereference(object).unwrap();
            ob_dereference(object).unwrap();
            assert!(!ob_reference_safe(object));
        });
    }
}

mod handles {
    use super::*;

    #[test]
    fn values_are_multiples_of_four_and_kernel_handles_negative() {
        run(|| {
            let object = ob_create_object(plain_type(), 8).unwrap();
            let handle = ob_create_handle(object, 1, OBJ_KERNEL_HANDLE).unwrap();
            assert_eq!(handle % 4, 0);
            assert_eq!(handle & 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_8000_0000);
            assert!(ob_is_kernel_handle(handle));
            assert!(!ob_is_kernel_handle(usize::MAX) && !ob_is_kernel_handle(usize::MAX - 1));
        });
    }

    #[test]
    fn access_is_checked_for_user_mode_only() {
        run(|| {
            let process = ob_create_object(plain_type(), 8).unwrap();
            ob_create_handle_table(process);
            current_thread().attached_process().set(process);
            let object = ob_create_object(box_type(), 8).unwrap();
            let handle = ob_create_handle(object, 1, 0).unwrap();
            assert_eq!(ob_reference_by_handle(handle, 3, None, 1).err(), Some(NtStatus::ACCESS_DENIED));
            assert_eq!(ob_reference_by_handle(handle, 1, None, 1).unwrap().granted_access, 1);
            assert!(ob_reference_by_handle(handle, 3, None, 0).is_ok());
            current_thread().attached_process().set(0);
        });
    }

    #[test]
    fn a_kernel_handle_is_no_handle_for_user_mode() {
        run(|| {
            let object = ob_create_object(plain_type(), 8).unwrap();
            let handle = ob_create_handle(object, 7, OBJ_KERNEL_HANDLE).unwrap();
            assert_eq!(ob_reference_by_handle(handle, 0, None, 1).err(), Some(NtStatus::INVALID_HANDLE));
            assert_eq!(ob_close_handle(handle, 1), Ok(NtStatus::INVALID_HANDLE));
            assert_eq!(ob_close_handle(handle, 0), Ok(NtStatus::SUCCESS));
        });
    }

    #[test]
    fn a_handle_of_another_type_is_refused() {
        run(|| {
            let object = ob_create_object(plain_type(), 8).unwrap();
            let handle = ob_create_handle(object, 7, 0).unwrap();
            let got = ob_reference_by_handle(handle, 0, Some(ob_event_type()), 0);
            assert_eq!(got.err(), Some(NtStatus::OBJECT_TYPE_MISMATCH));
        });
    }

    #[test]
    fn closing_twice_answers_invalid_handle_and_reports_it() {
        run(|| {
            let object = ob_create_object(plain_type(), 8).unwrap();
            let handle = ob_create_handle(object, 7, 0).unwrap();
            assert_eq!(ob_close_handle(handle, 0), Ok(NtStatus::SUCCESS));
            assert_eq!(ob_close_handle(handle, 0), Ok(NtStatus::INVALID_HANDLE));
            let findings = current_core().findings();
            assert_eq!(findings.len(), 1);
            assert_eq!((findings[0].rule, findings[0].severity), ("invalid-handle", Severity::Error));
        });
    }

    #[test]
    fn the_close_procedure_hears_how_many_handles_are_left() {
        run(|| {
            let object = ob_create_object(box_type(), 8).unwrap();
            let first = ob_create_handle(object, 7, 0).unwrap();
            let second = ob_duplicate_handle(first, None, OBJ_KERNEL_HANDLE, 0).unwrap().unwrap();
            ob_dereference(object).unwrap();
            ob_close_handle(first, 0).unwrap();
            assert_eq!(CLOSED.load(Ordering::Relaxed), 1);
            ob_close_handle(second, 0).unwrap();
            assert_eq!(CLOSED.load(Ordering::Relaxed), 0);
            assert!(!ob_reference_safe(object), "the last handle kept the last reference");
        });
    }

    #[test]
    fn each_process_has_its_own() {
        run(|| {
            let object = ob_create_object(plain_type(), 8).unwrap();
            let process = ob_create_object(plain_type(), 8).unwrap();
            ob_create_handle_table(process);
            current_thread().attached_process().set(process);
            let handle = ob_create_handle(object, 7, 0).unwrap();
            assert_eq!(handle, 4);
            assert_eq!(ob_open_handles(process).len(), 1);
            current_thread().attached_process().set(0);
            assert!(ob_reference_by_handle(handle, 0, None, 0).is_err());
            ob_close_all_handles(process).unwrap();
            assert_eq!(ob_open_handles(process), []);
            assert_eq!(ob_handle_count(object), Ok(0));
        });
    }
}

mod names {
    use super::*;

    fn make(name: &str, attributes: u32) -> Result<(usize, NtStatus), NtStatus> {
        let object = ObjectRef::from_raw(ob_create_object(plain_type(), 8).unwrap());
        ob_insert_named(object.address(), &named(name, attributes), MAXIMUM_ALLOWED).unwrap()
    }

    #[test]
    fn the_directories_of_every_machine_are_there() {
        run(|| {
            for name in
                [r"\", r"\??", r"\Device", r"\FileSystem\Filters", r"\ObjectTypes", r"\BaseNamedObjects"]
            {
                assert!(std::ptr::eq(find(name, 0).unwrap().kind(), ob_directory_type()), "{name}");
            }
            let names: Vec<_> = ob_directory_entries(find(r"\ObjectTypes", 0).unwrap().address());
            assert!(names.contains(&(units("Directory"), "Type")));
        });
    }

    #[test]
    fn case_is_ignored_only_when_asked() {
        run(|| {
            make(r"\Device\Some", 0).unwrap();
            assert!(find(r"\device\SOME", OBJ_CASE_INSENSITIVE).is_ok());
            assert_eq!(find(r"\Device\SOME", 0).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            assert_eq!(
                make(r"\Device\SOME", OBJ_CASE_INSENSITIVE).err(),
                Some(NtStatus::OBJECT_NAME_COLLISION)
            );
            assert!(make(r"\Device\SOME", 0).is_ok());
        });
    }

    #[test]
    fn wrong_names_answer_as_nt_does() {
        run(|| {
            make(r"\Device\Leaf", OBJ_PERMANENT).unwrap();
            assert_eq!(find(r"\Device\None", 0).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            assert_eq!(find(r"\None\Leaf", 0).err(), Some(NtStatus::OBJECT_PATH_NOT_FOUND));
            assert_eq!(find(r"Device\Leaf", 0).err(), Some(NtStatus::OBJECT_PATH_SYNTAX_BAD));
            assert_eq!(find("", 0).err(), Some(NtStatus::OBJECT_PATH_SYNTAX_BAD));
            assert_eq!(find(r"\Device\\Leaf", 0).err(), Some(NtStatus::OBJECT_NAME_INVALID));
            assert_eq!(find(r"\Device\Leaf\more", 0).err(), Some(NtStatus::OBJECT_TYPE_MISMATCH));
        });
    }

    #[test]
    fn a_temporary_name_goes_with_the_last_handle() {
        run(|| {
            let (handle, _) = make(r"\Device\Temporary", 0).unwrap();
            assert!(find(r"\Device\Temporary", 0).is_ok());
            ob_close_handle(handle, 0).unwrap();
            assert!(find(r"\Device\Temporary", 0).is_err());
        });
    }

    #[test]
    fn a_permanent_name_stays_until_made_temporary() {
        run(|| {
            assert_eq!(make(r"\Device\Permanent", OBJ_PERMANENT), Ok((0, NtStatus::SUCCESS)));
            let object = find(r"\Device\Permanent", 0).unwrap();
            ob_make_temporary(object.address()).unwrap();
            assert!(find(r"\Device\Permanent", 0).is_err());
            assert_eq!(ob_pointer_count(object.address()), Ok(1));
        });
    }

    #[test]
    fn open_if_opens_what_is_there() {
        run(|| {
            let (first, _) =
                ob_create_event(&named(r"\BaseNamedObjects\E", 0), 0x1F0003, true, false).unwrap().unwrap();
            let (second, status) =
                ob_create_event(&named(r"\BaseNamedObjects\E", OBJ_OPENIF), 0x1F0003, true, false)
                    .unwrap()
                    .unwrap();
            assert_eq!(status, NtStatus::OBJECT_NAME_EXISTS);
            let object = |handle| ob_reference_by_handle(handle, 0, None, 0).unwrap().object.address();
            assert_eq!(object(first), object(second));
        });
    }

    #[test]
    fn symbolic_links_are_followed_and_can_be_opened_themselves() {
        run(|| {
            make(r"\Device\HarddiskVolume1", OBJ_PERMANENT).unwrap();
            ob_create_symbolic_link(&units(r"\??\C:"), &units(r"\Device\HarddiskVolume1")).unwrap().unwrap();
            let object = find(r"\DosDevices\c:", OBJ_CASE_INSENSITIVE).unwrap();
            assert_eq!(ob_query_name(object.address()), Ok(Ok(units(r"\Device\HarddiskVolume1"))));
            assert_eq!(ob_query_symbolic_link(&units(r"\??\C:")), Ok(Ok(units(r"\Device\HarddiskVolume1"))));
            assert!(find(r"\??\GLOBALROOT\Device\HarddiskVolume1", 0).is_ok());
            ob_delete_symbolic_link(&units(r"\??\C:")).unwrap().unwrap();
            assert_eq!(find(r"\??\C:", 0).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
        });
    }

    #[test]
    fn a_link_to_itself_ends() {
        run(|| {
            ob_create_symbolic_link(&units(r"\??\Loop"), &units(r"\??\Loop")).unwrap().unwrap();
            assert_eq!(find(r"\??\Loop", 0).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
        });
    }

    #[test]
    fn parse_procedures_get_the_rest_of_the_name_and_may_start_again() {
        run(|| {
            let object = ObjectRef::from_raw(ob_create_object(box_type(), 8).unwrap());
            ob_insert_named(object.address(), &named(r"\Device\Box", OBJ_PERMANENT), 0).unwrap().unwrap();
            let parse = |name: &str| {
                let mut seen: Vec<Vec<u16>> = Vec::new();
                let result = ob_lookup(&named(name, 0), None, 0, 0, &mut seen as &mut dyn Any).unwrap();
                (
                    result.map(|_| ()),
                    seen.iter().map(|rest| String::from_utf16_lossy(rest)).collect::<Vec<_>>(),
                )
            };
            assert_eq!(parse(r"\Device\Box\a\b"), (Ok(()), vec![r"\a\b".into()]));
            assert_eq!(parse(r"\Device\Box"), (Ok(()), vec!["".into()]));
            assert_eq!(parse(r"\Device\Box\again"), (Ok(()), vec![r"\again".into(), r"\elsewhere".into()]));
            let (result, seen) = parse(r"\Device\Box\forever");
            assert_eq!((result, seen.len()), (Err(NtStatus::OBJECT_NAME_NOT_FOUND), 33));
            let handle = ob_create_handle(object.address(), 7, 0).unwrap();
            let mut seen: Vec<Vec<u16>> = Vec::new();
            let relative = ObjectAttributes::relative(handle, &units("x"), 0);
            ob_lookup(&relative, None, 0, 0, &mut seen).unwrap().unwrap();
            assert_eq!(seen, [units("x")]);
        });
    }

    #[test]
    fn opening_by_name_grants_mapped_access() {
        run(|| {
            make(r"\Device\Mapped", OBJ_PERMANENT).unwrap();
            let open = |access| {
                ob_open_by_name(&named(r"\Device\Mapped", 0), None, 0, access, &mut ()).unwrap().unwrap()
            };
            let granted = |handle| ob_reference_by_handle(handle, 0, None, 0).unwrap().granted_access;
            assert_eq!(granted(open(GENERIC_READ)), 1);
            assert_eq!(granted(open(MAXIMUM_ALLOWED)), 7);
        });
    }

    #[test]
    fn the_name_string_needs_room_for_all_of_it() {
        run(|| {
            make(r"\Device\Named", OBJ_PERMANENT).unwrap();
            let object = find(r"\Device\Named", 0).unwrap().into_raw();
            let buffer = [0u64; 16];
            let at = buffer.as_ptr() as usize;
            let (status, needed) = ob_query_name_string(object, at, 16).unwrap();
            assert_eq!((status, needed), (NtStatus::INFO_LENGTH_MISMATCH, 16 + 26 + 2));
            assert_eq!(ob_query_name_string(object, at, needed), Ok((NtStatus::SUCCESS, needed)));
            let name = ObjectAttributes::capture_string(at).unwrap().unwrap();
            assert_eq!(name, units(r"\Device\Named"));
        });
    }
}

mod types {
    use super::*;

    #[test]
    fn a_type_is_found_by_the_address_that_drivers_pass() {
        run(|| {
            let kind = box_type();
            assert!(std::ptr::eq(ob_type_at(kind.address()).unwrap(), kind));
            assert!(ob_type_at(kind.address() + 8).is_none());
            let named = find(r"\ObjectTypes\Box", 0).unwrap();
            assert_eq!(named.address(), kind.address());
        });
    }
}

mod attributes {
    use super::*;

    #[test]
    fn a_wrong_length_or_unknown_bit_is_refused() {
        run(|| {
            let attributes = nt_abi::OBJECT_ATTRIBUTES::zeroed();
            let at = std::ptr::from_ref(&attributes) as usize;
            assert_eq!(ObjectAttributes::capture(at), Ok(Err(NtStatus::INVALID_PARAMETER)));
            attributes.Length.set(0x30);
            attributes.Attributes.set(0x8000_0000);
            assert_eq!(ObjectAttributes::capture(at), Ok(Err(NtStatus::INVALID_PARAMETER)));
            attributes.Attributes.set(OBJ_CASE_INSENSITIVE);
            assert_eq!(ObjectAttributes::capture(at).unwrap().unwrap().attributes, OBJ_CASE_INSENSITIVE);
            assert_eq!(ObjectAttributes::capture(8), Err(Raise::Status(NtStatus::ACCESS_VIOLATION)));
        });
    }
}

mod waits {
    use super::*;

    #[test]
    fn a_wait_on_a_handle_waits_for_the_event() {
        run(|| {
            let none = ObjectAttributes::default();
            let (handle, _) = ob_create_event(&none, 0x1F_0003, true, true).unwrap().unwrap();
            assert_eq!(ob_wait_for_object(handle, 0, false, Some(0)), Ok(NtStatus::SUCCESS));
            assert_eq!(ob_wait_for_object(handle, 0, false, Some(0)), Ok(NtStatus::TIMEOUT));
            let plain = ob_create_handle(ob_create_object(plain_type(), 8).unwrap(), 0x10_0000, 0).unwrap();
            assert_eq!(ob_wait_for_object(plain, 0, false, Some(0)), Ok(NtStatus::OBJECT_TYPE_MISMATCH));
        });
    }
}
