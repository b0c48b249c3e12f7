//! Processes and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nt_abi::{NtStatus, OBJ_KERNEL_HANDLE};
use nt_ke::core::Config;
use nt_ke::dispatcher::wait;
use nt_ke::{Core, current_thread};
use nt_ob::{
    Ob, ob_create_event, ob_open_handles, ob_pointer_count, ob_reference_by_handle, ob_waitable, units,
};
use nt_ps::*;
use nt_se::Se;

fn boot(core: &Arc<Core>) -> usize {
    core.install(Box::new(nt_mm::Mm::new(core).expect("pages")));
    core.install(Box::new(nt_ex::Ex::new(core)));
    Ob::boot(core).expect("no raise").expect("boots");
    Se::boot(core).expect("no raise").expect("boots");
    Ps::boot(core).expect("no raise").expect("boots")
}

fn run<R>(f: impl FnOnce(&Arc<Core>, usize) -> R) -> R {
    let core: Arc<Core> = Core::new(Config::default()).expect("a slot is free");
    let result = core.attach(0, || f(&core, boot(&core))).expect("a thread");
    core.stop();
    result
}

fn stress() -> nt_ob::ObjectRef {
    ps_create_process(&ProcessParameters::new(r"\Device\HarddiskVolume1\tools\stress.exe")).unwrap().unwrap()
}

mod first_thread {
    use super::*;

    #[test]
    fn the_first_thread_becomes_one_of_the_system_process() {
        run(|_, system| {
            assert_eq!(ps_current_process(), system);
            assert_eq!(ps_current_process_id(), 4);
            assert!(ps_is_system_thread(current_thread()));
            assert_eq!(ps_current_thread_id(), 8);
            let itself = ob_reference_by_handle(usize::MAX - 1, 0, Some(ps_thread_type()), 0).unwrap();
            assert_eq!(itself.object.address(), std::ptr::from_ref(current_thread()) as usize);
            let process = ob_reference_by_handle(usize::MAX, 0, None, 0).unwrap();
            assert_eq!(process.object.address(), system);
        });
    }
}

mod processes {
    use super::*;

    #[test]
    fn ids_are_multiples_of_four_and_found_again_until_exit() {
        run(|_, _| {
            let process = stress();
            let body = ps_process(process.address()).unwrap();
            assert_eq!(body.id() % 4, 0);
            assert_eq!(body.parent_id(), 4);
            assert_eq!(ps_lookup_process(body.id()).unwrap().address(), process.address());
            assert_eq!(ps_process_ids(), [4, body.id()]);
            ps_exit_process(process.address(), NtStatus::SUCCESS).unwrap();
            assert_eq!(ps_lookup_process(body.id()).err(), Some(NtStatus::INVALID_CID));
            assert_eq!(body.exit_status(), NtStatus::SUCCESS);
            assert_eq!(ob_pointer_count(process.address()), Ok(1));
        });
    }

    #[test]
    fn the_file_name_is_cut_to_fifteen_bytes() {
        run(|_, _| {
            let process =
                ps_create_process(&ProcessParameters::new(r"\a\rather-long-name.exe")).unwrap().unwrap();
            let body = ps_process(process.address()).unwrap();
            let mut bytes = [0xFFu8; 16];
            boundary::copy::read(ps_process_image_file_name(body), &mut bytes).unwrap();
            assert_eq!(&bytes, b"rather-long-nam\0");
            assert_eq!(ps_process_image_path(body), units(r"\a\rather-long-name.exe"));
        });
    }

    #[test]
    fn exit_closes_the_handles_and_wakes_waiters() {
        run(|_, _| {
            let process = stress();
            let before = ps_attach_process(process.address());
            ob_create_event(&Default::default(), 0x1F_0003, false, false).unwrap().unwrap();
            ps_detach_process(before);
            assert_eq!(ob_open_handles(process.address()).len(), 1);
            assert_eq!(wait(ob_waitable(&process).unwrap(), false, Some(0)), Ok(NtStatus::TIMEOUT));
            ps_exit_process(process.address(), NtStatus::SUCCESS).unwrap();
            assert_eq!(ob_open_handles(process.address()).len(), 0);
            assert_eq!(wait(ob_waitable(&process).unwrap(), false, Some(0)), Ok(NtStatus::SUCCESS));
        });
    }

    #[test]
    fn attaching_changes_the_context_but_not_the_identity() {
        run(|_, system| {
            let process = stress();
            let before = ps_attach_process(process.address());
            assert_eq!(ps_current_process(), process.address());
            assert_eq!(ps_current_process_id(), 4);
            ps_detach_process(before);
            assert_eq!(ps_current_process(), system);
        });
    }

    #[test]
    fn each_has_a_token_of_its_own() {
        run(|_, system| {
            let process = stress();
            let own = nt_se::se_primary_token(process.address()).unwrap();
            let systems = nt_se::se_primary_token(system).unwrap();
            assert_ne!(own.address(), systems.address());
            assert_eq!(nt_se::se_token_description(own.address()).unwrap().session, 1);
        });
    }
}

mod threads {
    use super::*;

