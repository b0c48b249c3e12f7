//! Contexts: their memory, their references, and what they hang on.

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fltmgr::contexts::block::*;
use fltmgr::contexts::files::*;
use fltmgr::contexts::links::flt_delete_context;
use fltmgr::contexts::objects::*;
use fltmgr::contexts::sections::*;
use fltmgr::transactions::*;
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::*;
use nt_ex::pool::{self, PoolKind};

use crate::stage::*;

const REPLACE: u32 = 0;
const KEEP: u32 = 1;
const NON_PAGED: u32 = 0;
const PAGED: u32 = 1;
const KINDS: [(u16, &str); 7] = [
    (FLT_VOLUME_CONTEXT, "a volume context"),
    (FLT_INSTANCE_CONTEXT, "a instance context"),
    (FLT_FILE_CONTEXT, "a file context"),
    (FLT_STREAM_CONTEXT, "a stream context"),
    (FLT_STREAMHANDLE_CONTEXT, "a stream handle context"),
    (FLT_TRANSACTION_CONTEXT, "a transaction context"),
    (FLT_SECTION_CONTEXT, "a section context"),
];

thread_local! {
    /// Cleanup callbacks: address and kind.
    static CLEANED: RefCell<Vec<(usize, u16)>> = const { RefCell::new(Vec::new()) };
    /// What the filter's own allocator was asked for, or freed.
    static OWN: RefCell<Vec<(u32, usize, u16)>> = const { RefCell::new(Vec::new()) };
    static OWN_ADDRESS: Cell<usize> = const { Cell::new(0) };
}

/// Cleanups in other threads.
static CLEANED_ELSEWHERE: AtomicUsize = AtomicUsize::new(0);

extern "win64" fn cleanup(context: usize, kind: u32) {
    CLEANED.with_borrow_mut(|cleaned| cleaned.push((context, kind as u16)));
}

extern "win64" fn cleanup_elsewhere(context: usize, _: u32) {
    assert_eq!(nt_ke::irql::current(), 0);
    CLEANED_ELSEWHERE.store(context, Ordering::SeqCst);
}

extern "win64" fn own_allocate(pool_type: u32, bytes: usize, kind: u32) -> usize {
    OWN.with_borrow_mut(|own| own.push((pool_type, bytes, kind as u16)));
    OWN_ADDRESS.get()
}

extern "win64" fn own_free(address: usize, kind: u32) {
    OWN.with_borrow_mut(|own| own.push((u32::MAX, address, kind as u16)));
}

fn definition(kind: u16, size: usize, flags: u16, tag: &[u8; 4]) -> FLT_CONTEXT_REGISTRATION {
    let definition = FLT_CONTEXT_REGISTRATION::default();
    definition.ContextType.set(kind);
    definition.Flags.set(flags);
    definition.Size.set(size);
    definition.PoolTag.set(u32::from_le_bytes(*tag));
    definition.ContextCleanupCallback.set(NativeFn(cleanup as *const () as usize));
    definition
}

fn end() -> FLT_CONTEXT_REGISTRATION {
    definition(FLT_CONTEXT_END, 0, 0, b"    ")
}

/// All kinds, of any size.
fn all_kinds() -> Vec<FLT_CONTEXT_REGISTRATION> {
    let mut all: Vec<_> =
        KINDS.iter().map(|(kind, _)| definition(*kind, FLT_VARIABLE_SIZED_CONTEXTS, 0, b"Cctx")).collect();
    all.push(end());
    all
}

/// A stage whose filters have all kinds of contexts.
fn on_context_stage(f: impl FnOnce(&Stage)) {
    register_contexts(all_kinds());
    on_stage(USUAL, f);
    register_contexts(Vec::new());
}

fn allocate(stage: &Stage, kind: u16) -> usize {
    flt_allocate_context(&stage.filter, kind, 24, NON_PAGED).unwrap().unwrap()
}

fn watcher(stage: &Stage) -> Arc<fltmgr::Instance> {
    let _ = stage;
    let filter = fltmgr::flt().filter_named(&units("watcher")).unwrap();
    fltmgr::flt().instances_of(&filter).remove(0)
}

fn cleaned() -> Vec<usize> {
    CLEANED.take().into_iter().map(|(address, _)| address).collect()
}

