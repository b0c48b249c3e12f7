//! Name providers: filters that make the names which instances above them get.
//!
//! ```text
//! query ─► highest provider below the asker: GenerateFileName(format)
//!            └─ no normalized name ─► GenerateFileName(opened), then NormalizeNameComponent for each component
//! ```
//!
//! A provider that asks for a name inside its callback asks from its own place. One that goes is waited for: what it makes
//! is kept before it has gone, and forgotten with it. Statements: NAME-14, NAME-50 to NAME-57.
//!
//! UNSAFETY: none of its own; hands its structures to drivers by address.

use std::cell::Cell;
use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::{Raise, call, copy};
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_NORMALIZED, FLT_FILE_NAME_OPENED, FLT_FILE_NAME_SHORT, FLT_NAME_CONTROL,
    FLT_VALID_FILE_NAME_FORMATS, NtStatus, UNICODE_STRING, bugcheck,
};
use nt_ex::pool::{self, PoolKind};
use nt_ke::BugCheck;

use super::ask::Path;
use super::block::TAG;
use super::normal::{self, ENTRY_BYTES};
use super::{Asker, Named, Question};
use crate::anchor::Anchored;
use crate::findings;
use crate::instance::Instance;
use crate::name_parts;
use crate::text::{self, BACKSLASH};

/// Bytes that a provider finds in the name's buffer at first.
const FIRST_BYTES: usize = 512;
const MAGIC: u64 = 0x464D_6E63_4354_524C;

/// What a provider knows as `FLT_NAME_CONTROL`, first; the rest is the manager's.
#[repr(C)]
struct Control {
    public: FLT_NAME_CONTROL,
    magic: Cell<u64>,
    /// The buffer that the manager put there.
    buffer: Cell<usize>,
}

/// A provider that a query is using: it does not go meanwhile.
pub(super) struct Serving(Arc<Instance>);

impl std::ops::Deref for Serving {
    type Target = Instance;
    fn deref(&self) -> &Instance {
        &self.0
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.end_naming();
    }
}

/// An instance goes that may make names: waits for the queries that use it, and forgets what it made.
///
/// Call after it has been marked as going. Source: NAME-45
pub(crate) fn leave(instance: &Instance) -> Result<(), Raise> {
    if instance.filter.registration.generate_file_name.is_null() {
        return Ok(());
    }
    let _waiting = nt_ke::locks::waiting_for("name queries that a name provider answers, which goes");
    let core = nt_ke::current_core();
    while instance.names.load(Ordering::SeqCst) != 0 {
        if core.stopping() {
            return Err(Raise::Stop);
        }
        core.scheduler().pause();
    }
    // Another provider may get the same address.
    instance.volume.names.renamed();
    super::flt_purge_file_name_information_cache(instance, None)?;
    Ok(())
}

/// The highest provider below the asker, or the asker itself with `from_current`.
///
/// Source: NAME-14, NAME-52
#[inline]
pub(super) fn below(asker: &Asker<'_>, from_current: bool) -> Option<Serving> {
    if crate::flt().providers.load(Ordering::Relaxed) == 0 { None } else { find(asker, from_current) }
}

#[cold]
fn find(asker: &Asker<'_>, from_current: bool) -> Option<Serving> {
    let members = asker.volume.members.lock();
    let asks = |instance: &Instance| asker.instance.is_some_and(|asking| std::ptr::eq(asking, instance));
    let serves = |instance: &&Arc<Instance>| {
        !instance.filter.registration.generate_file_name.is_null()
            && (asker.below.is_none_or(|altitude| instance.altitude < *altitude)
                || (from_current && asks(instance)))
            && instance.begin_naming()
    };
    members.instances.iter().find(serves).cloned().map(Serving)
}

