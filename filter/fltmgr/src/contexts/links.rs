//! Which contexts hang on an object: at most one for each key (a filter, or an instance).
//!
//! An object carries one [`Links`]. Getting takes that object's lock only; linking and unlinking also takes the
//! manager's link lock, under which a context's owner is known to live. Nothing is called under either. A link holds a
//! reference, so what is linked is alive under the object's lock.
//! Statements: CTX-26 to CTX-34, CTX-44 to CTX-50.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::{Lock, Rank};

use super::block::{self, Context};
use crate::anchor;
use crate::filter::Filter;
use crate::flt;
use crate::instance::Instance;

/// `FLT_SET_CONTEXT_REPLACE_IF_EXISTS` and `FLT_SET_CONTEXT_KEEP_IF_EXISTS`.
const REPLACE: u32 = 0;
const KEEP: u32 = 1;

#[derive(Default)]
struct State {
    /// Key and context; each entry holds a reference.
    linked: Vec<(usize, Context)>,
    closed: bool,
}

/// The contexts of one object.
pub struct Links(Lock<State>);

impl Default for Links {
    fn default() -> Self {
        Self(Lock::new(Rank::FltObject, State::default()))
    }
}

/// Result of a set or delete: its status, and the old context that the caller receives (0: none).
pub type Exchanged = Result<(NtStatus, usize), Raise>;

fn address_of(links: &Links) -> usize {
    std::ptr::from_ref(links) as usize
}

impl Links {
    /// The context of `key`, referenced.
    ///
    /// Source: CTX-58
    #[inline]
    pub fn get(&self, key: usize) -> Option<usize> {
        let state = self.0.lock();
        let (_, context) = state.linked.iter().find(|(other, _)| *other == key)?;
        context.reference();
        Some(context.address())
    }

    /// Links `new` for `key`, unless `refused` says that the object or the key's owner goes. With `wanted` the context
    /// in its way goes to the caller with a reference.
    ///
    /// Source:  CTX-26 to CTX-31, CTX-33, CTX-38
    /// Errors:  INVALID_PARAMETER (operation) · FLT_CONTEXT_ALREADY_LINKED · FLT_CONTEXT_ALREADY_DEFINED ·
    ///          FLT_DELETING_OBJECT
    pub fn set(
        &self,
        key: usize,
        operation: u32,
        new: Context,
        wanted: bool,
        refused: impl FnOnce() -> bool,
    ) -> Exchanged {
        if operation != REPLACE && operation != KEEP {
            return Ok((NtStatus::INVALID_PARAMETER, 0));
        }
        let old = {
            let _linking = flt().linking.lock();
            if new.header().owner.load(Ordering::Acquire) != 0 {
                return Ok((NtStatus::FLT_CONTEXT_ALREADY_LINKED, 0));
            }
            let mut state = self.0.lock();
            if state.closed || refused() {
                return Ok((NtStatus::FLT_DELETING_OBJECT, 0));
            }
            let place = state.linked.iter().position(|(other, _)| *other == key);
            if let (Some(place), KEEP) = (place, operation) {
                let old = state.linked[place].1;
                if wanted {
                    old.reference();
                    return Ok((NtStatus::FLT_CONTEXT_ALREADY_DEFINED, old.address()));
                }
                return Ok((NtStatus::FLT_CONTEXT_ALREADY_DEFINED, 0));
            }
            new.reference();
            new.header().key.set(key);
            new.header().owner.store(address_of(self), Ordering::Release);
            match place {
                Some(place) => Some(unlinked(std::mem::replace(&mut state.linked[place].1, new))),
                None => {
                    state.linked.push((key, new));
                    None
                }
            }
        };
        Ok((NtStatus::SUCCESS, hand_over(old, wanted)?))
    }

