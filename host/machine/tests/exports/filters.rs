use altimeter::{DriverSource, Machine, Options};

use crate::{at, attributes, call, call_in, out, status, unicode};

fn filter<const N: usize>(name: &str, arguments: [u64; N]) -> u32 {
    call_in("fltmgr.sys", name, arguments) as u32
}

#[test]
fn a_filter_queries_and_controls_below_itself() {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    machine.load(&DriverSource::embedded("passthrough").expect("it is built in")).expect("it loads");
    let run = machine.run(|_| {
        // The first open mounts the volume, and filters attach.
        let (root, handle, block) = (unicode(r"\??\C:\"), out(0u64), out([0u64; 2]));
        let open = |name| {
            let named = attributes(name);
            status("ZwOpenFile", [at(handle), 0x10_0001, at(&named), at(block), 7, 0x21])
        };
        assert_eq!(open(&root), 0);
        assert_eq!(status("ZwClose", [handle.get()]), 0);
        let (instances, count) = (out([0u64; 4]), out(0u32));
        let own = out(0u64);
        assert_eq!(filter("FltGetFilterFromName", [at(&unicode("passthrough")), at(own)]), 0);
        assert_eq!(filter("FltEnumerateInstances", [0, own.get(), at(instances), 4, at(count)]), 0);
        let [instance, ..] = instances.get();

        let kind = out(0u32);
        assert_eq!(filter("FltGetFileSystemType", [instance, at(kind)]), 0);
        assert_eq!(kind.get(), 2, "FLT_FSTYPE_NTFS");
        let volume = out(0u64);
        assert_eq!(filter("FltGetVolumeFromInstance", [instance, at(volume)]), 0);
        assert_eq!(filter("FltGetFileSystemType", [volume.get(), at(kind)]), 0);
        call_in("fltmgr.sys", "FltObjectDereference", [volume.get()]);

        assert_eq!(filter("FltCreateSystemVolumeInformationFolder", [instance]), 0);
        assert_eq!(
            filter("FltCreateSystemVolumeInformationFolder", [instance]),
            0,
            "it may be there already"
        );
        assert_eq!(open(&unicode(r"\??\C:\System Volume Information")), 0);
        let basic = out([0u64; 5]);
        assert_eq!(status("ZwQueryInformationFile", [handle.get(), at(block), at(basic), 40, 4]), 0);
        assert_eq!(basic.get()[4] & 0x16, 0x16, "hidden, system, directory");

        let (file, size) = (out(0u64), out([0u64; 3]));
        assert_eq!(status("ObReferenceObjectByHandle", [handle.get(), 0, 0, 0, at(file), 0]), 0);
        let query = [instance, file.get(), at(size), 24, 3, at(count)];
        assert_eq!(filter("FltQueryVolumeInformationFile", query), 0);
        assert_eq!((count.get(), size.get()[2] >> 32), (24, 512), "bytes of a sector");
        let (input, output) = (out([1u8; 8]), out([0u8; 8]));
        let unknown = [instance, file.get(), 0x9_FFFC, at(input), 8, at(output), 8, at(count)];
        assert_eq!(
            filter("FltFsControlFile", unknown),
            0xC000_0010,
            "INVALID_DEVICE_REQUEST, from the file system"
        );
        let mounted = [instance, file.get(), 0x9_0028, 0, 0, 0, 0, at(count)];
        assert_eq!(filter("FltFsControlFile", mounted), 0, "FSCTL_IS_VOLUME_MOUNTED");
        call("ObfDereferenceObject", [file.get()]);
        for object in [instance, own.get()] {
            call_in("fltmgr.sys", "FltObjectDereference", [object]);
        }
        assert_eq!(status("ZwClose", [handle.get()]), 0);
        Ok(())
    });
    run.expect("nothing stops the machine");
}

static HEARD: std::sync::Mutex<Vec<(String, usize, bool)>> = std::sync::Mutex::new(Vec::new());

extern "win64" fn image_routine(name: usize, process: usize, information: usize) {
    let read = |address: usize| boundary::copy::read_value::<usize>(address).unwrap();
    let units = read(name) & 0xFFFF;
    let text = nt_rtl::string::read_units(read(name + 8), units / 2).unwrap();
    let base = read(information + 8);
    let headers = boundary::copy::read_value::<u16>(base).unwrap() == u16::from_le_bytes(*b"MZ");
    HEARD.lock().unwrap().push((String::from_utf16_lossy(&text), process, headers));
}

#[test]
fn an_image_routine_hears_of_a_driver_before_it_runs() {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    let routine = image_routine as *const () as u64;
    let set =
        |name: &'static str| machine.run(|_| Ok(status(name, [routine]))).expect("nothing stops the machine");
    let load = |name| machine.load(&DriverSource::embedded(name).expect("it is built in")).expect("it loads");
    assert_eq!(set("PsSetLoadImageNotifyRoutine"), 0);
    load("passthrough");
    assert_eq!(set("PsRemoveLoadImageNotifyRoutine"), 0);
    assert_eq!(set("PsRemoveLoadImageNotifyRoutine"), 0xC000_007A, "PROCEDURE_NOT_FOUND");
    load("guard");
    let heard = HEARD.lock().unwrap();
    let [(name, process, headers)] = heard.as_slice() else { panic!("one image: {heard:?}") };
    assert!(name.ends_with(r"\drivers\passthrough.sys"), "{name}");
    assert_eq!((*process, *headers), (0, true));
}

#[test]
fn a_ports_descriptor_lets_administrators_in_and_nobody_else() {
    crate::machine(|| {
        let descriptor = out(0u64);
        assert_eq!(filter("FltBuildDefaultSecurityDescriptor", [at(descriptor), 0x1F_0001]), 0);
        assert_eq!(call("RtlValidSecurityDescriptor", [descriptor.get()]) as u8, 1);
        let parts = nt_se::capture::descriptor(descriptor.get() as usize).unwrap().unwrap();
        let granted: Vec<String> = parts
            .entries()
            .unwrap()
            .iter()
            .map(|(kind, _, mask, who)| format!("{kind} {mask:x} {who}"))
            .collect();
        assert_eq!(granted, ["0 1f0001 S-1-5-18", "0 1f0001 S-1-5-32-544"]);
        assert_eq!(
            status("RtlSetDaclSecurityDescriptor", [descriptor.get(), 1, 0, 0]),
            0,
            "drivers open it to all"
        );
        let open = nt_se::capture::descriptor(descriptor.get() as usize).unwrap().unwrap();
        assert_eq!(open.entries(), None);
        call_in("fltmgr.sys", "FltFreeSecurityDescriptor", [descriptor.get()]);
    });
}
