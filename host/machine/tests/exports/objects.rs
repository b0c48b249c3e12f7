use crate::{at, attributes, call, machine, out, room, status, text, unicode};

const TIMEOUT: u32 = 0x102;

#[test]
fn an_event_is_made_found_by_name_set_and_waited_for() {
    machine(|| {
        let (name, handle, again) = (unicode(r"\BaseNamedObjects\alarm"), out(0u64), out(0u64));
        call("IoCreateSymbolicLink", [at(&unicode(r"\BaseNamedObjects")), at(&unicode(r"\Device"))]);
        let named = attributes(&name);
        assert_eq!(status("ZwCreateEvent", [at(handle), 0x1F_0003, at(&named), 1, 0]), 0);
        assert_eq!(status("ZwOpenEvent", [at(again), 0x1F_0003, at(&named)]), 0);
        let (timeout, before) = (out(0i64), out(9i32));
        let wait = || status("ZwWaitForSingleObject", [again.get(), 0, at(timeout)]);
        assert_eq!(wait(), TIMEOUT);
        assert_eq!(status("ZwSetEvent", [handle.get(), at(before)]), 0);
        assert_eq!(before.get(), 0);
        assert_eq!(wait(), 0);
        assert_eq!(wait(), TIMEOUT, "a synchronization event resets itself");
        assert_eq!(status("ZwSetEvent", [handle.get(), 0]), 0);
        assert_eq!(status("ZwResetEvent", [handle.get(), at(before)]), 0);
        assert_eq!(before.get(), 1);
        let handles = [handle.get(), again.get()];
        assert_eq!(status("ZwWaitForMultipleObjects", [2, at(&handles), 1, 0, at(timeout)]), TIMEOUT);
        assert_eq!(status("ZwClose", [handle.get()]), 0);
        assert_eq!(status("ZwClose", [again.get()]), 0);
        assert_eq!(
            status("ZwOpenEvent", [at(again), 0x1F_0003, at(&named)]),
            0xC000_0034,
            "the name went with them"
        );
    });
}

#[test]
fn an_event_of_the_io_manager_is_signaled_and_stays_with_its_handle() {
    machine(|| {
        let handle = out(0u64);
        let event = call("IoCreateNotificationEvent", [at(&unicode(r"\Device\ready")), at(handle)]);
        assert_ne!(event, 0);
        assert_eq!(call("KeReadStateEvent", [event]) as i32, 1);
        let second = out(0u64);
        assert_eq!(call("IoCreateNotificationEvent", [at(&unicode(r"\Device\ready")), at(second)]), event);
        for handle in [handle, second] {
            assert_eq!(status("ZwClose", [handle.get()]), 0);
        }
    });
}

#[test]
fn a_symbolic_link_says_what_it_stands_for() {
    machine(|| {
        let (name, handle) = (unicode(r"\??\C:"), out(0u64));
        assert_eq!(status("ZwOpenSymbolicLinkObject", [at(handle), 0x8000_0000, at(&attributes(&name))]), 0);
        let (small, large, length) = (room(4), room(200), out(0u32));
        assert_eq!(status("ZwQuerySymbolicLinkObject", [handle.get(), at(&small), at(length)]), 0xC000_0023);
        assert_eq!(status("ZwQuerySymbolicLinkObject", [handle.get(), at(&large), 0]), 0);
        assert!(text(&large).starts_with(r"\Device\HarddiskVolume"));
        assert_eq!(usize::from(large.Length.get()), length.get() as usize);
        assert_eq!(status("ZwClose", [handle.get()]), 0);
    });
}

#[test]
fn an_object_is_found_by_name_and_knows_its_type() {
    machine(|| {
        let object = out(0u64);
        let name = unicode(r"\Device\Null");
        let missing = status("ObReferenceObjectByName", [at(&name), 0x40, 0, 0, 0, 0, 0, at(object)]);
        assert_eq!(missing, 0xC000_0034);
        let name = unicode(r"\ObjectTypes");
        assert_eq!(status("ObReferenceObjectByName", [at(&name), 0x40, 0, 0, 0, 0, 0, at(object)]), 0);
        let kind = call("ObGetObjectType", [object.get()]);
        assert_eq!(kind as usize, nt_ob::ob_directory_type().address());
        let count = call("ObfReferenceObjectWithTag", [object.get(), 0]);
        assert_eq!(call("ObfDereferenceObjectWithTag", [object.get(), 0]), count - 1);
        call("ObfDereferenceObject", [object.get()]);
    });
}

#[test]
fn a_handle_is_duplicated_and_moved() {
    machine(|| {
        let (first, second) = (out(0u64), out(0u64));
        assert_eq!(status("ZwCreateEvent", [at(first), 0x1F_0003, 0, 0, 1]), 0);
        let current = u64::MAX;
        let duplicate = [current, first.get(), current, at(second), 0, 0x200, 3];
        assert_eq!(status("ZwDuplicateObject", duplicate), 0);
        assert_eq!(status("ZwSetEvent", [first.get(), 0]), 0xC000_0008, "DUPLICATE_CLOSE_SOURCE");
        assert_eq!(call("ObIsKernelHandle", [second.get()]) as u8, 1);
        assert_eq!(status("ZwSetEvent", [second.get(), 0]), 0);
        assert_eq!(status("ObCloseHandle", [second.get(), 0]), 0);
    });
}
