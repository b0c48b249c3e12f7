use crate::{at, call, machine, narrow, out, status, text, unicode};

#[test]
fn identifiers_are_unique_and_time_based() {
    machine(|| {
        let (first, second) = (out([0u8; 16]), out([0u8; 16]));
        assert_eq!(status("ExUuidCreate", [at(first)]), 0x4002_0056, "RPC_NT_UUID_LOCAL_ONLY");
        assert_eq!(status("ExUuidCreate", [at(second)]), 0x4002_0056);
        assert_ne!(first.get(), second.get());
        assert_eq!((first.get()[7] >> 4, first.get()[8] >> 6), (1, 2), "version 1, the usual variant");
        let name = crate::room(80);
        assert_eq!(status("RtlStringFromGUIDEx", [at(first), at(&name), 0]), 0);
        let back = out([0u8; 16]);
        assert_eq!(status("RtlGUIDFromString", [at(&name), at(back)]), 0);
        assert_eq!(back.get(), first.get());
    });
}

#[test]
fn cache_aware_rundown_protection_is_taken_until_it_is_run_down() {
    // spec: EXEC-39
    machine(|| {
        let protection = call("ExAllocateCacheAwareRundownProtection", [0x200, 0x7478_6554]);
        assert_ne!(protection, 0);
        assert_eq!(call("ExAcquireRundownProtectionCacheAwareEx", [protection, 2]) as u8, 1);
        call("ExReleaseRundownProtectionCacheAwareEx", [protection, 2]);
        call("ExWaitForRundownProtectionReleaseCacheAware", [protection]);
        assert_eq!(call("ExAcquireRundownProtectionCacheAware", [protection]) as u8, 0);
        call("ExRundownCompletedCacheAware", [protection]);
        call("ExReInitializeRundownProtectionCacheAware", [protection]);
        assert_eq!(call("ExAcquireRundownProtectionCacheAware", [protection]) as u8, 1);
        call("ExReleaseRundownProtectionCacheAware", [protection]);
        call("ExFreeCacheAwareRundownProtection", [protection]);
    });
}

#[test]
fn paths_come_apart_into_their_components() {
    machine(|| {
        let (path, first, rest) = (unicode(r"\one\two\three"), crate::room(0), crate::room(0));
        call("FsRtlDissectName", [at(&path), at(&first), at(&rest)]);
        assert_eq!((text(&first).as_str(), text(&rest).as_str()), ("one", r"two\three"));
        call("FsRtlDissectName", [at(&rest), at(&first), at(&rest)]);
        assert_eq!(
            (text(&first).as_str(), text(&rest).as_str()),
            ("two", "three"),
            "one string for path and rest"
        );
        call("FsRtlDissectName", [at(&rest), at(&first), at(&rest)]);
        assert_eq!((text(&first).as_str(), rest.Length.get()), ("three", 0));
    });
}

#[test]
fn names_of_fat_are_eight_and_three_characters() {
    machine(|| {
        let legal = |name: &[u8], wild: u64, path: u64, leading: u64| {
            call("FsRtlIsFatDbcsLegal", [at(&narrow(name)), wild, path, leading]) as u8
        };
        assert_eq!(legal(b"README.TXT", 0, 0, 0), 1);
        assert_eq!(legal(b"TOOLONGNAME", 0, 0, 0), 0);
        assert_eq!(legal(b"A.B.C", 0, 0, 0), 0);
        assert_eq!(legal(b"A*", 0, 0, 0), 0);
        assert_eq!(legal(b"A*", 1, 0, 0), 1);
        assert_eq!(legal(b"\\A\\B.C", 0, 1, 1), 1);
        assert_eq!(legal(b"\\A\\B.C", 0, 0, 1), 0, "a path where a name is wanted");
        let (expression, name) = (narrow(b"*.T?T"), narrow(b"README.TXT"));
        assert_eq!(call("FsRtlIsDbcsInExpression", [at(&expression), at(&name)]) as u8, 1);
        assert_eq!(call("FsRtlIsTotalDeviceFailure", [0xC000_003F]) as u8, 0, "CRC_ERROR");
        assert_eq!(call("FsRtlIsTotalDeviceFailure", [0xC000_00A3]) as u8, 1);
    });
}

#[test]
fn a_file_object_tells_its_size() {
    machine(|| {
        let (name, handle, block, object) = (unicode(r"\??\C:\sized"), out(0u64), out([0u64; 2]), out(0u64));
        let attributes = crate::attributes(&name);
        let create = [at(handle), 0x1010_0000, at(&attributes), at(block), 0, 0x80, 7, 2, 0x20, 0, 0];
        assert_eq!(status("ZwCreateFile", create), 0);
        let data = [7u8; 100];
        let write = [handle.get(), 0, 0, 0, at(block), at(&data), 100, 0, 0];
        assert_eq!(status("ZwWriteFile", write), 0);
        assert_eq!(status("ObReferenceObjectByHandle", [handle.get(), 0, 0, 0, at(object), 0]), 0);
        let size = out(0i64);
        assert_eq!(status("FsRtlGetFileSize", [object.get(), at(size)]), 0);
        assert_eq!(size.get(), 100);
        assert_eq!(call("FsRtlIsPagingFile", [object.get()]) as u32, 0);
        assert_eq!(call("IoGetTransactionParameterBlock", [object.get()]), 0);
        call("ObfDereferenceObject", [object.get()]);
        assert_eq!(status("ZwClose", [handle.get()]), 0);
    });
}

