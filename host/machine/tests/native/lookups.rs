//! Finding filters, volumes and instances, and attaching where that is refused, as the engine answers native callers.

use altimeter::{Machine, NtStatus, utf16};
use fltmgr::anchor::Anchored;
use fltmgr::lookup::*;
use fltmgr::{flt, flt_object_dereference};

use crate::support::*;

/// Three recorders on one volume, the highest first.
fn three() -> Machine {
    let machine = machine();
    for (name, altitude) in [("up", "370000"), ("r", "365000"), ("low", "360000")] {
        recorder(&machine, name, altitude, &["Mode=sz:observe"]);
    }
    with_file(&machine, "mounts the volume", |_, _| Ok(()));
    machine
}

/// The object's address, whose reference is given back.
fn found(pointer: Result<usize, NtStatus>) -> Result<usize, NtStatus> {
    pointer.inspect(|address| flt_object_dereference(*address).expect("it was referenced"))
}

#[test]
fn instances_are_found_by_place_name_and_neighbour() {
    // spec: ENUM-07, ENUM-08, ENUM-09, OBJ-08, OBJ-09
    let machine = three();
    machine
        .run(|_| {
            let volume = flt().volumes().remove(0);
            let instances = volume.instances();
            let at: Vec<usize> = instances.iter().map(|instance| instance.anchor().address()).collect();
            assert_eq!(at.len(), 3);
            let neighbour = |index: usize, which| found(flt_get_neighbour_instance(&instances[index], which));
            assert_eq!(found(flt_get_top_instance(&volume)), Ok(at[0]));
            assert_eq!(found(flt_get_bottom_instance(&volume)), Ok(at[2]));
            assert_eq!(neighbour(1, Neighbour::Upper), Ok(at[0]));
            assert_eq!(neighbour(1, Neighbour::Lower), Ok(at[2]));
            assert_eq!(neighbour(0, Neighbour::Upper), Err(NtStatus::NO_MORE_ENTRIES));
            assert_eq!(neighbour(2, Neighbour::Lower), Err(NtStatus::NO_MORE_ENTRIES));
            let filter = &instances[1].filter;
            assert_eq!(found(flt_get_filter_from_instance(&instances[1])), Ok(filter.anchor().address()));
            assert_eq!(found(flt_get_volume_from_instance(&instances[1])), Ok(volume.anchor().address()));
            assert_eq!(found(flt_get_filter_from_name(&utf16("R"))), Ok(filter.anchor().address()));
            assert_eq!(flt_get_filter_from_name(&utf16("nobody")), Err(NtStatus::FLT_FILTER_NOT_FOUND));
            let by_name = |filter, name: Option<&[u16]>| {
                found(flt_get_volume_instance_from_name(filter, &volume, name))
            };
            assert_eq!(by_name(None, None), Ok(at[0]), "the highest one");
            assert_eq!(by_name(Some(filter), None), Ok(at[1]));
            assert_eq!(by_name(None, Some(&instances[2].name)), Ok(at[2]));
            let other = by_name(Some(filter), Some(&instances[2].name));
            assert_eq!(other, Err(NtStatus::FLT_INSTANCE_NOT_FOUND));
            Ok(())
        })
        .expect("the machine runs");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn enumerations_fill_a_list_that_is_large_enough_or_say_how_large() {
    // spec: ENUM-01, ENUM-02, ENUM-04
    let machine = three();
    machine
        .run(|_| {
            let volume = flt().volumes().remove(0);
            let filter = flt().filter_named(&utf16("r")).expect("it is loaded");
            let count = |enumeration: Enumeration| {
                enumeration.map(|all| {
                    all.iter().for_each(|address| flt_object_dereference(*address).expect("referenced"));
                    all.len()
                })
            };
            let small = Err((NtStatus::BUFFER_TOO_SMALL, 3));
            assert_eq!((count(flt_enumerate_filters(3)), count(flt_enumerate_filters(2))), (Ok(3), small));
            assert_eq!(count(flt_enumerate_volumes(1)), Ok(1));
            assert_eq!(count(flt_enumerate_volumes(0)), Err((NtStatus::BUFFER_TOO_SMALL, 1)));
            let instances = |volume, filter, room| count(flt_enumerate_instances(volume, filter, room));
            assert_eq!(instances(Some(&volume), None, 3), Ok(3));
            assert_eq!(instances(Some(&volume), None, 2), small);
            assert_eq!(instances(Some(&volume), Some(&filter), 3), Ok(1));
            assert_eq!(instances(None, Some(&filter), 1), Ok(1));
            assert_eq!(instances(None, None, 9), Err((NtStatus::INVALID_PARAMETER, 0)));
            Ok(())
        })
        .expect("the machine runs");
}

#[test]
fn volumes_are_found_by_all_their_names_and_devices() {
    // spec: ENUM-06, OBJ-05, OBJ-06, OBJ-07
    let machine = three();
    machine
        .run(|session| {
            let volume = flt().volumes().remove(0);
            let address = Ok(volume.anchor().address());
            let named = |name: &str| flt_get_volume_from_name(&utf16(name)).map(found);
            for name in
                [r"\Device\HarddiskVolume1", r"\device\harddiskvolume1\", r"\??\C:", r"\DosDevices\c:", "C:"]
            {
                assert_eq!(named(name)?, address, "{name}");
            }
            assert_eq!(named("")?, Err(NtStatus::INVALID_PARAMETER));
            for name in ["Z:", r"\Device\HarddiskVolume9", r"\??\PhysicalDrive9"] {
                assert_eq!(named(name)?, Err(NtStatus::FLT_VOLUME_NOT_FOUND), "{name}");
            }
            let (own, lower) = (volume.device().expect("mounted"), volume.lower().expect("mounted"));
            for device in [own, lower, volume.disk.expect("a disk")] {
                assert_eq!(found(flt_get_volume_from_device_object(device)), address);
            }
            assert!(flt_is_flt_mgr_volume_device_object(own));
            assert!(!flt_is_flt_mgr_volume_device_object(lower));
            let handle = create(session, "file")?.expect("a file");
            let (file, _) = nt_io::reference_file_by_handle(handle.value(), 0, 0).expect("it is open");
            assert_eq!(found(flt_get_volume_from_file_object(file)), address);
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
            session.close(handle)
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
}

#[test]
fn nothing_attaches_to_what_goes_or_has_not_started() {
    // spec: ATT-01, ATT-05, LIFE-04
    let machine = three();
    machine
        .run(|_| {
            let volume = flt().volumes().remove(0);
            let [up, r] = ["up", "r"].map(|name| flt().filter_named(&utf16(name)).expect("it is loaded"));
            let attach = |filter, altitude: &str, name: &str| {
                let (altitude, name) = (utf16(altitude), utf16(name));
                fltmgr::flt_attach_volume_at_altitude(filter, &volume, &altitude, Some(&name))
                    .map(|result| result.err())
            };
            assert_eq!(attach(&r, "360000", "taken")?, Some(NtStatus::FLT_INSTANCE_ALTITUDE_COLLISION));
            assert_eq!(attach(&r, "1x", "wrong")?, Some(NtStatus::INVALID_PARAMETER));
            let name = String::from_utf16_lossy(&volume.instances()[2].name);
            assert_eq!(attach(&r, "1", &name)?, Some(NtStatus::FLT_INSTANCE_NAME_COLLISION));
            assert_eq!(attach(&r, "365000.5", "second")?, None);
            let order: Vec<String> = volume.instances().iter().map(|i| i.altitude.to_string()).collect();
            assert_eq!(order, ["370000", "365000.5", "365000", "360000"]);
            let again = fltmgr::flt_attach_volume(&r, &volume, None)?;
            assert_eq!(again.err(), Some(NtStatus::FLT_INSTANCE_NAME_COLLISION));
            let unknown = fltmgr::flt_attach_volume(&r, &volume, Some(&utf16("unknown")))?;
            assert_eq!(unknown.err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
            let detach = |name: &str| fltmgr::flt_detach_volume(&r, &volume, Some(&utf16(name)));
            assert_eq!(detach("unknown")?, NtStatus::FLT_INSTANCE_NOT_FOUND);
            fltmgr::flt_unregister_filter(&up)?;
            assert_eq!(attach(&up, "1", "late")?, Some(NtStatus::FLT_DELETING_OBJECT));
            assert_eq!(volume.instances().len(), 3);
            assert!(!up.is_filtering() && up.is_going() && r.is_filtering() && !r.is_going());
            Ok(())
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
}

#[test]
fn a_finding_that_comes_again_and_again_is_listed_sixteen_times() {
    let machine = machine();
    recorder(&machine, "r", "365000", &["Mode=sz:change-nodirty", "Offset=dword:4096"]);
    with_file(&machine, "change", |session, handle| {
        for _ in 0..20 {
            session.write(handle, Some(0), &[b'a'; 512])?;
        }
        Ok(())
    });
    let findings = machine.report().findings;
    let told: Vec<&str> =
        findings.iter().filter(|f| f.rule == "SEED-IOPB-44").map(|f| f.message.as_str()).collect();
    assert_eq!(told.len(), 16);
    let last = told.iter().position(|message| message.contains("further ones"));
    assert_eq!(last, Some(15), "the last one says so");
}

#[test]
fn instances_are_defined_in_either_of_two_places() {
    // spec: ATT-01, ATT-02
    use nt_cm::{Value, cm_set};
    let machine = machine();
    machine
        .run(|_| {
            let service = r"\Registry\Machine\System\CurrentControlSet\Services\twofold";
            let set = |key: &str, name: &str, value| {
                cm_set(&format!("{service}{key}"), name, value).expect("a value")
            };
            assert_eq!(
                fltmgr::definitions::read(&utf16("twofold")).err(),
                Some(NtStatus::OBJECT_NAME_NOT_FOUND)
            );
            set(r"\Parameters\Instances", "DefaultInstance", Value::string("second"));
            for (place, name, altitude) in [
                (r"\Instances", "First", "100"),
                (r"\Instances", "no altitude", "1x"),
                (r"\Parameters\Instances", "FIRST", "300"),
                (r"\Parameters\Instances", "Second", "200"),
            ] {
                set(&format!(r"{place}\{name}"), "Altitude", Value::string(altitude));
            }
            set(r"\Parameters\Instances\Second", "Flags", Value::dword(1));
            set(r"\Instances\First", "Flags", Value::string("no number"));
            let read = fltmgr::definitions::read(&utf16("twofold")).expect("two instances");
            let all: Vec<(String, String, u32)> = read
                .instances
                .iter()
                .map(|d| (String::from_utf16_lossy(&d.name), d.altitude.to_string(), d.flags))
                .collect();
            let expected = [("First", "100", 0), ("Second", "200", 1)];
            assert_eq!(all, expected.map(|(name, altitude, flags)| (name.into(), altitude.into(), flags)));
            assert_eq!(read.default_altitude().map(ToString::to_string).as_deref(), Some("200"));
            let found = |name: Option<&[u16]>| read.find(name).map(|d| d.altitude.to_string());
            assert_eq!(found(Some(&utf16("first"))).as_deref(), Some("100"));
            assert_eq!(found(Some(&utf16("third"))), None);
            set(r"\Instances", "DefaultInstance", Value::string("first"));
            let read = fltmgr::definitions::read(&utf16("twofold")).expect("two instances");
            assert_eq!(read.find(None).map(|d| d.altitude.to_string()).as_deref(), Some("100"));
            set(r"\Instances", "DefaultInstance", Value::string("gone"));
            let read = fltmgr::definitions::read(&utf16("twofold")).expect("two instances");
            assert!(read.find(None).is_none());
            assert_eq!(
                read.default_altitude().map(ToString::to_string).as_deref(),
                Some("100"),
                "the first one"
            );
            Ok(())
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
}
