//! User pages, images, probes and MDLs.

mod machine;

use boundary::{Raise, copy};
use machine::machine;
use nt_abi::{IoReadAccess, IoWriteAccess, MDL, NtStatus, PAGE_SIZE};
use nt_mm::{UserBuffer, mdl, mm, probe};

/// An MDL with room for the frames of four pages, as a driver has it on its stack.
#[repr(C)]
struct Room {
    mdl: MDL,
    frames: [std::cell::Cell<u64>; 4],
}

fn room(address: usize, bytes: usize) -> Box<Room> {
    let room = Box::new(Room { mdl: MDL::default(), frames: Default::default() });
    assert!(mdl::size_of_mdl(address, bytes) <= size_of::<Room>());
    mdl::initialize(&room.mdl, address, bytes);
    room
}

const BAD: Result<(), Raise> = Err(Raise::Status(NtStatus::ACCESS_VIOLATION));

#[test]
fn user_buffers_are_zeroed_and_gone_when_dropped() {
    machine(|_| {
        let buffer = UserBuffer::new(100).unwrap();
        let address = buffer.address();
        buffer.write(0, &[1; 100]).unwrap();
        assert!(copy::read_value::<u8>(address + 112).is_err(), "the page behind is inaccessible");
        drop(buffer);
        assert!(!probe::is_address_valid(address));
        let again = UserBuffer::new(100).unwrap();
        assert_eq!((again.address(), again.to_vec(100).unwrap()), (address, vec![0; 100]));
    });
}

#[test]
fn probes_refuse_kernel_addresses_and_odd_alignment() {
    machine(|core| {
        let buffer = UserBuffer::new(64).unwrap();
        let at = buffer.address();
        assert_eq!(probe::probe_for_read(at, 64, 8), Ok(()));
        assert_eq!(probe::probe_for_write(at, 64, 8), Ok(()));
        assert_eq!(probe::probe_for_read(at + 1, 8, 8), Err(Raise::Status(NtStatus::DATATYPE_MISALIGNMENT)));
        let kernel = mm().pool_pages(1, 1).unwrap();
        assert_eq!(probe::probe_for_read(kernel, 1, 1), BAD);
        assert_eq!(probe::probe_for_read(kernel, 0, 1), Ok(()));
        assert_eq!(probe::probe_for_read(at, usize::MAX, 1), BAD);
        assert_eq!(probe::probe_for_read(core.slot.user_probe_address() - 1, 2, 1), BAD);
        // Only the probe for writing touches the memory.
        assert_eq!(probe::probe_for_read(at, 2 * PAGE_SIZE, 1), Ok(()));
        assert_eq!(probe::probe_for_write(at, 2 * PAGE_SIZE, 1), BAD);
    });
}

#[test]
fn image_addresses_are_never_given_out_twice() {
    machine(|_| {
        let first = mm().images.reserve(0x3000, 0x10000).unwrap();
        let second = mm().images.reserve(0x1000, 0x10000).unwrap();
        assert_eq!((first % 0x10000, second % 0x10000), (0, 0));
        assert!(second >= first + 0x3000 + PAGE_SIZE);
        assert_eq!(mm().images.reserve(usize::MAX - 1, 1), None);
        assert_eq!(mm().images.reserve(3 << 30, 1), None);
        assert!(mm().images.reserve(0x1000, 1).is_some());
    });
}

#[test]
fn locking_checks_the_access_that_is_asked_for() {
    machine(|core| {
        let buffer = UserBuffer::new(16).unwrap();
        let page = buffer.address() / PAGE_SIZE * PAGE_SIZE;
        core.slot.protect(page, PAGE_SIZE, boundary::slot::Protection::Read).unwrap();
        let room = room(buffer.address(), 16);
        assert_eq!(mdl::probe_and_lock_pages(&room.mdl, true, IoWriteAccess), BAD);
        assert_eq!(nt_mm::user::page_locks(buffer.address()), 0);
        assert_eq!(mdl::probe_and_lock_pages(&room.mdl, true, IoReadAccess), Ok(()));
        mdl::unlock_pages(&room.mdl).unwrap();
    });
}

#[test]
fn locking_kernel_memory_for_a_user_is_refused() {
    machine(|_| {
        let pages = mm().pool_pages(2, 1).unwrap();
        let room = room(pages, 100);
        assert_eq!(mdl::probe_and_lock_pages(&room.mdl, true, IoReadAccess), BAD);
        assert_eq!(mdl::probe_and_lock_pages(&room.mdl, false, IoReadAccess), Ok(()));
        assert_eq!(mdl::map_locked_pages(&room.mdl), Ok(pages));
    });
}

#[test]
fn a_page_stays_locked_until_every_mdl_has_let_go() {
    // spec: IO-34
    machine(|_| {
        let buffer = UserBuffer::new(16).unwrap();
        let at = buffer.address();
        let (one, two) = (room(at, 16), room(at, 16));
        mdl::probe_and_lock_pages(&one.mdl, true, IoReadAccess).unwrap();
        mdl::probe_and_lock_pages(&two.mdl, true, IoReadAccess).unwrap();
        mdl::unlock_pages(&one.mdl).unwrap();
        assert_eq!(nt_mm::user::page_locks(at), 1);
        let system = mdl::map_locked_pages(&two.mdl).unwrap();
        copy::write(system, &[5]).unwrap();
        drop(buffer);
        // The caller is gone, the device still reads its page, and nobody else gets it.
        assert_eq!(copy::read_value::<u8>(system), Ok(5));
        let other = UserBuffer::new(16).unwrap();
        assert_ne!(other.address() / PAGE_SIZE, at / PAGE_SIZE);
        mdl::unlock_pages(&two.mdl).unwrap();
    });
}

#[test]
fn unlocking_what_is_not_locked_is_a_bug_check() {
    // spec: IO-33
    machine(|core| {
        let buffer = UserBuffer::new(16).unwrap();
        let room = room(buffer.address(), 16);
        assert_eq!(mdl::unlock_pages(&room.mdl), Err(Raise::Stop));
        assert!(core.bug_checked().unwrap().message.contains("does not lock"));
    });
}

#[test]
fn mapping_an_mdl_that_is_not_locked_is_a_bug_check() {
    // spec: IO-35
    machine(|core| {
        let buffer = UserBuffer::new(16).unwrap();
        let room = room(buffer.address(), 16);
        assert_eq!(mdl::map_locked_pages(&room.mdl), Err(Raise::Stop));
        assert!(core.bug_checked().is_some());
    });
}

#[test]
fn memory_of_the_host_is_its_own_mapping() {
    machine(|_| {
        let host = Box::new([3u8; 100]);
        let at = host.as_ptr() as usize;
        let room = room(at, 100);
        mdl::probe_and_lock_pages(&room.mdl, false, IoWriteAccess).unwrap();
        assert_eq!(mdl::map_locked_pages(&room.mdl), Ok(at));
        assert!(mdl::frames(&room.mdl).iter().all(|frame| frame.get() == mdl::NO_FRAME));
        mdl::unlock_pages(&room.mdl).unwrap();
    });
}
