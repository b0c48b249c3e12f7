//! Starting, refusing and unloading.

use crate::builder::{self, READ_ONLY};
use crate::support::*;

/// Base of the first image of the machine, by the table of images.
fn first_image(machine: &Machine) -> Option<usize> {
    let area = machine.core().slot.images();
    (area..area + (1 << 20)).step_by(1 << 16).find(|base| machine.images().driver_of(*base).is_some())
}

#[test]
fn driver_entry_gets_its_driver_object_and_registry_path() {
    let machine = Machine::boot();
    // mov rax, [rdx + 8]; mov [variable], rcx; movzx ecx, word ptr [rdx]; mov [variable + 8], rcx; xor eax, eax; ret
    let code = Code::default()
        .relative(&[0x48, 0x89, 0x0D], VARIABLES + 8)
        .raw(&[0x0F, 0xB7, 0x0A])
        .relative(&[0x48, 0x89, 0x0D], VARIABLES + 16)
        .raw(SUCCEED);
    machine.run(|| {
        let driver = load(&image(&code).build()).expect("it loads");
        let (base, bytes) = driver.image();
        assert_eq!(peek(base, VARIABLES + 8), std::ptr::from_ref(driver.object()) as u64);
        let path = r"\Registry\Machine\System\CurrentControlSet\Services\tiny";
        assert_eq!(peek(base, VARIABLES + 16), path.len() as u64 * 2);
        assert_eq!(driver.object().DriverStart.get() as usize, base);
        assert_eq!(driver.object().DriverSize.get() as usize, bytes);
        assert_eq!(driver.object().DriverInit.get().0, base + TEXT as usize);
    });
}

#[test]
fn a_driver_that_fails_leaves_nothing_accessible_and_its_name_free() {
    let machine = Machine::boot();
    let failing = image(&Code::default().raw(&[0xB8, 1, 0, 0, 0xC0, 0xC3])).build();
    machine.run(|| {
        let error = load(&failing).err().expect("it fails");
        assert!(error.to_string().contains("DriverEntry returned"), "{error}");
        let base = first_image(&machine).expect("the table remembers it");
        assert!(!is_readable(base, 0) && !is_readable(base, TEXT) && !is_readable(base, VARIABLES));
        load(&image(&Code::default().raw(SUCCEED)).build()).expect("the same name again");
    });
}

#[test]
fn two_drivers_of_one_name_are_refused() {
    let machine = Machine::boot();
    let file = image(&Code::default().raw(SUCCEED)).build();
    machine.run(|| {
        let _first = load(&file).expect("it loads");
        let text = load(&file).err().expect("the name is taken").to_string();
        assert!(text.contains("driver object"), "{text}");
    });
}

#[test]
fn an_unloaded_image_is_inaccessible_and_still_named() {
    let machine = Machine::boot();
    machine.run(|| {
        let driver = load(&image(&Code::default().raw(SUCCEED)).build()).expect("it loads");
        let base = driver.image().0;
        driver::unload(driver).expect("the machine goes on");
        assert!(!is_readable(base, TEXT) && !is_readable(base, VARIABLES));
        assert_eq!(machine.images().describe(base + 0x1002), "tiny.sys+0x1002");
        let next = load(&image(&Code::default().raw(SUCCEED)).build()).expect("it loads again").image().0;
        assert_ne!(base, next, "addresses are used once");
    });
}

#[test]
fn pool_that_an_image_keeps_is_a_finding_with_its_place() {
    let machine = Machine::boot();
    let code = Code::default().raw(ENTER).call_through(import(0)).raw(&[0x31, 0xC0]).raw(LEAVE);
    let file = with_imports(image(&code), &["Allocate".into()]).build();
    let call = machine.run(|| {
        let driver = load(&file).expect("it loads");
        let call = driver.image().0 + TEXT as usize + 10;
        driver::unload(driver).expect("the machine goes on");
        call
    });
    let findings = machine.core().findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].rule, findings[0].driver.as_str()), ("pool-leak", "tiny"));
    assert!(findings[0].message.contains("\"Leak\" (40 bytes)"), "{}", findings[0].message);
    assert_eq!(findings[0].places, [call]);
}

#[test]
fn a_missing_import_is_named_when_it_is_called() {
    let machine = Machine::boot();
    let code = Code::default().raw(ENTER).call_through(import(1)).raw(LEAVE);
    let file = with_imports(image(&code), &["FltFoo".into(), "#9".into()]).build();
    machine.run(|| assert!(load_from("tiny.sys", &file, &ALL).is_err()));
    let check = machine.core().bug_checked().expect("a bug check");
    assert!(check.message.starts_with("tiny called ordinal 9 of tiny.dll"), "{}", check.message);
    assert!(check.message.contains("exports --check tiny.sys"), "{}", check.message);
    assert_eq!(machine.images().resolve(check.address).expect("in the driver").offset, 0x100A);
}

#[test]
fn missing_imports_that_nobody_calls_do_not_matter_however_many() {
    let machine = Machine::boot();
    let names: Vec<String> = (0..5000).map(|n| format!("FltMissing{n}")).collect();
    let file = with_imports(image(&Code::default().raw(SUCCEED)), &names).build();
    machine.run(|| {
        let base = load(&file).expect("it loads").image().0;
        let traps: std::collections::BTreeSet<u64> = (0..5000).map(|n| peek(base, import(n))).collect();
        assert_eq!(traps.len(), 5000, "each has a trap of its own");
    });
}

#[test]
fn an_image_without_a_usable_entry_point_is_refused() {
    let machine = Machine::boot();
    let mut file = image(&Code::default().raw(SUCCEED)).section(b".rdata", 0x5000, &[0xC3; 16], READ_ONLY);
    for (entry, said) in [(0, "no entry point"), (0x5000, "RVA 0x5000"), (0x6000, "RVA 0x6000")] {
        file.entry = entry;
        let text = machine.run(|| load(&file.build()).err().map(|error| error.to_string()));
        assert!(text.as_ref().is_some_and(|text| text.contains(said)), "{text:?}");
    }
    assert!(first_image(&machine).is_none(), "nothing was mapped");
}

#[test]
fn bytes_that_are_no_image_are_refused_by_the_file_s_name() {
    let machine = Machine::boot();
    let truncated = &builder::full().build()[..0x300];
    for bytes in [&b""[..], b"not an image", truncated] {
        let text = machine.run(|| load(bytes).err().expect("no image").to_string());
        assert!(text.starts_with("tiny.sys: "), "{text}");
    }
}
