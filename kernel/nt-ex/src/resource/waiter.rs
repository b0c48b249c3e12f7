//! Waiting for a resource, and handing it to those who wait.
//!
//! UNSAFETY: a waiter lies on its thread's stack and is linked from the resource until it is granted or takes itself
//! out, both under `SpinLock`; its thread does not leave before.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{from_ref, null};
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Raise;
use nt_abi::{ERESOURCE, KEVENT};
use nt_ke::current_core;
use nt_ke::dispatcher::{self, object_type};

use super::{OWNED_EXCLUSIVE, ownership};

/// `Waiter::state`: it looks at its state, and needs no waking.
const LOOKING: u32 = 0;
/// It sleeps until its event is set.
const ASLEEP: u32 = 1;
/// The resource is its thread's.
const GRANTED: u32 = 2;
/// There was no pool to write its thread down: it asks again.
const ASK_AGAIN: u32 = 3;

/// How often a waiter looks before it sleeps, where threads run at once: a holder that is about to release takes less
/// time than a sleep and a waking.
const LOOKS: u32 = 100;

/// A thread that waits.
#[repr(C)]
pub(super) struct Waiter {
    next: Cell<*const Waiter>,
    exclusive: bool,
    state: AtomicU32,
    owner: usize,
    event: KEVENT,
}

/// Holds the fields of a resource.
pub(super) struct Held<'a> {
    pub resource: &'a ERESOURCE,
}

/// Takes `SpinLock`. Its holders never wait, so neither does this for long; it works in a stopping machine too.
pub(super) fn lock(resource: &ERESOURCE) -> Held<'_> {
    let mut spins = 0u32;
    while resource.SpinLock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        spins += 1;
        if spins.is_multiple_of(256) {
            current_core().scheduler().pause();
        } else {
            std::hint::spin_loop();
        }
    }
    Held { resource }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.resource.SpinLock.store(0, Ordering::Release);
    }
}

fn push(head: &Cell<*mut c_void>, waiter: &Waiter) {
    let added = from_ref(waiter);
    let mut last = head.get().cast_const().cast::<Waiter>();
    if last.is_null() {
        head.set(added.cast_mut().cast());
        return;
    }
    // SAFETY: linked waiters are alive, see the module's header.
    while let Some(next) = unsafe { (*last).next.get().as_ref() } {
        last = next;
    }
    // SAFETY: as above.
    unsafe { (*last).next.set(added) };
}

fn pop(head: &Cell<*mut c_void>) -> Option<&'static Waiter> {
    // SAFETY: linked waiters are alive until they are granted, which the caller does before it lets go of the lock.
    let waiter: &'static Waiter = unsafe { head.get().cast::<Waiter>().as_ref() }?;
    head.set(waiter.next.replace(null()).cast_mut().cast());
    Some(waiter)
}

fn remove(head: &Cell<*mut c_void>, waiter: &Waiter) {
    let gone = from_ref(waiter);
    if head.get().cast_const().cast() == gone {
        head.set(waiter.next.get().cast_mut().cast());
        return;
    }
    // SAFETY: linked waiters are alive, see the module's header.
    let mut at = unsafe { head.get().cast::<Waiter>().as_ref() };
    while let Some(here) = at {
        if here.next.get() == gone {
            here.next.set(waiter.next.get());
            return;
        }
        // SAFETY: as above.
        at = unsafe { here.next.get().as_ref() };
    }
}

fn change(counter: &Cell<u32>, by: i32) {
    counter.set(counter.get().wrapping_add_signed(by));
}