#[test]
fn a_context_is_of_a_kind_and_a_size_that_were_registered() {
    // spec: CTX-11, CTX-13, CTX-15, CTX-17, CTX-22
    let fixed = |size, flags| definition(FLT_STREAM_CONTEXT, size, flags, b"Strm");
    register_contexts(vec![
        definition(FLT_VOLUME_CONTEXT, FLT_VARIABLE_SIZED_CONTEXTS, 0, b"Volm"),
        fixed(48, 0),
        fixed(128, FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH),
        end(),
    ]);
    on_stage(USUAL, |stage| {
        let allocate = |kind, bytes, pool| flt_allocate_context(&stage.filter, kind, bytes, pool).unwrap();
        let invalid = Err(NtStatus::INVALID_PARAMETER);
        for kind in [0, 3, 0x80, 0xFFFF] {
            assert_eq!(allocate(kind, 48, NON_PAGED), invalid, "{kind}");
        }
        assert_eq!(allocate(FLT_VOLUME_CONTEXT, 0, NON_PAGED), invalid);
        assert_eq!(allocate(FLT_VOLUME_CONTEXT, 0x10000, NON_PAGED), invalid);
        assert_eq!(stage.rules(), Vec::<&str>::new());
        for pool in [2, 4, 0x201] {
            assert_eq!(allocate(FLT_STREAM_CONTEXT, 48, pool), invalid, "{pool}");
        }
        assert_eq!(stage.rules(), ["CTX-22"; 3]);
        assert_eq!(allocate(FLT_VOLUME_CONTEXT, 8, PAGED), Err(NtStatus::FLT_MUST_BE_NONPAGED_POOL));
        assert_eq!(allocate(FLT_FILE_CONTEXT, 8, NON_PAGED), Err(NtStatus::FLT_CONTEXT_ALLOCATION_NOT_FOUND));
        assert_eq!(allocate(FLT_STREAM_CONTEXT, 129, PAGED), Err(NtStatus::FLT_CONTEXT_ALLOCATION_NOT_FOUND));
        let made = |kind, bytes, pool, room: usize, tag: &[u8; 4]| {
            let address = allocate(kind, bytes, pool).unwrap();
            let (_, size, found) = pool::block_around(address).unwrap();
            assert_eq!((size, found), (64 + room, u32::from_le_bytes(*tag)), "{bytes}");
            let expected = if pool == PAGED { PoolKind::Paged } else { PoolKind::NonPaged };
            assert!(pool::kind_around(address) == Some(expected));
            let mut content = vec![0; bytes];
            boundary::copy::read(address, &mut content).unwrap();
            assert!(content.iter().all(|byte| *byte == 0xC7), "it is not zeroed");
            flt_release_context(address).unwrap();
            assert_eq!(CLEANED.take(), [(address, kind)]);
        };
        for pool in [NON_PAGED, PAGED, 0x200] {
            made(FLT_STREAM_CONTEXT, 48, pool, 48, b"Strm");
            made(FLT_STREAM_CONTEXT, 49, pool, 128, b"Strm");
        }
        made(FLT_VOLUME_CONTEXT, 0xFFFF, NON_PAGED, 0xFFFF, b"Volm");
        made(FLT_VOLUME_CONTEXT, 1, 0x200, 1, b"Volm");
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        assert_eq!(allocate(FLT_STREAM_CONTEXT, 48, PAGED), Err(NtStatus::FLT_DELETING_OBJECT));
    });
    register_contexts(Vec::new());
}

