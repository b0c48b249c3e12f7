//! The registry through handles and through paths.

use std::sync::Arc;

use nt_abi::{
    KEY_ALL_ACCESS, KEY_READ, KeyBasicInformation, KeyFullInformation, KeyNameInformation,
    KeyNodeInformation, KeyValueBasicInformation, KeyValueFullInformation, KeyValuePartialInformation,
    KeyValuePartialInformationAlign64, NtStatus, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, REG_DWORD,
    REG_OPTION_VOLATILE, REG_SZ,
};
use nt_cm::*;
use nt_ke::Core;
use nt_ke::core::Config;
use nt_ob::{Ob, ObjectAttributes, ob_close_handle, ob_query_name, ob_reference_by_handle, units};

const SERVICES: &str = r"\Registry\Machine\System\CurrentControlSet\Services";

fn run<R>(f: impl FnOnce() -> R) -> R {
    let core: Arc<Core> = Core::new(Config::default()).expect("a slot is free");
    let result = core
        .attach(0, || {
            core.install(Box::new(nt_mm::Mm::new(&core).expect("pages")));
            core.install(Box::new(nt_ex::Ex::new(&core)));
            Ob::boot(&core).expect("no raise").expect("boots");
            Cm::boot(&core).expect("no raise").expect("boots");
            f()
        })
        .expect("a thread");
    core.stop();
    result
}

fn named(name: &str) -> ObjectAttributes {
    ObjectAttributes::named(&units(name), OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE)
}

fn open(name: &str) -> Result<usize, NtStatus> {
    cm_open_key(&named(name), KEY_ALL_ACCESS, 0).expect("no raise")
}

fn create(name: &str) -> usize {
    cm_create_key(&named(name), KEY_ALL_ACCESS, &[], 0, 0).expect("no raise").expect("made").0
}

fn set(key: usize, name: &str, kind: u32, data: &[u8]) -> NtStatus {
    cm_set_value_key(key, &units(name), kind, data.as_ptr() as usize, data.len() as u32, 0).expect("no raise")
}