    /// Unlinks the context of `key`.
    ///
    /// Source:  CTX-47, CTX-48
    /// Errors:  NOT_FOUND
    pub fn delete(&self, key: usize, wanted: bool) -> Exchanged {
        let old = {
            let _linking = flt().linking.lock();
            let mut state = self.0.lock();
            let place = state.linked.iter().position(|(other, _)| *other == key);
            place.map(|place| unlinked(state.linked.swap_remove(place).1))
        };
        if old.is_none() {
            return Ok((NtStatus::NOT_FOUND, 0));
        }
        Ok((NtStatus::SUCCESS, hand_over(old, wanted)?))
    }

    /// Unlinks everything of `key`. Source: CTX-49.
    pub fn remove(&self, key: usize) -> Result<(), Raise> {
        self.delete(key, false).map(|_| ())
    }

    /// The object goes: unlinks everything, and refuses new ones. Source: CTX-33, CTX-49.
    pub fn close(&self) -> Result<(), Raise> {
        let all: Vec<Context> = {
            let _linking = flt().linking.lock();
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.linked).into_iter().map(|(_, context)| unlinked(context)).collect()
        };
        all.into_iter().try_for_each(block::release)
    }

    /// All contexts, referenced.
    pub(super) fn all(&self) -> Vec<(Context, Arc<Instance>)> {
        let state = self.0.lock();
        // What is linked still has its instance, which unlinks its contexts before it goes.
        let with_instance = |context: Context| {
            let instance = anchor::from_address::<Instance>(context.header().key.get()).ok()?;
            context.reference();
            Some((context, instance))
        };
        state.linked.iter().filter_map(|(_, context)| with_instance(*context)).collect()
    }

    /// Another object uses it from now on. Nothing is linked.
    pub(super) fn reopen(&self) {
        self.0.lock().closed = false;
    }
}

/// The context hangs on nothing any more. Under the link lock.
fn unlinked(context: Context) -> Context {
    context.header().owner.store(0, Ordering::Release);
    context
}

/// Takes a context off whatever it hangs on. Under the link lock. Whether it did hang on something.
fn detach(context: Context) -> bool {
    let Some(owner) = context.owner() else { return false };
    owner.0.lock().linked.retain(|(_, other)| other.address() != context.address());
    unlinked(context);
    true
}

/// The instance behind `key` goes: unlinks its contexts from every object. Source: CTX-49.
pub(crate) fn forget_key(filter: &Filter, key: usize) -> Result<(), Raise> {
    let all: Vec<Context> = {
        let _linking = flt().linking.lock();
        let all = block::linked_of(filter, key);
        all.iter().for_each(|context| {
            detach(*context);
        });
        all
    };
    all.into_iter().try_for_each(block::release)
}

/// The link's reference goes to the caller, or away.
fn hand_over(old: Option<Context>, wanted: bool) -> Result<usize, Raise> {
    match old {
        Some(context) if wanted => Ok(context.address()),
        Some(context) => block::release(context).map(|()| 0),
        None => Ok(0),
    }
}

/// Unlinks a context from whatever it hangs on; the caller's own reference stays.
///
/// Source:  FltDeleteContext; CTX-44, CTX-45, CTX-48 (nothing happens to one that hangs on nothing)
/// IRQL:    <= APC_LEVEL
pub fn flt_delete_context(address: usize) -> Result<(), Raise> {
    let Some(context) = block::expect(address, "FltDeleteContext") else { return Ok(()) };
    if context.kind() == nt_abi::FLT_SECTION_CONTEXT {
        crate::findings::error(
            "CTX-46",
            &context.filter().label,
            "FltDeleteContext was called for a section context: close it with FltCloseSectionForDataScan",
        );
        return Ok(());
    }
    unlink(context)
}

/// Takes a context off whatever it hangs on, and gives the link's reference up.
pub(super) fn unlink(context: Context) -> Result<(), Raise> {
    let was_linked = {
        let _linking = flt().linking.lock();
        detach(context)
    };
    if was_linked { block::release(context) } else { Ok(()) }
}