#[test]
fn a_filter_may_have_its_own_memory_for_contexts() {
    // spec: CTX-08, CTX-23, CTX-25
    let own = definition(FLT_STREAM_CONTEXT, 0, 0, b"\0\0\0\0");
    own.ContextAllocateCallback.set(NativeFn(own_allocate as *const () as usize));
    own.ContextFreeCallback.set(NativeFn(own_free as *const () as usize));
    register_contexts(vec![own, end()]);
    on_stage(USUAL, |stage| {
        let block = memory(256);
        let allocate = |address| {
            OWN_ADDRESS.set(address);
            let found = flt_allocate_context(&stage.filter, FLT_STREAM_CONTEXT, 40, PAGED).unwrap();
            assert_eq!(OWN.take(), [(PAGED, 64 + 40, FLT_STREAM_CONTEXT)]);
            found
        };
        assert_eq!(allocate(0), Err(NtStatus::INSUFFICIENT_RESOURCES));
        assert_eq!(allocate(block + 8), Err(NtStatus::INSUFFICIENT_RESOURCES), "it is not aligned");
        assert_eq!(allocate(block), Ok(block + 64));
        flt_release_context(block + 64).unwrap();
        assert_eq!(
            (CLEANED.take(), OWN.take()),
            (vec![(block + 64, FLT_STREAM_CONTEXT)], vec![(u32::MAX, block, FLT_STREAM_CONTEXT)])
        );
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
    register_contexts(Vec::new());
}

#[test]
fn the_last_reference_takes_a_context_along() {
    // spec: CTX-24, CTX-38, CTX-40, CTX-43
    on_context_stage(|stage| {
        let context = allocate(stage, FLT_STREAM_CONTEXT);
        flt_reference_context(context);
        flt_release_context(context).unwrap();
        assert_eq!(cleaned(), []);
        flt_release_context(context).unwrap();
        assert_eq!(cleaned(), [context]);
        assert!(pool::block_around(context).is_none() && from_address(context).is_none());
        assert_eq!(stage.rules(), Vec::<&str>::new());
        flt_release_context(context).unwrap();
        flt_reference_context(context);
        flt_delete_context(context).unwrap();
        assert_eq!(stage.rules(), ["CTX-43"; 3]);
        for wrong in [0, 8, 64, 72, from_ref(stage) as usize] {
            assert!(from_address(wrong).is_none());
        }
        // The type code of a context where none can begin.
        let fake = memory(256) + 8;
        boundary::copy::write_value(fake, 0xF17C_0B1C_u32).unwrap();
        assert!(from_address(fake + 64).is_none());
        let other = allocate(stage, FLT_STREAM_CONTEXT);
        assert!(from_address(other + 16).is_none() && from_address(other + 8).is_none());
        let live = from_address(other).unwrap();
        assert_eq!((live.address(), live.kind()), (other, FLT_STREAM_CONTEXT));
        assert!(std::ptr::eq(live.filter(), Arc::as_ptr(&stage.filter)));
        flt_release_context(other).unwrap();
    });
}

#[test]
fn a_context_that_is_released_at_dispatch_level_goes_below_it() {
    // spec: CTX-41, CTX-42
    let definition = definition(FLT_STREAM_CONTEXT, FLT_VARIABLE_SIZED_CONTEXTS, 0, b"Cctx");
    definition.ContextCleanupCallback.set(NativeFn(cleanup_elsewhere as *const () as usize));
    register_contexts(vec![definition, end()]);
    on_stage(USUAL, |stage| {
        for (pool, rules) in [(NON_PAGED, 0), (PAGED, 1)] {
            let context = flt_allocate_context(&stage.filter, FLT_STREAM_CONTEXT, 8, pool).unwrap().unwrap();
            let old = nt_ke::irql::raise(DISPATCH_LEVEL);
            flt_release_context(context).unwrap();
            nt_ke::irql::lower(old);
            while CLEANED_ELSEWHERE.load(Ordering::SeqCst) != context {
                stage.core.scheduler().pause();
            }
            CLEANED_ELSEWHERE.store(0, Ordering::SeqCst);
            assert_eq!(stage.rules(), ["CTX-42"; 1][..rules], "paged pool is not there");
        }
        assert!(stage.core.findings()[0].message.contains("a stream context in paged pool"));
        let context = flt_allocate_context(&stage.filter, FLT_STREAM_CONTEXT, 8, PAGED).unwrap().unwrap();
        flt_release_context(context).unwrap();
        assert_eq!(stage.rules().len(), 1);
    });
    register_contexts(Vec::new());
}

#[test]
fn contexts_that_are_left_are_named_when_their_filter_goes() {
    // spec: CTX-59
    on_context_stage(|stage| {
        let left: Vec<usize> = KINDS.iter().map(|(kind, _)| allocate(stage, *kind)).collect();
        flt_reference_context(left[3]);
        flt_release_context(allocate(stage, FLT_STREAM_CONTEXT)).unwrap();
        cleaned();
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        let findings = stage.core.findings();
        assert_eq!(findings.len(), KINDS.len(), "{findings:?}");
        for ((address, (kind, name)), place) in left.iter().zip(KINDS).zip(0..) {
            let references = if kind == FLT_STREAM_CONTEXT { 2 } else { 1 };
            let expected = format!("{name} of 24 bytes ({address:#x}) still has {references} reference(s)");
            assert!(
                findings.iter().any(|finding| finding.message.starts_with(&expected)),
                "{place}: {findings:?}"
            );
        }
        assert!(
            findings.iter().all(|finding| (finding.rule, finding.driver.as_str()) == ("CTX-59", "asker"))
        );
        flt_release_context(left[0]).unwrap();
        assert_eq!(cleaned(), [], "the filter's code is gone");
        assert!(pool::block_around(left[0]).is_none(), "its memory is not kept");
    });
}

type Set = fn(&Stage, &fltmgr::Instance, u32, usize, bool) -> (NtStatus, usize);
type Get = fn(&Stage, &fltmgr::Instance) -> Result<usize, NtStatus>;
type Delete = fn(&Stage, &fltmgr::Instance, bool) -> (NtStatus, usize);

/// How contexts are set, got and deleted, by kind.
const ROUTINES: [(u16, Set, Get, Delete); 6] = [
    (
        FLT_VOLUME_CONTEXT,
        |stage, _, how, new, wanted| {
            flt_set_volume_context(&stage.instance.volume, how, new, wanted).unwrap()
        },
        |_, instance| flt_get_volume_context(&instance.filter, &instance.volume),
        |_, instance, wanted| flt_delete_volume_context(&instance.filter, &instance.volume, wanted).unwrap(),
    ),
    (
        FLT_INSTANCE_CONTEXT,
        |_, instance, how, new, wanted| flt_set_instance_context(instance, how, new, wanted).unwrap(),
        |_, instance| flt_get_instance_context(instance),
        |_, instance, wanted| flt_delete_instance_context(instance, wanted).unwrap(),
    ),
    (
        FLT_FILE_CONTEXT,
        |stage, instance, how, new, wanted| {
            flt_set_context(Target::File, instance, stage.file, how, new, wanted).unwrap()
        },
        |stage, instance| flt_get_context(Target::File, instance, stage.file),
        |stage, instance, wanted| flt_delete_context_of(Target::File, instance, stage.file, wanted).unwrap(),
    ),
    (
        FLT_STREAM_CONTEXT,
        |stage, instance, how, new, wanted| {
            flt_set_context(Target::Stream, instance, stage.file, how, new, wanted).unwrap()
        },
        |stage, instance| flt_get_context(Target::Stream, instance, stage.file),
        |stage, instance, wanted| {
            flt_delete_context_of(Target::Stream, instance, stage.file, wanted).unwrap()
        },
    ),
    (
        FLT_STREAMHANDLE_CONTEXT,
        |stage, instance, how, new, wanted| {
            flt_set_context(Target::Handle, instance, stage.file, how, new, wanted).unwrap()
        },
        |stage, instance| flt_get_context(Target::Handle, instance, stage.file),
        |stage, instance, wanted| {
            flt_delete_context_of(Target::Handle, instance, stage.file, wanted).unwrap()
        },
    ),
    (
        FLT_TRANSACTION_CONTEXT,
        |_, instance, how, new, wanted| {
            flt_set_transaction_context(instance, TRANSACTION.get(), how, new, wanted).unwrap()
        },
        |_, instance| flt_get_transaction_context(instance, TRANSACTION.get()),
        |_, instance, wanted| flt_delete_transaction_context(instance, TRANSACTION.get(), wanted).unwrap(),
    ),
];

thread_local! {
    static TRANSACTION: Cell<usize> = const { Cell::new(0) };
}

/// The context that is linked, without the reference.
fn linked(stage: &Stage, get: Get, instance: &fltmgr::Instance) -> Result<usize, NtStatus> {
    let found = get(stage, instance)?;
    flt_release_context(found).unwrap();
    Ok(found)
}

#[test]
fn each_object_has_one_context_for_each_instance() {
    // spec: CTX-26, CTX-27, CTX-28, CTX-29, CTX-30, CTX-32, CTX-34, CTX-38, CTX-47, CTX-48, CTX-58
    for (kind, set, get, delete) in ROUTINES {
        on_context_stage(|stage| {
            TRANSACTION.set(nt_tm::tm_create_transaction().unwrap().object());
            let (own, other) = (&*stage.instance, &*watcher(stage));
            assert_eq!(get(stage, own), Err(NtStatus::NOT_FOUND), "{kind:#x}");
            assert_eq!(delete(stage, own, true), (NtStatus::NOT_FOUND, 0));
            let contexts: Vec<usize> = (0..3).map(|_| allocate(stage, kind)).collect();
            let [first, second, third] = contexts[..] else { panic!("three contexts were made") };
            assert_eq!(set(stage, own, 2, first, true), (NtStatus::INVALID_PARAMETER, 0));
            assert_eq!(set(stage, own, KEEP, first, true), (NtStatus::SUCCESS, 0));
            assert_eq!(linked(stage, get, own), Ok(first));
            assert_eq!(get(stage, other), Err(NtStatus::NOT_FOUND), "another filter's is another one");
            assert_eq!(set(stage, own, KEEP, first, true), (NtStatus::FLT_CONTEXT_ALREADY_LINKED, 0));
            assert_eq!(set(stage, own, REPLACE, first, true), (NtStatus::FLT_CONTEXT_ALREADY_LINKED, 0));
            assert_eq!(set(stage, own, KEEP, second, false), (NtStatus::FLT_CONTEXT_ALREADY_DEFINED, 0));
            assert_eq!(set(stage, own, KEEP, second, true), (NtStatus::FLT_CONTEXT_ALREADY_DEFINED, first));
            // References of `first`: from the allocation, of the link, of the answer.
            (0..2).for_each(|_| flt_release_context(first).unwrap());
            assert_eq!(cleaned(), []);
            assert_eq!(set(stage, own, REPLACE, second, false), (NtStatus::SUCCESS, 0));
            assert_eq!((cleaned(), linked(stage, get, own)), (vec![first], Ok(second)), "nobody wanted it");
            assert_eq!(set(stage, own, REPLACE, third, true), (NtStatus::SUCCESS, second));
            assert_eq!((cleaned(), linked(stage, get, own)), (vec![], Ok(third)));
            (0..2).for_each(|_| flt_release_context(second).unwrap());
            assert_eq!(cleaned(), [second]);
            assert_eq!(delete(stage, own, true), (NtStatus::SUCCESS, third));
            assert_eq!(get(stage, own), Err(NtStatus::NOT_FOUND));
            flt_release_context(third).unwrap();
            assert_eq!(set(stage, own, KEEP, third, false), (NtStatus::SUCCESS, 0), "it may be linked again");
            flt_release_context(third).unwrap();
            assert_eq!((cleaned(), delete(stage, own, false)), (vec![], (NtStatus::SUCCESS, 0)));
            assert_eq!(cleaned(), [third], "the link's was the last one");
            let fourth = allocate(stage, kind);
            set(stage, own, KEEP, fourth, false);
            flt_delete_context(fourth).unwrap();
            assert_eq!((get(stage, own), cleaned()), (Err(NtStatus::NOT_FOUND), vec![]));
            flt_delete_context(fourth).unwrap();
            flt_release_context(fourth).unwrap();
            assert_eq!((cleaned(), stage.rules()), (vec![fourth], vec![]));
        });
    }
}

#[test]
fn a_context_of_another_kind_or_filter_is_refused() {
    // spec: CTX-32, CTX-43
    for (kind, set, get, _) in ROUTINES {
        on_context_stage(|stage| {
            TRANSACTION.set(nt_tm::tm_create_transaction().unwrap().object());
            let own = &*stage.instance;
            for (other, _) in KINDS.iter().filter(|(other, _)| *other != kind) {
                let context = allocate(stage, *other);
                assert_eq!(
                    set(stage, own, KEEP, context, true),
                    (NtStatus::INVALID_PARAMETER, 0),
                    "{kind:#x} {other:#x}"
                );
                flt_release_context(context).unwrap();
            }
            let theirs = allocate(stage, kind);
            if kind != FLT_VOLUME_CONTEXT {
                let refused = set(stage, &watcher(stage), KEEP, theirs, true);
                assert_eq!(refused, (NtStatus::INVALID_PARAMETER, 0), "{kind:#x}");
            }
            flt_release_context(theirs).unwrap();
            assert_eq!((get(stage, own), stage.rules()), (Err(NtStatus::NOT_FOUND), vec![]));
            assert_eq!(set(stage, own, KEEP, theirs, true), (NtStatus::INVALID_PARAMETER, 0));
            assert_eq!(stage.rules(), ["CTX-43"], "it is none any more");
        });
    }
}

#[test]
fn an_instance_that_goes_takes_its_contexts_off_everything() {
    // spec: CTX-49
    on_context_stage(|stage| {
        TRANSACTION.set(nt_tm::tm_create_transaction().unwrap().object());
        let other = watcher(stage);
        let theirs = flt_allocate_context(&other.filter, FLT_STREAM_CONTEXT, 8, NON_PAGED).unwrap().unwrap();
        flt_set_context(Target::Stream, &other, stage.file, KEEP, theirs, false).unwrap();
        let mut contexts = Vec::new();
        for (kind, set, ..) in ROUTINES {
            let context = allocate(stage, kind);
            assert_eq!(set(stage, &stage.instance, KEEP, context, false), (NtStatus::SUCCESS, 0));
            flt_release_context(context).unwrap();
            contexts.push(context);
        }
        assert_eq!(cleaned(), []);
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        let mut gone = cleaned();
        gone.sort_unstable();
        contexts.sort_unstable();
        assert_eq!((gone, stage.rules()), (contexts, vec![]));
        let found = flt_get_context(Target::Stream, &other, stage.file);
        assert_eq!(found, Ok(theirs), "another filter's stay");
        flt_release_context(theirs).unwrap();
        flt_release_context(theirs).unwrap();
        for (_, _, get, _) in ROUTINES {
            assert_eq!(get(stage, &stage.instance), Err(NtStatus::NOT_FOUND));
        }
    });
}

extern "win64" fn may_go(_: usize, _: u32) -> i32 {
    0
}

#[test]
fn an_instance_that_has_gone_gets_no_contexts() {
    // spec: CTX-33
    register_contexts(all_kinds());
    on_stage(USUAL, |stage| {
        TRANSACTION.set(nt_tm::tm_create_transaction().unwrap().object());
        register_more(|registration| {
            registration.InstanceQueryTeardownCallback.set(NativeFn(may_go as *const () as usize));
        });
        let filter = filter("third", "300", 0, 0);
        let instance = fltmgr::flt().instances_of(&filter).remove(0);
        let loose = flt_allocate_context(&filter, FLT_STREAM_CONTEXT, 8, NON_PAGED).unwrap().unwrap();
        assert_eq!(fltmgr::flt_detach_volume(&filter, &instance.volume, None), Ok(NtStatus::SUCCESS));
        assert_eq!(cleaned(), [], "what hangs on nothing stays");
        flt_release_context(loose).unwrap();
        assert_eq!(cleaned(), [loose]);
        for (kind, set, get, _) in ROUTINES {
            let context = flt_allocate_context(&filter, kind, 8, NON_PAGED).unwrap().unwrap();
            let expected = if kind == FLT_VOLUME_CONTEXT {
                // The volume is there, and the filter.
                NtStatus::SUCCESS
            } else {
                NtStatus::FLT_DELETING_OBJECT
            };
            assert_eq!(set(stage, &instance, KEEP, context, true), (expected, 0), "{kind:#x}");
            if kind != FLT_VOLUME_CONTEXT {
                assert_eq!(get(stage, &instance), Err(NtStatus::NOT_FOUND));
            }
            flt_release_context(context).unwrap();
        }
        fltmgr::flt_unregister_filter(&filter).unwrap();
        assert_eq!((cleaned().len(), stage.rules()), (6, vec![]));
    });
    register_contexts(Vec::new());
}

#[test]
fn contexts_go_with_their_handle_or_stream() {
    // spec: CTX-49
    on_context_stage(|stage| {
        let (file, handle) = stage.open(r"\??\C:\f", FILE_SYNCHRONOUS_IO_NONALERT);
        let set = |target, file, kind| {
            let context = allocate(stage, kind);
            let done = flt_set_context(target, &stage.instance, file, KEEP, context, false).unwrap();
            flt_release_context(context).unwrap();
            (done.0 == NtStatus::SUCCESS).then_some(context)
        };
        let of_handle = set(Target::Handle, file, FLT_STREAMHANDLE_CONTEXT).unwrap();
        let of_stream = set(Target::Stream, file, FLT_STREAM_CONTEXT).unwrap();
        let of_file = set(Target::File, file, FLT_FILE_CONTEXT).unwrap();
        let get = |target, file| {
            let found = flt_get_context(target, &stage.instance, file)?;
            flt_release_context(found).unwrap();
            Ok(found)
        };
        assert_eq!(get(Target::Stream, stage.file), Ok(of_stream), "both handles are of one stream");
        assert_eq!(get(Target::File, stage.file), Ok(of_file));
        assert_eq!(get(Target::Handle, stage.file), Err(NtStatus::NOT_FOUND));
        assert_eq!(get(Target::Handle, file), Ok(of_handle));
        nt_io::nt_close(handle).unwrap();
        assert_eq!(cleaned(), [of_handle]);
        let (elsewhere, _) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(get(Target::Stream, elsewhere), Err(NtStatus::NOT_FOUND));
        assert_eq!(get(Target::File, elsewhere), Err(NtStatus::NOT_FOUND));
        assert!(set(Target::Handle, elsewhere, FLT_STREAMHANDLE_CONTEXT).is_some());
        // SAFETY: the stream's header.
        let header = unsafe { &*stage.file.FsContext.get().cast::<FSRTL_ADVANCED_FCB_HEADER>() };
        nt_fsrtl::teardown_per_stream_contexts(header).unwrap();
        let mut gone = cleaned();
        gone.sort_unstable();
        let mut expected = vec![of_stream, of_file];
        expected.sort_unstable();
        assert_eq!(gone, expected);
        assert_eq!(get(Target::Stream, stage.file), Err(NtStatus::NOT_FOUND));
        let again = set(Target::Stream, stage.file, FLT_STREAM_CONTEXT);
        assert_eq!(get(Target::Stream, stage.file).ok(), again, "its place is used again");
        assert_eq!(get(Target::Stream, elsewhere), Err(NtStatus::NOT_FOUND), "for one stream only");
        assert_eq!(stage.rules(), Vec::<&str>::new());
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
    });
}

#[test]
fn a_file_context_is_the_files_where_the_file_system_has_a_place_for_it() {
    // spec: CTX-55, CTX-57
    on_context_stage(|stage| {
        let (other, _) = stage.open(r"\??\C:\f:s", FILE_SYNCHRONOUS_IO_NONALERT);
        let pointer: &'static nt_fsrtl::FilePointer = Box::leak(Box::default());
        let header = |file: &FILE_OBJECT| {
            // SAFETY: the stream's header.
            unsafe { &*file.FsContext.get().cast::<FSRTL_ADVANCED_FCB_HEADER>() }
        };
        assert!(flt_supports_stream_contexts(stage.file));
        assert!(!flt_supports_file_contexts(stage.file, false));
        assert!(flt_supports_file_contexts(stage.file, true), "the manager's in their place");
        for file in [stage.file, other] {
            header(file).FileContextSupportPointer.set(from_ref(pointer).cast_mut().cast());
        }
        assert!(flt_supports_file_contexts(stage.file, false));
        assert_eq!(flt_get_context(Target::File, &stage.instance, other), Err(NtStatus::NOT_FOUND));
        let context = allocate(stage, FLT_FILE_CONTEXT);
        let set = |context| {
            flt_set_context(Target::File, &stage.instance, stage.file, KEEP, context, false).unwrap().0
        };
        assert_eq!(set(context), NtStatus::SUCCESS);
        assert_eq!(flt_get_context(Target::File, &stage.instance, other), Ok(context), "of both streams");
        let second = allocate(stage, FLT_FILE_CONTEXT);
        assert_eq!(set(second), NtStatus::FLT_CONTEXT_ALREADY_DEFINED);
        (0..2).for_each(|_| flt_release_context(context).unwrap());
        flt_release_context(second).unwrap();
        assert_eq!(cleaned(), [second]);
        nt_fsrtl::teardown_per_file_contexts(pointer).unwrap();
        assert_eq!(cleaned(), [context]);
        assert_eq!(flt_get_context(Target::File, &stage.instance, other), Err(NtStatus::NOT_FOUND));
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_file_that_is_not_open_or_not_supported_has_no_contexts() {
    // spec: CTX-36, CTX-37, CTX-56
    on_context_stage(|stage| {
        let targets = [
            (Target::File, FLT_FILE_CONTEXT, "FltSetFileContext"),
            (Target::Stream, FLT_STREAM_CONTEXT, "FltSetStreamContext"),
            (Target::Handle, FLT_STREAMHANDLE_CONTEXT, "FltSetStreamHandleContext"),
        ];
        let try_all = || {
            assert!(!flt_supports_stream_contexts(stage.file));
            assert!(!flt_supports_file_contexts(stage.file, true));
            for (target, kind, _) in targets {
                let context = allocate(stage, kind);
                let not = NtStatus::NOT_SUPPORTED;
                let set = flt_set_context(target, &stage.instance, stage.file, KEEP, context, true);
                assert_eq!(set, Ok((not, 0)));
                assert_eq!(flt_get_context(target, &stage.instance, stage.file), Err(not));
                assert_eq!(flt_delete_context_of(target, &stage.instance, stage.file, true), Ok((not, 0)));
                flt_release_context(context).unwrap();
            }
        };
        // SAFETY: the stream's header.
        let header = unsafe { &*stage.file.FsContext.get().cast::<FSRTL_ADVANCED_FCB_HEADER>() };
        header.Flags2.set(header.Flags2.get() | FSRTL_FLAG2_IS_PAGING_FILE);
        try_all();
        header
            .Flags2
            .set(header.Flags2.get() & !FSRTL_FLAG2_IS_PAGING_FILE & !FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS);
        try_all();
        header.Flags2.set(header.Flags2.get() | FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS);
        let context = stage.file.FsContext.replace(std::ptr::null_mut());
        stage.file.Flags.fetch_or(FO_CLEANUP_COMPLETE, Ordering::Relaxed);
        try_all();
        assert_eq!(stage.rules(), Vec::<&str>::new(), "it was open");
        stage.file.Flags.fetch_and(!FO_CLEANUP_COMPLETE, Ordering::Relaxed);
        try_all();
        stage.file.FsContext.set(context);
        assert_eq!(stage.rules(), ["CTX-37"; 3]);
        for (finding, (_, _, setter)) in stage.core.findings().iter().zip(targets) {
            assert!(finding.message.starts_with(&format!("{setter} was called")), "{finding:?}");
        }
    });
}

fn scan(stage: &Stage, context: usize, how: (u32, u32), described: Described, made: NtStatus) -> NtStatus {
    let describe = || Ok(described);
    flt_create_section_for_data_scan(&stage.instance, stage.file, context, how, describe, || Ok(made))
        .unwrap()
}

#[test]
fn a_section_for_a_scan_has_a_context_while_it_is_open() {
    // spec: SEC-01, SEC-02, SEC-03, SEC-04, SEC-06, CTX-46, CTX-58
    const COMMIT: u32 = 0x0800_0000;
    const GOOD: (u32, u32) = (2, COMMIT);
    on_context_stage(|stage| {
        let new = || allocate(stage, FLT_SECTION_CONTEXT);
        let (ok, file) = (NtStatus::SUCCESS, Ok((10, false)));
        let context = new();
        assert_eq!(scan(stage, context, GOOD, file, ok), NtStatus::NOT_SUPPORTED);
        assert_eq!(stage.rules(), ["SEC-01"], "it was not announced");
        assert_eq!(flt_register_for_data_scan(&stage.instance), ok);
        for protection in [0, 1, 3, 8, 0x20] {
            assert_eq!(scan(stage, context, (protection, COMMIT), file, ok), NtStatus::INVALID_PARAMETER_8);
        }
        assert_eq!(scan(stage, context, (2, 0x0100_0000), file, ok), NtStatus::INVALID_PARAMETER_9);
        assert_eq!(scan(stage, context, GOOD, Ok((10, true)), ok), NtStatus::FILE_IS_A_DIRECTORY);
        assert_eq!(scan(stage, context, GOOD, Ok((0, false)), ok), NtStatus::END_OF_FILE);
        assert_eq!(scan(stage, context, GOOD, Err(NtStatus::DISK_FULL), ok), NtStatus::DISK_FULL);
        assert_eq!(scan(stage, context, GOOD, file, NtStatus::ACCESS_DENIED), NtStatus::ACCESS_DENIED);
        assert_eq!(flt_get_section_context(&stage.instance, stage.file), Err(NtStatus::NOT_FOUND));
        assert_eq!(
            flt_close_section_for_data_scan(context),
            Ok(NtStatus::INVALID_PARAMETER),
            "none was made"
        );
        assert_eq!(scan(stage, context, (4, COMMIT | 1), file, ok), ok, "it may be tried again");
        assert_eq!(flt_get_section_context(&stage.instance, stage.file), Ok(context));
        flt_release_context(context).unwrap();
        assert_eq!(scan(stage, context, GOOD, file, ok), NtStatus::INVALID_PARAMETER, "it is used");
        let second = new();
        assert_eq!(scan(stage, second, GOOD, file, ok), NtStatus::FLT_CONTEXT_ALREADY_DEFINED);
        assert_eq!(stage.rules().len(), 1);
        flt_delete_context(context).unwrap();
        assert_eq!(stage.rules(), ["SEC-01", "CTX-46"]);
        assert_eq!(flt_close_section_for_data_scan(context), Ok(ok));
        assert_eq!(flt_close_section_for_data_scan(context), Ok(NtStatus::NOT_FOUND));
        assert_eq!(flt_get_section_context(&stage.instance, stage.file), Err(NtStatus::NOT_FOUND));
        assert_eq!(scan(stage, context, GOOD, file, ok), NtStatus::INVALID_PARAMETER, "it was used");
        let stream = allocate(stage, FLT_STREAM_CONTEXT);
        assert_eq!(scan(stage, stream, GOOD, file, ok), NtStatus::INVALID_PARAMETER);
        assert_eq!(flt_close_section_for_data_scan(stream), Ok(NtStatus::INVALID_PARAMETER));
        for context in [context, second, stream] {
            flt_release_context(context).unwrap();
        }
        assert_eq!(cleaned(), [context, second, stream]);
        assert_eq!(stage.rules().len(), 2);
    });
}

#[test]
fn a_transaction_context_goes_with_its_transaction() {
    // spec: TXN-01, TXN-06, CTX-49
    on_context_stage(|stage| {
        let transaction = nt_tm::tm_create_transaction().unwrap();
        let object = transaction.object();
        let context = allocate(stage, FLT_TRANSACTION_CONTEXT);
        let enlist = |mask| flt_enlist_in_transaction(&stage.instance, object, context, mask).unwrap();
        assert_eq!(enlist(1), NtStatus::INVALID_PARAMETER, "the filter has no callback for it");
        let set = flt_set_transaction_context(&stage.instance, object + 16, KEEP, context, false);
        assert!(set.is_err() || set.is_ok_and(|(status, _)| status == NtStatus::INVALID_PARAMETER));
        let set = flt_set_transaction_context(&stage.instance, object, KEEP, context, false);
        assert_eq!(set, Ok((NtStatus::SUCCESS, 0)));
        flt_release_context(context).unwrap();
        assert_eq!(
            flt_rollback_enlistment(&stage.instance, object),
            Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID)
        );
        assert_eq!(cleaned(), []);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!(cleaned(), [context], "it goes with the transaction");
        assert_eq!(flt_rollback_enlistment(&stage.instance, object), Ok(NtStatus::NOT_FOUND));
        let late = allocate(stage, FLT_TRANSACTION_CONTEXT);
        let refused = flt_set_transaction_context(&stage.instance, object, KEEP, late, true);
        assert_eq!(refused, Ok((NtStatus::TRANSACTION_NOT_ACTIVE, 0)));
        flt_release_context(late).unwrap();
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_may_free_what_the_manager_allocated() {
    // spec: CTX-08, CTX-24, CTX-25
    let own = definition(FLT_STREAM_CONTEXT, 0, 0, b"\0\0\0\0");
    own.ContextCleanupCallback.set(NativeFn(0));
    own.ContextFreeCallback.set(NativeFn(own_free as *const () as usize));
    register_contexts(vec![own, end()]);
    on_stage(USUAL, |stage| {
        let allocate =
            || flt_allocate_context(&stage.filter, FLT_STREAM_CONTEXT, 40, PAGED).unwrap().unwrap();
        let context = allocate();
        let (start, size, tag) = pool::block_around(context).unwrap();
        assert_eq!((start, size, tag), (context - 64, 64 + 40, u32::from_le_bytes(*b"FMct")));
        flt_release_context(context).unwrap();
        assert_eq!(OWN.take(), [(u32::MAX, start, FLT_STREAM_CONTEXT)]);
        assert!(pool::block_around(context).is_some() && from_address(context).is_none());
        let left = allocate();
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        assert_eq!(stage.rules(), ["CTX-59"]);
        flt_release_context(left).unwrap();
        assert_eq!(OWN.take(), [], "the filter's code is gone");
    });
    register_contexts(Vec::new());
}

#[test]
fn a_stopped_machine_leaves_no_filter_whose_contexts_are_left() {
    let mut weak = None;
    on_context_stage(|stage| {
        allocate(stage, FLT_STREAM_CONTEXT);
        let context = allocate(stage, FLT_INSTANCE_CONTEXT);
        flt_set_instance_context(&stage.instance, KEEP, context, false).unwrap();
        weak = Some((Arc::downgrade(&stage.filter), Arc::downgrade(&stage.instance)));
    });
    let (filter, instance) = weak.expect("it ran");
    assert_eq!((filter.strong_count(), instance.strong_count()), (0, 0));
}

#[test]
fn a_stream_that_has_contexts_is_still_asked_whether_it_is_a_directory() {
    // spec: OBJ-23
    on_context_stage(|stage| {
        let context = allocate(stage, FLT_STREAM_CONTEXT);
        flt_set_context(Target::Stream, &stage.instance, stage.file, KEEP, context, false).unwrap();
        flt_release_context(context).unwrap();
        answer(|_, found| {
            boundary::copy::write_value(found.system + 21, 1u8).unwrap();
            Some((NtStatus::SUCCESS, 24))
        });
        let is_it = || fltmgr::directory::flt_is_directory(stage.file, &stage.instance).unwrap();
        assert_eq!((is_it(), is_it(), seen().len()), (Ok(true), Ok(true), 1));
        answer_as_usual();
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
    });
}

thread_local! {
    /// Instance, context, kind of operation, class, length and file that a scanner was told of.
    static TOLD: RefCell<Vec<(usize, usize, u32, u8, u32, u32, usize)>> = const { RefCell::new(Vec::new()) };
}

extern "win64" fn conflicts(instance: usize, context: usize, data: &FLT_CALLBACK_DATA) -> i32 {
    let block = iopb(data);
    assert_eq!(block.TargetInstance.get() as usize, instance);
    assert_eq!(data.Thread.get() as usize, from_ref(nt_ke::current_thread()) as usize);
    let set = block.Parameters.SetFileInformation();
    let (flags, major) = (data.Flags.get(), block.MajorFunction.get());
    let (class, length) = (set.FileInformationClass.get(), set.Length.get());
    let file = block.TargetFileObject.get() as usize;
    TOLD.with_borrow_mut(|told| told.push((instance, context, flags, major, class, length, file)));
    assert!(flt_close_section_for_data_scan(context).is_ok());
    0
}

#[test]
fn a_scanner_is_told_of_what_its_section_is_in_the_way_of() {
    // spec: SEC-05
    register_contexts(all_kinds());
    on_stage(USUAL, |stage| {
        register_more(|registration| {
            registration.SectionNotificationCallback.set(NativeFn(conflicts as *const () as usize));
        });
        let scanner = filter("scanner", "300", 0, 0);
        let instance = fltmgr::flt().instances_of(&scanner).remove(0);
        flt_register_for_data_scan(&instance);
        let buffer = memory(64);
        let set = |class| {
            let context = flt_allocate_context(&scanner, FLT_SECTION_CONTEXT, 8, NON_PAGED).unwrap().unwrap();
            let (how, described) = ((2, 0x0800_0000), || Ok(Ok((10, false))));
            let made =
                flt_create_section_for_data_scan(&instance, stage.file, context, how, described, || {
                    Ok(NtStatus::SUCCESS)
                });
            assert_eq!(made, Ok(NtStatus::SUCCESS));
            fltmgr::generated::flt_set_information_file(&stage.instance, stage.file, buffer, 8, class)
                .unwrap();
            let told = TOLD.take();
            if told.is_empty() {
                assert_eq!(flt_close_section_for_data_scan(context), Ok(NtStatus::SUCCESS));
            }
            flt_release_context(context).unwrap();
            assert_eq!(cleaned(), [context], "nobody holds it");
            (context, told)
        };
        let class_of_end = file_information_class::FileEndOfFileInformation;
        for class in [class_of_end, file_information_class::FileAllocationInformation] {
            let (context, told) = set(class);
            let kind = FLTFL_CALLBACK_DATA_IRP_OPERATION;
            let file = from_ref(stage.file) as usize;
            assert_eq!(told.len(), 1);
            assert_eq!(told[0], (told[0].0, context, kind, IRP_MJ_SET_INFORMATION, class, 8, file));
            let of = fltmgr::from_address::<fltmgr::Instance>(told[0].0).unwrap();
            assert!(Arc::ptr_eq(&of, &instance));
        }
        for class in
            [file_information_class::FileBasicInformation, file_information_class::FilePositionInformation]
        {
            assert_eq!(set(class).1, [], "it cuts nothing");
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
    register_contexts(Vec::new());
}