impl Held<'_> {
    /// Writes the first acquisition of a free resource down: every entry is free then.
    #[inline]
    pub(super) fn grant_free(&self, exclusive: bool, owner: usize) {
        let resource = self.resource;
        resource.OwnerEntry.OwnerThread.set(owner);
        resource.OwnerEntry.TableSize.set(1 << 2);
        resource.ActiveCount.set(1);
        resource.ActiveEntries.set(1);
        if exclusive {
            resource.Flag.set(resource.Flag.get() | OWNED_EXCLUSIVE);
        }
    }

    /// Writes one more acquisition of `owner` down.
    pub(super) fn grant(&self, exclusive: bool, owner: usize) -> Result<(), Raise> {
        let resource = self.resource;
        if let Some(entry) = ownership::find(resource, owner) {
            ownership::add(entry, 1);
            return Ok(());
        }
        let entry = ownership::vacant(resource).map_err(Raise::Status)?;
        entry.OwnerThread.set(owner);
        entry.TableSize.set(1 << 2);
        resource.ActiveCount.set(resource.ActiveCount.get() + 1);
        resource.ActiveEntries.set(resource.ActiveEntries.get() + 1);
        if exclusive {
            resource.Flag.set(resource.Flag.get() | OWNED_EXCLUSIVE);
        }
        Ok(())
    }

    /// Takes one acquisition of `owner` back and lets the next in. Returns whether there was one.
    pub(super) fn release(&self, owner: usize) -> bool {
        let resource = self.resource;
        let Some(entry) = ownership::find(resource, owner) else { return false };
        ownership::add(entry, -1);
        if ownership::count(entry) != 0 {
            return true;
        }
        ownership::clear(entry);
        resource.ActiveCount.set(resource.ActiveCount.get() - 1);
        resource.ActiveEntries.set(resource.ActiveEntries.get() - 1);
        if resource.ActiveCount.get() == 0 {
            let was_exclusive = resource.Flag.get() & OWNED_EXCLUSIVE != 0;
            resource.Flag.set(resource.Flag.get() & !OWNED_EXCLUSIVE);
            if was_exclusive && !resource.SharedWaiters.get().is_null() {
                self.admit_shared();
            } else {
                self.admit_exclusive();
            }
        }
        true
    }

    /// Lets every waiting reader in.
    pub(super) fn admit_shared(&self) {
        while let Some(waiter) = pop(&self.resource.SharedWaiters) {
            change(&self.resource.NumberOfSharedWaiters, -1);
            self.hand_over(waiter);
        }
    }

    fn admit_exclusive(&self) {
        match pop(&self.resource.ExclusiveWaiters) {
            Some(waiter) => {
                change(&self.resource.NumberOfExclusiveWaiters, -1);
                self.hand_over(waiter);
            }
            None => self.admit_shared(),
        }
    }

    fn hand_over(&self, waiter: &Waiter) {
        // Without pool for an entry the waiter finds itself not granted, and asks again.
        let granted = self.grant(waiter.exclusive, waiter.owner).is_ok();
        let answer = if granted { GRANTED } else { ASK_AGAIN };
        // One that looks is gone as soon as it sees the answer; one that sleeps stays until the lock is free.
        if waiter.state.swap(answer, Ordering::AcqRel) == ASLEEP {
            dispatcher::set_event(&waiter.event.Header);
        }
    }
}

impl Waiter {
    pub(super) fn new(exclusive: bool, owner: usize) -> Self {
        Self {
            next: Cell::new(null()),
            exclusive,
            state: AtomicU32::new(ASLEEP),
            owner,
            event: KEVENT::default(),
        }
    }

    fn lists<'a>(&self, resource: &'a ERESOURCE) -> (&'a Cell<*mut c_void>, &'a Cell<u32>) {
        if self.exclusive {
            (&resource.ExclusiveWaiters, &resource.NumberOfExclusiveWaiters)
        } else {
            (&resource.SharedWaiters, &resource.NumberOfSharedWaiters)
        }
    }

    /// Waits until the resource is this thread's: looks again with `try_grant` under the lock, then queues.
    ///
    /// Errors: `Stop` when the machine stops; the resource is not acquired then.
    pub(super) fn wait(
        &self,
        resource: &ERESOURCE,
        try_grant: impl Fn(&Held<'_>) -> Result<bool, Raise>,
    ) -> Result<(), Raise> {
        dispatcher::initialize_header(&self.event.Header, object_type::SYNCHRONIZATION_EVENT, 0);
        let looks = if current_core().scheduler().deterministic() { 0 } else { LOOKS };
        loop {
            let (head, number) = self.lists(resource);
            {
                let held = lock(resource);
                if try_grant(&held)? {
                    return Ok(());
                }
                self.state.store(if looks == 0 { ASLEEP } else { LOOKING }, Ordering::Relaxed);
                push(head, self);
                change(number, 1);
            }
            match self.look(looks) {
                GRANTED => return Ok(()),
                ASK_AGAIN => continue,
                _ => {}
            }
            let outcome = dispatcher::wait(&self.event.Header, false, None);
            if let Err(raise) = outcome {
                // The lock also waits for a releaser that is granting this waiter right now.
                let held = lock(resource);
                match self.state.load(Ordering::Acquire) {
                    GRANTED => {
                        held.release(self.owner);
                    }
                    ASK_AGAIN => {}
                    _ => {
                        remove(head, self);
                        change(number, -1);
                    }
                }
                return Err(raise);
            }
            // As above: the releaser is done with this waiter once the lock is free.
            let _held = lock(resource);
            if self.state.load(Ordering::Acquire) == GRANTED {
                return Ok(());
            }
        }
    }

    /// Looks for an answer some times, then says that it sleeps. Returns its state.
    fn look(&self, times: u32) -> u32 {
        for _ in 0..times {
            let state = self.state.load(Ordering::Acquire);
            if state != LOOKING {
                return state;
            }
            std::hint::spin_loop();
        }
        match self.state.compare_exchange(LOOKING, ASLEEP, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => ASLEEP,
            Err(state) => state,
        }
    }
}