/// Status, needed length and the buffer after a query of `length` bytes.
fn query(
    length: u32,
    f: impl FnOnce(usize, u32) -> Result<(NtStatus, u32), nt_ke::Raise>,
) -> (NtStatus, u32, Vec<u8>) {
    let buffer = vec![0xEEu8; 256];
    let (status, needed) = f(buffer.as_ptr() as usize, length).expect("no raise");
    // The query wrote through the address.
    let mut after = vec![0; 256];
    boundary::copy::read(buffer.as_ptr() as usize, &mut after).unwrap();
    (status, needed, after)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

mod open_and_create {
    use super::*;

    #[test]
    fn a_service_key_is_made_once_and_opened_again_in_any_case() {
        run(|| {
            let path = format!(r"{SERVICES}\Guard");
            let (_, made) = cm_create_key(&named(&path), KEY_ALL_ACCESS, &[], 0, 0).unwrap().unwrap();
            let (_, again) = cm_create_key(&named(&path), KEY_ALL_ACCESS, &[], 0, 0).unwrap().unwrap();
            assert_eq!((made, again), (Disposition::Created, Disposition::Opened));
            assert!(open(&path.to_uppercase()).is_ok());
        });
    }

    #[test]
    fn the_current_control_set_is_the_first_one() {
        run(|| {
            let key = open(SERVICES).unwrap();
            let object = ob_reference_by_handle(key, 0, None, 0).unwrap().object;
            let name = ob_query_name(object.address()).unwrap().unwrap();
            assert_eq!(String::from_utf16_lossy(&name), r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services");
        });
    }

    #[test]
    fn a_missing_parent_is_not_made() {
        run(|| {
            let path = format!(r"{SERVICES}\None\Sub");
            let made = cm_create_key(&named(&path), KEY_ALL_ACCESS, &[], 0, 0).unwrap();
            assert_eq!(made.err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            assert_eq!(open(&path).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
        });
    }

    #[test]
    fn names_may_be_relative_to_a_key() {
        run(|| {
            let services = open(SERVICES).unwrap();
            create(&format!(r"{SERVICES}\Guard"));
            create(&format!(r"{SERVICES}\Guard\Instances"));
            let relative = |name: &str| {
                let attributes = ObjectAttributes::relative(services, &units(name), OBJ_KERNEL_HANDLE);
                cm_open_key(&attributes, KEY_READ, 0).unwrap()
            };
            assert!(relative(r"guard\instances").is_ok());
            assert!(relative("").is_ok());
            assert_eq!(relative(r"\guard").err(), Some(NtStatus::OBJECT_PATH_SYNTAX_BAD));
        });
    }

    #[test]
    fn a_volatile_key_has_only_volatile_subkeys() {
        run(|| {
            let path = format!(r"{SERVICES}\Volatile");
            let options = REG_OPTION_VOLATILE;
            cm_create_key(&named(&path), KEY_ALL_ACCESS, &[], options, 0).unwrap().unwrap();
            let below = named(&format!(r"{path}\Sub"));
            let stable = cm_create_key(&below, KEY_ALL_ACCESS, &[], 0, 0).unwrap();
            assert_eq!(stable.err(), Some(NtStatus::CHILD_MUST_BE_VOLATILE));
            assert!(cm_create_key(&below, KEY_ALL_ACCESS, &[], options, 0).unwrap().is_ok());
        });
    }

    #[test]
    fn other_objects_are_no_keys() {
        run(|| assert_eq!(open(r"\Device").err(), Some(NtStatus::OBJECT_TYPE_MISMATCH)));
    }
}

mod query_value {
    use super::*;

    #[test]
    fn partial_information_follows_the_length_rules() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "Start", REG_DWORD, &3u32.to_le_bytes());
            let ask = |length| {
                query(length, |buffer, length| {
                    cm_query_value_key(key, &units("START"), KeyValuePartialInformation, buffer, length, 0)
                })
            };
            assert_eq!(ask(0).0, NtStatus::BUFFER_TOO_SMALL);
            assert_eq!(ask(0).1, 16);
            let (status, needed, bytes) = ask(11);
            assert_eq!((status, needed, bytes[0]), (NtStatus::BUFFER_TOO_SMALL, 16, 0xEE));
            let (status, needed, bytes) = ask(14);
            assert_eq!((status, needed), (NtStatus::BUFFER_OVERFLOW, 16));
            assert_eq!((word(&bytes, 4), word(&bytes, 8), bytes[12], bytes[14]), (REG_DWORD, 4, 3, 0xEE));
            let (status, needed, bytes) = ask(64);
            assert_eq!((status, needed), (NtStatus::SUCCESS, 16));
            assert_eq!((word(&bytes, 12), bytes[16]), (3, 0xEE));
        });
    }

    #[test]
    fn full_information_aligns_the_data_behind_the_name() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "Abc", REG_SZ, &[b'x', 0, 0, 0]);
            let (status, needed, bytes) = query(64, |buffer, length| {
                cm_query_value_key(key, &units("Abc"), KeyValueFullInformation, buffer, length, 0)
            });
            assert_eq!((status, needed), (NtStatus::SUCCESS, 32));
            assert_eq!(
                (word(&bytes, 4), word(&bytes, 8), word(&bytes, 12), word(&bytes, 16)),
                (REG_SZ, 28, 4, 6)
            );
            assert_eq!((bytes[20], bytes[28]), (b'A', b'x'));
        });
    }

    #[test]
    fn basic_and_aligned_partial_information_have_their_own_heads() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "V", REG_DWORD, &7u32.to_le_bytes());
            let ask = |class| {
                query(64, |buffer, length| cm_query_value_key(key, &units("v"), class, buffer, length, 0))
            };
            let (_, needed, bytes) = ask(KeyValueBasicInformation);
            assert_eq!((needed, word(&bytes, 8), bytes[12]), (14, 2, b'V'));
            let (_, needed, bytes) = ask(KeyValuePartialInformationAlign64);
            assert_eq!((needed, word(&bytes, 0), word(&bytes, 4), word(&bytes, 8)), (12, REG_DWORD, 4, 7));
            assert_eq!(ask(77).0, NtStatus::INVALID_PARAMETER);
        });
    }

    #[test]
    fn a_missing_value_is_not_found() {
        run(|| {
            let key = open(SERVICES).unwrap();
            let (status, ..) = query(64, |buffer, length| {
                cm_query_value_key(key, &units("none"), KeyValuePartialInformation, buffer, length, 0)
            });
            assert_eq!(status, NtStatus::OBJECT_NAME_NOT_FOUND);
        });
    }

    #[test]
    fn a_bad_buffer_raises() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "V", REG_DWORD, &[0; 4]);
            let raised = cm_query_value_key(key, &units("V"), KeyValuePartialInformation, 8, 64, 0);
            assert_eq!(raised, Err(nt_ke::Raise::Status(NtStatus::ACCESS_VIOLATION)));
        });
    }
}

mod enumerate {
    use super::*;

    #[test]
    fn subkeys_come_in_order_of_names_until_there_are_no_more() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            create(&format!(r"{SERVICES}\Guard\b"));
            create(&format!(r"{SERVICES}\Guard\A"));
            let ask = |index| {
                query(64, |buffer, length| {
                    cm_enumerate_key(key, index, KeyBasicInformation, buffer, length, 0)
                })
            };
            let (status, needed, bytes) = ask(0);
            assert_eq!((status, needed, word(&bytes, 12), bytes[16]), (NtStatus::SUCCESS, 18, 2, b'A'));
            assert_eq!(ask(1).2[16], b'b');
            assert_eq!(ask(2).0, NtStatus::NO_MORE_ENTRIES);
        });
    }

    #[test]
    fn values_come_in_order_of_creation() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "z", REG_DWORD, &[0; 4]);
            set(key, "a", REG_DWORD, &[0; 4]);
            let ask = |index| {
                query(64, |buffer, length| {
                    cm_enumerate_value_key(key, index, KeyValueBasicInformation, buffer, length, 0)
                })
            };
            assert_eq!((ask(0).2[12], ask(1).2[12]), (b'z', b'a'));
            assert_eq!(ask(2).0, NtStatus::NO_MORE_ENTRIES);
        });
    }
}

