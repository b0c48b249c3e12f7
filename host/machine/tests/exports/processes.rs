use crate::{at, call, machine, out, status};

const CURRENT: u64 = u64::MAX;

#[test]
fn a_process_is_opened_by_identity_and_asked() {
    machine(|| {
        let (process, id) = (call("IoGetCurrentProcess", []), call("PsGetCurrentProcessId", []));
        let (handle, client, attributes) = (out(0u64), [id, 0], [0x30u64, 0, 0, 0x200, 0, 0]);
        let open = |access: u64| status("ZwOpenProcess", [at(handle), access, at(&attributes), at(&client)]);
        assert_eq!(open(0x1F_FFFF), 0);
        let (basic, needed) = (out([0u64; 6]), out(0u32));
        assert_eq!(status("ZwQueryInformationProcess", [handle.get(), 0, at(basic), 0x30, at(needed)]), 0);
        assert_eq!((basic.get()[0], basic.get()[4], needed.get()), (0x103, id, 0x30));
        assert_eq!(status("ZwQueryInformationProcess", [handle.get(), 0, at(basic), 0x28, 0]), 0xC000_0004);
        assert_eq!(status("ZwQueryInformationProcess", [handle.get(), 999, at(basic), 8, 0]), 0xC000_0003);
        let name = out([0u64; 64]);
        assert_eq!(status("ZwQueryInformationProcess", [handle.get(), 27, at(name), 512, 0]), 0);
        assert_eq!(name.get()[1], at(name) + 16, "the text lies behind the string");
        assert_eq!(status("ZwClose", [handle.get()]), 0);
        let string = out(0u64);
        assert_eq!(status("SeLocateProcessImageName", [process, at(string)]), 0);
        let length = boundary::copy::read_value::<u16>(string.get() as usize).unwrap();
        assert_eq!(u64::from(length), name.get()[0] & 0xFFFF);
        call("ExFreePool", [string.get()]);
        let nobody = [0x7777_7770u64, 0];
        let missing = status("ZwOpenProcess", [at(handle), 0x400, at(&attributes), at(&nobody)]);
        assert_eq!(missing, 0xC000_000B, "INVALID_CID");
        assert_eq!(call("IoThreadToProcess", [call("KeGetCurrentThread", [])]), process);
    });
}

#[test]
fn a_token_says_who_its_user_is() {
    machine(|| {
        let (token, needed) = (out(0u64), out(0u32));
        assert_eq!(status("ZwOpenProcessTokenEx", [CURRENT, 8, 0x200, at(token)]), 0);
        let user = out([0u64; 8]);
        assert_eq!(status("ZwQueryInformationToken", [token.get(), 1, at(user), 8, at(needed)]), 0xC000_0023);
        assert_eq!(status("ZwQueryInformationToken", [token.get(), 1, at(user), 64, at(needed)]), 0);
        assert_eq!((user.get()[0], u64::from(needed.get())), (at(user) + 16, 16 + 28));
        assert_eq!(
            status("ZwOpenThreadTokenEx", [CURRENT - 1, 8, 1, 0x200, at(token)]),
            0xC000_007C,
            "NO_TOKEN"
        );
        let primary = call("PsReferencePrimaryToken", [call("IoGetCurrentProcess", [])]);
        assert_eq!(call("SeTokenIsAdmin", [primary]) as u8, 1);
        call("PsDereferencePrimaryToken", [primary]);
    });
}

#[test]
fn the_system_tells_its_processors_processes_and_drivers() {
    machine(|| {
        let basic = out([0u64; 8]);
        assert_eq!(status("ZwQuerySystemInformation", [0, at(basic), 64, 0]), 0);
        assert_eq!(basic.get()[7], call("KeQueryActiveProcessorCount", [0]));
        let (list, needed) = (out([0u64; 512]), out(0u32));
        assert_eq!(status("ZwQuerySystemInformation", [5, at(list), 16, at(needed)]), 0xC000_0004);
        assert_eq!(status("ZwQuerySystemInformation", [5, at(list), 4096, at(needed)]), 0);
        assert_eq!(list.get()[10], 4, "System comes first");
        assert_eq!(status("ZwQuerySystemInformation", [11, at(list), 4096, at(needed)]), 0);
        assert_eq!(list.get()[0], 0, "no driver is loaded");
        assert_eq!(status("ZwQuerySystemInformation", [1000, at(list), 4096, 0]), 0xC000_0003);
    });
}