    #[test]
    fn a_host_thread_is_an_object_of_its_process_while_attached() {
        let core: Arc<Core> = Core::new(Config::default()).expect("a slot is free");
        let (address, references) = core
            .attach(0, || {
                boot(&core);
                let process = stress().into_raw();
                (process, ob_pointer_count(process).unwrap())
            })
            .unwrap();
        core.attach(address, || {
            assert_eq!(ps_current_process(), address);
            assert!(!ps_is_system_thread(current_thread()));
            assert_eq!(ps_thread_process_id(current_thread()), Ok(ps_current_process_id()));
            let found = ps_lookup_thread(ps_current_thread_id()).unwrap();
            assert_eq!(found.address(), std::ptr::from_ref(current_thread()) as usize);
            assert_eq!(ob_pointer_count(address), Ok(references + 1));
        })
        .unwrap();
        let system = core.get::<Ps>().system_process();
        core.attach(system, || assert_eq!(ob_pointer_count(address), Ok(references))).unwrap();
        core.stop();
    }

    #[test]
    fn a_system_thread_can_be_waited_for_and_outlives_its_end_by_references() {
        static RAN: AtomicUsize = AtomicUsize::new(0);
        run(|_, system| {
            let thread = ps_spawn_system_thread("worker", move || {
                assert_eq!(ps_current_process(), system);
                RAN.store(ps_current_thread_id(), Ordering::Relaxed);
                Ok(())
            })
            .unwrap()
            .unwrap();
            assert_eq!(wait(ob_waitable(&thread).unwrap(), false, None), Ok(NtStatus::SUCCESS));
            let id = RAN.load(Ordering::Relaxed);
            assert_ne!(id, 0);
            assert_eq!(ps_lookup_thread(id).err(), Some(NtStatus::INVALID_CID));
            assert_eq!(ob_pointer_count(thread.address()), Ok(1));
        });
    }

    #[test]
    fn terminating_ends_a_system_thread_with_its_status() {
        run(|_, _| {
            let thread = ps_spawn_system_thread("ends", || {
                ps_terminate_system_thread(NtStatus::CANCELLED)?;
                panic!("it went on");
            })
            .unwrap()
            .unwrap();
            assert_eq!(wait(ob_waitable(&thread).unwrap(), false, None), Ok(NtStatus::SUCCESS));
            assert!(!nt_ke::current_core().stopping());
        });
    }

    #[test]
    fn only_system_threads_may_terminate_themselves() {
        run(|_, _| {
            assert_eq!(ps_terminate_system_thread(NtStatus::SUCCESS), Ok(NtStatus::INVALID_PARAMETER));
        });
    }
}

mod previous_mode {
    use super::*;

    #[test]
    fn it_is_restored_afterwards() {
        run(|_, _| {
            assert_eq!(ps_previous_mode(), 0);
            assert_eq!(with_previous_mode(1, ps_previous_mode), 1);
            assert_eq!(ps_previous_mode(), 0);
        });
    }
}

mod notify_routines {
    use super::*;

    static SEEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

    extern "win64" fn plain(_parent: usize, id: usize, create: usize) {
        SEEN[usize::from(create & 0xFF == 0)].store(id, Ordering::Relaxed);
    }

    extern "win64" fn refuse(_process: usize, _id: usize, information: usize) {
        if information != 0 {
            let status = information + std::mem::offset_of!(nt_abi::PS_CREATE_NOTIFY_INFO, CreationStatus);
            boundary::copy::write_value(status, NtStatus::ACCESS_DENIED.0).unwrap();
        }
    }

    fn address(function: extern "win64" fn(usize, usize, usize)) -> nt_abi::NativeFn {
        nt_abi::NativeFn(function as usize)
    }

    #[test]
    fn they_see_creation_and_exit_and_may_refuse() {
        run(|_, _| {
            let routine = ProcessRoutine::Plain(address(plain));
            assert_eq!(ps_set_process_routine(routine, false), NtStatus::SUCCESS);
            assert_eq!(ps_set_process_routine(routine, false), NtStatus::INVALID_PARAMETER);
            let process = stress();
            let id = ps_process(process.address()).unwrap().id();
            assert_eq!(SEEN[0].load(Ordering::Relaxed), id);
            ps_exit_process(process.address(), NtStatus::SUCCESS).unwrap();
            assert_eq!(SEEN[1].load(Ordering::Relaxed), id);
            let refusing = ProcessRoutine::Extended(address(refuse));
            assert_eq!(ps_set_process_routine(refusing, false), NtStatus::SUCCESS);
            let refused = ps_create_process(&ProcessParameters::new("x.exe")).unwrap();
            assert_eq!(refused.err(), Some(NtStatus::ACCESS_DENIED));
            assert_eq!(ps_process_ids(), [4]);
            assert_eq!(ps_set_process_routine(refusing, true), NtStatus::SUCCESS);
            assert_eq!(ps_set_process_routine(refusing, true), NtStatus::PROCEDURE_NOT_FOUND);
        });
    }

    extern "win64" fn body(context: usize, _: usize, _: usize) {
        SEEN[2].store(context, Ordering::Relaxed);
    }

    #[test]
    fn a_native_system_thread_gets_its_context() {
        run(|_, _| {
            let handle = ps_create_system_thread(address(body), 0x1234, 0x1F_FFFF, OBJ_KERNEL_HANDLE)
                .unwrap()
                .unwrap();
            assert_eq!(nt_ob::ob_wait_for_object(handle, 0, false, None), Ok(NtStatus::SUCCESS));
            assert_eq!(SEEN[2].load(Ordering::Relaxed), 0x1234);
            assert_eq!(nt_ob::ob_close_handle(handle, 0), Ok(NtStatus::SUCCESS));
        });
    }
}