mod query_key {
    use super::*;

    #[test]
    fn full_information_counts_and_measures() {
        run(|| {
            let path = format!(r"{SERVICES}\Guard");
            let key = cm_create_key(&named(&path), KEY_ALL_ACCESS, &units("cls"), 0, 0).unwrap().unwrap().0;
            create(&format!(r"{path}\Instances"));
            set(key, "Start", REG_DWORD, &[0; 4]);
            let ask = |class| query(200, |buffer, length| cm_query_key(key, class, buffer, length, 0));
            let (status, needed, bytes) = ask(KeyFullInformation);
            assert_eq!((status, needed), (NtStatus::SUCCESS, 0x2C + 6));
            let words: Vec<u32> = (0x0C..0x2C).step_by(4).map(|at| word(&bytes, at)).collect();
            assert_eq!(words, [0x2C, 6, 1, 18, 0, 1, 10, 4]);
            let (_, needed, bytes) = ask(KeyNodeInformation);
            assert_eq!((needed, word(&bytes, 12), word(&bytes, 16), word(&bytes, 20)), (42, 36, 6, 10));
            let (_, needed, _) = ask(KeyNameInformation);
            assert_eq!(
                needed as usize,
                4 + 2 * r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\Guard".len()
            );
        });
    }
}

mod delete {
    use super::*;

    #[test]
    fn a_key_with_subkeys_stays() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            let below = create(&format!(r"{SERVICES}\Guard\Sub"));
            assert_eq!(cm_delete_key(key, 0), NtStatus::CANNOT_DELETE);
            assert_eq!(cm_delete_key(below, 0), NtStatus::SUCCESS);
            assert_eq!(cm_delete_key(key, 0), NtStatus::SUCCESS);
        });
    }

    #[test]
    fn handles_of_a_deleted_key_learn_of_it() {
        run(|| {
            let path = format!(r"{SERVICES}\Guard");
            let (key, other) = (create(&path), create(&path));
            assert_eq!(cm_delete_key(key, 0), NtStatus::SUCCESS);
            assert_eq!(set(other, "V", REG_DWORD, &[0; 4]), NtStatus::KEY_DELETED);
            assert_eq!(open(&path).err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            assert_eq!(ob_close_handle(other, 0), Ok(NtStatus::SUCCESS));
        });
    }

    #[test]
    fn a_value_goes_once() {
        run(|| {
            let key = create(&format!(r"{SERVICES}\Guard"));
            set(key, "V", REG_DWORD, &[0; 4]);
            assert_eq!(cm_delete_value_key(key, &units("v"), 0), NtStatus::SUCCESS);
            assert_eq!(cm_delete_value_key(key, &units("v"), 0), NtStatus::OBJECT_NAME_NOT_FOUND);
        });
    }
}

mod access {
    use super::*;

    #[test]
    fn user_mode_is_held_to_what_was_granted() {
        run(|| {
            let attributes = ObjectAttributes::named(&units(SERVICES), OBJ_CASE_INSENSITIVE);
            let process = nt_ob::ob_create_object(cm_key_type(), 8).unwrap();
            nt_ob::ob_create_handle_table(process);
            nt_ke::current_thread().attached_process().set(process);
            let key = cm_open_key(&attributes, KEY_READ, 1).unwrap().unwrap();
            assert_eq!(cm_delete_value_key(key, &units("v"), 1), NtStatus::ACCESS_DENIED);
            assert_eq!(cm_delete_value_key(key, &units("v"), 0), NtStatus::OBJECT_NAME_NOT_FOUND);
            nt_ke::current_thread().attached_process().set(0);
        });
    }
}

mod by_path {
    use super::*;

    #[test]
    fn host_code_and_drivers_see_the_same_values() {
        run(|| {
            let path = format!(r"{SERVICES}\Guard\Instances\Top");
            cm_set(&path, "Altitude", Value::string("370030")).unwrap();
            let key = open(&path).unwrap();
            set(key, "Flags", REG_DWORD, &1u32.to_le_bytes());
            assert_eq!(cm_get(&path, "flags").unwrap().as_number(), Some(1));
            assert_eq!(cm_get(&path, "Altitude").unwrap().as_string().as_deref(), Some("370030"));
            assert_eq!(cm_value_names(&path).unwrap(), ["Altitude", "Flags"]);
            assert_eq!(cm_subkeys(&format!(r"{SERVICES}\Guard")).unwrap(), ["Instances"]);
            cm_delete_path(&format!(r"{SERVICES}\Guard")).unwrap();
            assert_eq!(cm_get(&path, "Flags").err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            assert_eq!(cm_delete_path(r"\Registry\Machine").err(), Some(NtStatus::CANNOT_DELETE));
        });
    }

    #[test]
    fn the_version_is_there() {
        run(|| {
            let path = r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion";
            assert_eq!(cm_get(path, "CurrentMajorVersionNumber").unwrap().as_number(), Some(10));
        });
    }
}