#[test]
fn processors_are_numbered_within_one_group() {
    machine(|| {
        let number = out(9u32);
        assert_eq!(status("KeGetProcessorNumberFromIndex", [1, at(number)]), 0);
        assert_eq!(number.get(), 1 << 16);
        assert_eq!(call("KeGetProcessorIndexFromNumber", [at(number)]) as u32, 1);
        let count = call("KeQueryActiveProcessorCount", [0]);
        assert_eq!(status("KeGetProcessorNumberFromIndex", [count, at(number)]), 0xC000_000D);
        assert_eq!(call("KeQueryGroupAffinity", [0]).count_ones(), count as u32);
        assert_eq!(call("ExIsProcessorFeaturePresent", [10]) as u8, 1, "SSE2");
    });
}

#[test]
fn a_reader_writer_spin_lock_takes_many_readers_or_one_writer() {
    machine(|| {
        let lock = out(0u32);
        let old = call("ExAcquireSpinLockShared", [at(lock)]) as u8;
        assert_eq!((old, call("KeGetCurrentIrql", []) as u8), (0, 2));
        assert_eq!(call("ExTryAcquireSpinLockSharedAtDpcLevel", [at(lock)]) as u8, 1);
        assert_eq!(call("ExTryAcquireSpinLockExclusiveAtDpcLevel", [at(lock)]) as u8, 0);
        assert_eq!(
            call("ExTryConvertSharedSpinLockExclusive", [at(lock)]) as u32,
            0,
            "there are two readers"
        );
        call("ExReleaseSpinLockSharedFromDpcLevel", [at(lock)]);
        assert_eq!(call("ExTryConvertSharedSpinLockExclusive", [at(lock)]) as u32, 1);
        assert_eq!(call("ExTryAcquireSpinLockSharedAtDpcLevel", [at(lock)]) as u8, 0);
        call("ExReleaseSpinLockExclusive", [at(lock), old.into()]);
        assert_eq!((lock.get(), call("KeGetCurrentIrql", []) as u8), (0, 0));
        let old = call("ExAcquireSpinLockExclusive", [at(lock)]);
        call("ExReleaseSpinLockExclusive", [at(lock), old]);
        assert_eq!(lock.get(), 0);
    });
}

#[test]
fn routines_and_variables_are_found_by_name() {
    machine(|| {
        let find = |name: &str| call("MmGetSystemRoutineAddress", [at(&unicode(name))]) as usize;
        assert_eq!(Some(find("RtlRandomEx")), exports::resolve("ntoskrnl.exe", "RtlRandomEx"));
        assert_eq!(Some(find("SeExports")), exports::resolve("ntoskrnl.exe", "SeExports"));
        assert_eq!(find("RtlNoSuchRoutine"), 0);
    });
}

#[test]
fn a_mapping_of_sectors_grows_beyond_its_first_room() {
    machine(|| {
        let mapping = out([0u64; 4]);
        call("FsRtlInitializeLargeMcb", [at(mapping), 1]);
        for run in 0..40u64 {
            assert_eq!(call("FsRtlAddLargeMcbEntry", [at(mapping), run * 10, 1000 - run * 20, 5]) as u8, 1);
        }
        assert_eq!(call("FsRtlAddLargeMcbEntry", [at(mapping), 0, 7, 1]) as u8, 0, "it is mapped elsewhere");
        assert_eq!(
            call("FsRtlNumberOfRunsInLargeMcb", [at(mapping)]) as u32,
            79,
            "runs and the holes between them"
        );
        let (lbn, count, index) = (out(0i64), out(0i64), out(0u32));
        let look = |vbn: u64| {
            call("FsRtlLookupLargeMcbEntry", [at(mapping), vbn, at(lbn), at(count), 0, 0, at(index)]) as u8
        };
        assert_eq!((look(12), lbn.get(), count.get(), index.get()), (1, 982, 3, 2));
        assert_eq!((look(17), lbn.get(), count.get(), index.get()), (1, -1, 3, 3), "a hole");
        assert_eq!(look(395), 0);
        let vbn = out(0i64);
        assert_eq!(
            call("FsRtlLookupLastLargeMcbEntryAndIndex", [at(mapping), at(vbn), at(lbn), at(index)]) as u8,
            1
        );
        assert_eq!((vbn.get(), lbn.get(), index.get()), (394, 224, 78));
        call("FsRtlTruncateLargeMcb", [at(mapping), 12]);
        assert_eq!(call("FsRtlGetNextLargeMcbEntry", [at(mapping), 2, at(vbn), at(lbn), at(count)]) as u8, 1);
        assert_eq!((vbn.get(), lbn.get(), count.get()), (10, 980, 2));
        assert_eq!(call("FsRtlGetNextLargeMcbEntry", [at(mapping), 3, at(vbn), at(lbn), at(count)]) as u8, 0);
        call("FsRtlUninitializeLargeMcb", [at(mapping)]);
    });
}

#[test]
fn an_assertion_of_a_driver_is_a_finding() {
    let machine = altimeter::Machine::boot(altimeter::Options::default()).expect("a machine in memory boots");
    let run = machine.run(|_| {
        let arguments = [c"x == 1".as_ptr() as u64, c"a.c".as_ptr() as u64, 7, c"of course".as_ptr() as u64];
        call("RtlAssert", arguments);
        Ok(())
    });
    run.expect("the driver goes on");
    let findings = machine.report().findings;
    let [finding] = findings.as_slice() else { panic!("one finding: {findings:?}") };
    assert_eq!(finding.rule, "driver-assertion");
    assert!(finding.message.contains("of course: x == 1 (a.c, line 7)"), "{}", finding.message);
}
