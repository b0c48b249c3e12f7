//! What stands in the memory of a loaded image.

use crate::builder::{self, IMAGE_BASE, READ_ONLY};
use crate::support::*;

#[test]
fn addresses_follow_the_image_and_no_two_images_share_any() {
    let machine = Machine::boot();
    machine.run(|| {
        let file = image(&Code::default().raw(SUCCEED)).build();
        let first = load(&file).expect("it loads").image().0;
        assert_eq!(peek(first, VARIABLES), first as u64 + u64::from(VARIABLES) + 8);
        let (second, _) = load_from("other.sys", &file, &ALL).unwrap().expect("it loads").image();
        assert_ne!(first, second);
        assert_eq!(peek(second, VARIABLES), second as u64 + u64::from(VARIABLES) + 8);
        assert_eq!(machine.images().driver_of(second + 0x1000).as_deref(), Some("other"));
    });
}

#[test]
fn imports_are_bound_by_name_and_by_ordinal() {
    let machine = Machine::boot();
    for n in 0..2 {
        let code = Code::default().raw(ENTER).call_through(import(n)).raw(LEAVE);
        let file = with_imports(image(&code), &["Answer".into(), "#7".into()]).build();
        assert_eq!(machine.run(|| status_of(&file)), ANSWER, "import {n}");
    }
}

#[test]
fn the_cookie_is_neither_zero_nor_the_compiler_s() {
    let machine = Machine::boot();
    let mut file = builder::full();
    file.sections[0].data[..3].copy_from_slice(SUCCEED);
    machine.run(|| {
        let base = load(&file.build()).expect("it loads").image().0;
        let cookie = peek(base, 0x3000);
        assert!(cookie != 0 && cookie != 0x2B99_2DDF_A232 && cookie >> 48 == 0, "{cookie:#x}");
    });
}

#[test]
fn guard_checks_pass_and_guard_dispatches_jump() {
    let machine = Machine::boot();
    // Variables that the load configuration of `full` names: check and dispatch, then the extended three.
    for (check, dispatch) in [(0x3008, 0x3010), (0x3018, 0x3020), (0x3018, 0x3028)] {
        // lea rax, [target]; mov rcx, rax; call [check]; call [dispatch]; target: mov eax, ANSWER; ret
        let code = Code::default()
            .raw(ENTER)
            .relative(&[0x48, 0x8D, 0x0D], TEXT + 0x40)
            .call_through(check)
            .raw(&[0x48, 0x89, 0xC8])
            .call_through(dispatch)
            .raw(LEAVE)
            .pad_to(0x40)
            .raw(&[0xB8])
            .raw(&ANSWER.to_le_bytes())
            .raw(&[0xC3]);
        let mut file = builder::full();
        builder::put(&mut file.sections[0].data, 0, &code.0);
        assert_eq!(machine.run(|| status_of(&file.build())), ANSWER, "{check:#x} {dispatch:#x}");
    }
}

const SHARED: u64 = 0xFFFF_F780_0000_0000;

#[test]
fn constants_in_the_shared_user_data_page_point_to_the_machine_s_own() {
    let machine = Machine::boot();
    // Entry: movabs rax, page + 0x14; …; at 0x40, without unwind information: movabs rax, [page + 0x320].
    let code = Code::default()
        .raw(&[0x48, 0xB8])
        .raw(&(SHARED + 0x14).to_le_bytes())
        .raw(SUCCEED)
        .pad_to(0x40)
        .raw(&[0x48, 0xA1])
        .raw(&(SHARED + 0x320).to_le_bytes())
        .raw(&[0xC3]);
    let mut constant = vec![0u8; 16];
    builder::put_u64(&mut constant, 0, &[SHARED + 0x14]);
    let file = with_functions(image(&code), &[(0, 0xD, &[1, 0, 0, 0])])
        .section(b".rdata", 0x5000, &constant, READ_ONLY)
        .build();
    machine.run(|| {
        let base = load(&file).expect("it loads").image().0;
        let page = machine.core().slot.shared_user_data() as u64;
        assert_eq!(peek(base, TEXT + 2), page + 0x14);
        assert_eq!(peek(base, TEXT + 0x42), page + 0x320, "a leaf function");
        assert_eq!(peek(base, 0x5000), SHARED + 0x14, "data stays as it is");
        let ticks = boundary::call(nt_abi::NativeFn(base + TEXT as usize + 0x40), [0u64; 0]);
        let shown = boundary::copy::read_value::<u64>((page + 0x320) as usize).expect("the page");
        assert!(ticks.expect("no fault") <= shown);
    });
}

#[test]
fn code_and_headers_cannot_be_written() {
    for rva in [TEXT + 0x20, 0] {
        let machine = Machine::boot();
        // mov byte ptr [rva], al
        let code = Code::default().relative(&[0x88, 0x05], rva).raw(SUCCEED).pad_to(0x40);
        assert!(machine.run(|| load_from("tiny.sys", &image(&code).build(), &ALL).is_err()), "{rva:#x}");
        let check = machine.core().bug_checked().expect("a bug check");
        assert!(check.message.contains("wrote"), "{}", check.message);
        assert_eq!(machine.images().driver_of(check.address).as_deref(), Some("tiny"));
    }
}

#[test]
fn what_is_needed_for_initialisation_only_goes_when_driver_entry_has_returned() {
    let machine = Machine::boot();
    // Entry reads a byte of INIT while it is there.
    let code = Code::default().relative(&[0x8A, 0x05], INIT).raw(SUCCEED);
    let file = image(&code).section(b"INIT", INIT, &[0xC3; 16], builder::CODE).build();
    machine.run(|| {
        let base = load(&file).expect("it loads").image().0;
        assert!(!is_readable(base, INIT) && !is_readable(base, 0x8000), "INIT and discardable sections");
        assert!(is_readable(base, TEXT) && is_readable(base, VARIABLES) && is_readable(base, 0));
    });
}

#[test]
fn sections_that_share_a_page_get_the_access_of_both() {
    let machine = Machine::boot();
    // Code at 0x400, a variable that it writes at 0x600, discardable bytes at 0x800: one page.
    let mut file = builder::Builder { entry: 0x400, ..builder::Builder::default() }
        .section(b".text", 0x400, &[0xC6, 0x05, 0xF9, 0x01, 0, 0, 1, 0x31, 0xC0, 0xC3], builder::CODE)
        .section(b".data", 0x600, &[0; 16], builder::DATA)
        .section(b"INIT", 0x800, &[0; 16], builder::DISCARDABLE)
        .build();
    // SectionAlignment, as FileAlignment.
    builder::put(&mut file, builder::OPTIONAL + 32, &0x200u32.to_le_bytes());
    machine.run(|| {
        let base = load(&file).expect("it loads").image().0;
        assert_eq!(peek(base, 0x600), 1);
        assert!(is_readable(base, 0x800));
    });
}

#[test]
fn an_image_that_can_only_stand_at_its_own_base_is_refused() {
    let machine = Machine::boot();
    let file = builder::full().directory(5, 0, 0).build();
    let text = machine.run(|| load(&file).err().expect("no relocations").to_string());
    assert!(text.starts_with("tiny.sys: ") && text.contains("no relocation directory"), "{text}");
    assert!(text.contains(&format!("{IMAGE_BASE:#x}")) && text.contains("/DYNAMICBASE"), "{text}");
}