#[test]
fn attaching_to_another_process_changes_the_current_one() {
    machine(|| {
        let own = call("IoGetCurrentProcess", []);
        let (system, state) = (out(0u64), out([0u64; 6]));
        assert_eq!(status("PsLookupProcessByProcessId", [4, at(system)]), 0);
        call("KeStackAttachProcess", [system.get(), at(state)]);
        assert_eq!(call("IoGetCurrentProcess", []), system.get());
        assert_ne!(call("PsGetCurrentProcessId", []), 4, "the thread's own process stays");
        call("KeUnstackDetachProcess", [at(state)]);
        assert_eq!(call("IoGetCurrentProcess", []), own);
        call("KeAttachProcess", [system.get()]);
        assert_eq!(call("IoGetCurrentProcess", []), system.get());
        call("KeDetachProcess", []);
        assert_eq!(call("IoGetCurrentProcess", []), own);
        call("ObfDereferenceObject", [system.get()]);
    });
}

#[test]
fn an_access_check_reads_a_descriptor_that_a_driver_has_built() {
    machine(|| {
        let (descriptor, list) = (out([0u64; 5]), out([0u64; 16]));
        let everyone = [1u8, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(status("RtlCreateSecurityDescriptor", [at(descriptor), 1]), 0);
        assert_eq!(status("RtlCreateAcl", [at(list), 128, 2]), 0);
        assert_eq!(status("RtlAddAccessDeniedAce", [at(list), 2, 2, at(&everyone)]), 0);
        assert_eq!(status("RtlAddAccessAllowedAce", [at(list), 2, 3, at(&everyone)]), 0);
        assert_eq!(status("RtlSetDaclSecurityDescriptor", [at(descriptor), 1, at(list), 0]), 0);
        assert_eq!(call("RtlValidSecurityDescriptor", [at(descriptor)]) as u8, 1);
        assert_eq!(call("RtlLengthSecurityDescriptor", [at(descriptor)]) as u32, 0x28 + 128);

        let (context, granted, why) = (out([0u64; 4]), out(9u32), out(9u32));
        let mapping = [1u32, 2, 4, 7];
        call("SeCaptureSubjectContext", [at(context)]);
        let check = |desired: u64, mode: u64| {
            let arguments =
                [at(descriptor), at(context), 0, desired, 0, 0, at(&mapping), mode, at(granted), at(why)];
            (call("SeAccessCheck", arguments) as u8, granted.get(), why.get())
        };
        assert_eq!(check(1, 1), (1, 1, 0));
        assert_eq!(check(0x8000_0000, 1), (1, 1, 0), "GENERIC_READ is 1 here");
        assert_eq!(check(2, 1), (0, 0, 0xC000_0022), "the entry that denies comes first");
        assert_eq!(check(2, 0), (1, 2, 0), "kernel mode is not checked");
        call("SeReleaseSubjectContext", [at(context)]);

        let relative = out([0u64; 32]);
        let length = out(4u32);
        let make = [at(descriptor), at(relative), at(length)];
        assert_eq!(status("RtlAbsoluteToSelfRelativeSD", make), 0xC000_0023);
        assert_eq!(status("RtlAbsoluteToSelfRelativeSD", make), 0);
        assert_eq!(
            call("RtlValidRelativeSecurityDescriptor", [at(relative), length.get().into(), 4]) as u8,
            1
        );
        let (present, dacl, defaulted) = (out(9u8), out(0u64), out(9u8));
        let get = [at(relative), at(present), at(dacl), at(defaulted)];
        assert_eq!(status("RtlGetDaclSecurityDescriptor", get), 0);
        assert_eq!((present.get(), dacl.get(), defaulted.get()), (1, at(relative) + 0x14, 0));
        let (entry, text) = (out(0u64), crate::room(64));
        assert_eq!(status("RtlGetAce", [dacl.get(), 1, at(entry)]), 0);
        assert_eq!(status("RtlConvertSidToUnicodeString", [at(&text), entry.get() + 8, 0]), 0);
        assert_eq!(crate::text(&text), "S-1-1-0");
    });
}