/// The name that `provider` makes, and whether it may be kept.
pub(super) fn name_from(
    provider: &Instance,
    asker: &Asker<'_>,
    question: &Question<'_>,
) -> Result<Result<(Named, bool), NtStatus>, Raise> {
    let first = generate(provider, question, question.options)?;
    let failed = match first {
        Ok((name, cache)) => return Ok(Ok((named(asker, name, question.format), cache))),
        Err(status) => status,
    };
    if question.format != FLT_FILE_NAME_NORMALIZED {
        return Ok(Err(failed));
    }
    let options = question.options & !FLT_VALID_FILE_NAME_FORMATS | FLT_FILE_NAME_OPENED;
    let (opened, cache) = match generate(provider, question, options)? {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    let Named { name, volume } = named(asker, opened, FLT_FILE_NAME_OPENED);
    let path = normalized(Some(provider), asker, Some(question.file), name[volume..].to_vec(), 0)?;
    Ok(path.map(|path| {
        let path = name_parts::without_data_suffix(&path);
        (Named { name: [&name[..volume], path].concat(), volume }, cache)
    }))
}

/// Finds the volume name in what a provider made.
fn named(asker: &Asker<'_>, name: Vec<u16>, format: u32) -> Named {
    if format == FLT_FILE_NAME_SHORT {
        return Named { name, volume: 0 };
    }
    let own = &asker.volume.name;
    let ends = name.get(own.len()).is_none_or(|unit| *unit == text::BACKSLASH);
    let volume = if name.len() >= own.len() && ends && text::equal_ignoring_case(&name[..own.len()], own) {
        own.len()
    } else {
        name_parts::volume_length(&name)
    };
    Named { name, volume }
}

/// Calls GenerateFileName. Source: NAME-50, NAME-51, NAME-57.
fn generate(
    provider: &Instance,
    question: &Question<'_>,
    options: u32,
) -> Result<Result<(Vec<u16>, bool), NtStatus>, Raise> {
    let Some(memory) = pool::allocate_engine(PoolKind::Paged, FIRST_BYTES, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let control = Control {
        public: FLT_NAME_CONTROL::default(),
        magic: Cell::new(MAGIC),
        buffer: Cell::new(memory.as_ptr() as usize),
    };
    let name = &control.public.Name;
    name.Buffer.set(memory.as_ptr().cast());
    name.MaximumLength.set(FIRST_BYTES as u16);
    let cache = Cell::new(1u8);
    let data = question.operation.map_or(0, |operation| from_ref(&operation.data) as u64);
    let place = question.operation.map(|operation| {
        (
            operation.asking.replace(from_ref(provider)),
            operation.iopb.TargetInstance.replace(provider.anchor().address() as *mut _),
        )
    });
    let arguments = [
        provider.anchor().address() as u64,
        from_ref(question.file) as u64,
        data,
        u64::from(options),
        from_ref(&cache) as u64,
        from_ref(&control) as u64,
    ];
    let answer = call(provider.filter.registration.generate_file_name, arguments);
    if let (Some(operation), Some((asking, target))) = (question.operation, place) {
        operation.asking.set(asking);
        operation.iopb.TargetInstance.set(target);
    }
    let status = NtStatus(answer? as u32 as i32);
    let buffer = control.buffer.get();
    let found = if name.Buffer.get() as usize != buffer {
        let message =
            "GenerateFileName replaced FLT_NAME_CONTROL.Name.Buffer: FltCheckAndGrowNameControl does that";
        findings::error("NAME-57", &provider.filter.label, message);
        Err(NtStatus::INVALID_PARAMETER)
    } else {
        text::units(name).ok_or(NtStatus::INTERNAL_ERROR)
    };
    pool::free(buffer as *const u8, Some(TAG))?;
    Ok(if status.is_success() { found.map(|name| (name, cache.get() != 0)) } else { Err(status) })
}

/// Makes room for a name of `bytes` bytes; what stands there is kept.
///
/// Source:  FltCheckAndGrowNameControl; NAME-56
/// IRQL:    <= APC_LEVEL
/// Units:   bytes
/// Errors:  INSUFFICIENT_RESOURCES · a name control that is not the manager's is a bug check
pub fn flt_check_and_grow_name_control(address: usize, bytes: u16) -> Result<NtStatus, Raise> {
    let at = |offset: usize| copy::read_value::<u64>(address.wrapping_add(offset)).unwrap_or(0);
    if address == 0 || at(std::mem::offset_of!(Control, magic)) != MAGIC {
        return Err(nt_ke::current_core().bug_check(BugCheck::new(
            bugcheck::FLTMGR_FILE_SYSTEM,
            [address as u64, 0, 0, 0],
            "FltCheckAndGrowNameControl was given something that is no name control of the filter manager's",
        )));
    }
    // Length, maximum length, buffer.
    let head = at(0);
    let (length, maximum, buffer) = (head as u16, (head >> 16) as u16, at(8) as usize);
    if maximum >= bytes {
        return Ok(NtStatus::SUCCESS);
    }
    let Some(memory) = pool::allocate_engine(PoolKind::Paged, usize::from(bytes), TAG) else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    let mut content = vec![0; usize::from(length.min(maximum))];
    copy::read(buffer, &mut content)?;
    let fresh = memory.as_ptr() as usize;
    copy::write(fresh, &content)?;
    copy::write_value(address, u64::from(length) | u64::from(bytes) << 16)?;
    copy::write_value(address + 8, fresh as u64)?;
    copy::write_value(address + std::mem::offset_of!(Control, buffer), fresh as u64)?;
    pool::free(buffer as *const u8, Some(TAG))?;
    Ok(NtStatus::SUCCESS)
}

/// `path` below the volume, with every component as `provider` has it; without one short components are looked up.
///
/// Source: NAME-19, NAME-51, NAME-53 to NAME-55
pub(super) fn normalized(
    provider: Option<&Instance>,
    asker: &Asker<'_>,
    file: Option<&'static FILE_OBJECT>,
    path: Vec<u16>,
    flags: u32,
) -> Path {
    let callbacks = provider.map(|provider| (provider, &provider.filter.registration));
    let Some((provider, registration)) = callbacks
        .filter(|(_, with)| !with.normalize_component.is_null() || !with.normalize_component_ex.is_null())
    else {
        return normal::expand(asker, path);
    };
    let context = Cell::new(0usize);
    let result = components(provider, asker, file, &path, (flags, &context));
    if context.get() != 0 && !registration.normalize_cleanup.is_null() {
        call(registration.normalize_cleanup, [from_ref(&context) as u64])?;
    }
    result
}

fn components(
    provider: &Instance,
    asker: &Asker<'_>,
    file: Option<&'static FILE_OBJECT>,
    path: &[u16],
    (flags, context): (u32, &Cell<usize>),
) -> Path {
    let (body, stream) = path.split_at(name_parts::split(path, 0, 0).stream.start);
    let mut name = asker.volume.name.clone();
    let mut left = body.split(|unit| *unit == BACKSLASH).skip(1).peekable();
    while let Some(component) = left.next() {
        name.push(BACKSLASH);
        if component.is_empty() {
            continue;
        }
        match one_component(provider, asker, file, &name, component, (flags, context))? {
            Ok(long) => name.extend(long),
            Err(NtStatus::NO_SUCH_FILE) if left.peek().is_none() => name.extend(component),
            Err(NtStatus::NO_SUCH_FILE) => return Ok(Err(NtStatus::OBJECT_PATH_NOT_FOUND)),
            Err(status) => return Ok(Err(status)),
        }
    }
    name.extend(stream);
    Ok(Ok(name.split_off(asker.volume.name.len())))
}

fn one_component(
    provider: &Instance,
    asker: &Asker<'_>,
    file: Option<&'static FILE_OBJECT>,
    directory: &[u16],
    component: &[u16],
    (flags, context): (u32, &Cell<usize>),
) -> Path {
    let (parent, last) = (text::bytes(directory), text::bytes(component));
    let Some(memory) = pool::allocate_engine(PoolKind::Paged, ENTRY_BYTES + parent.len() + last.len(), TAG)
    else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let address = memory.as_ptr() as usize;
    copy::write(address + ENTRY_BYTES, &parent)?;
    copy::write(address + ENTRY_BYTES + parent.len(), &last)?;
    let (parent_string, last_string) = (UNICODE_STRING::default(), UNICODE_STRING::default());
    text::set(&parent_string, address + ENTRY_BYTES, parent.len());
    text::set(&last_string, address + ENTRY_BYTES + parent.len(), last.len());
    let rest = [
        from_ref(&parent_string) as u64,
        (asker.volume.name.len() * 2) as u64,
        from_ref(&last_string) as u64,
        address as u64,
        ENTRY_BYTES as u64,
        u64::from(flags),
        from_ref(context) as u64,
    ];
    let instance = provider.anchor().address() as u64;
    let registration = &provider.filter.registration;
    let answer = if registration.normalize_component_ex.is_null() {
        let [a, b, c, d, e, f, g] = rest;
        call(registration.normalize_component, [instance, a, b, c, d, e, f, g])
    } else {
        let [a, b, c, d, e, f, g] = rest;
        let file = file.map_or(0, |file| from_ref(file) as u64);
        call(registration.normalize_component_ex, [instance, file, a, b, c, d, e, f, g])
    };
    let name = normal::entry_name(address);
    pool::free(memory.as_ptr(), Some(TAG))?;
    let status = NtStatus(answer? as u32 as i32);
    Ok(if status.is_success() { name } else { Err(status) })
}
