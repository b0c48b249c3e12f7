//! What a filter registers: `FLT_REGISTRATION` and its arrays, read once and checked.
//!
//! Owns: the copy of the callbacks that the manager works with. The driver's own structure is read through
//! fault-safe copies and never looked at again. Statements: REG-01 to REG-04, REG-10, REG-11.

use boundary::copy;
use nt_abi::{NativeFn, NtStatus};

use nt_abi::{
    FLT_CONTEXT_END, FLT_VARIABLE_SIZED_CONTEXTS, FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO,
    IRP_MJ_OPERATION_END, IRP_MJ_READ, IRP_MJ_SHUTDOWN, IRP_MJ_WRITE,
};

use crate::rows;

/// Callbacks of one major function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationCallbacks {
    /// Which operation.
    pub major: u8,
    /// `FLTFL_OPERATION_REGISTRATION_` flags that mean something for this operation.
    pub flags: u32,
    /// Preoperation callback, or null.
    pub pre: NativeFn,
    /// Postoperation callback, or null.
    pub post: NativeFn,
}

/// One kind of context that the filter wants to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextDefinition {
    /// `FLT_*_CONTEXT` code.
    pub context_type: u16,
    /// Registration flags.
    pub flags: u16,
    /// Called when the last reference goes.
    pub cleanup: NativeFn,
    /// Bytes, or `usize::MAX` for any.
    pub size: usize,
    /// Pool tag.
    pub tag: u32,
    /// Allocates instead of the manager, or null.
    pub allocate: NativeFn,
    /// Frees what `allocate` made.
    pub free: NativeFn,
}

impl ContextDefinition {
    /// Whether it serves any size.
    pub fn is_variable(&self) -> bool {
        self.size == FLT_VARIABLE_SIZED_CONTEXTS
    }

    /// Whether the filter has callbacks for the memory: then size and tag mean nothing. Source: CTX-08.
    pub fn makes_its_own(&self) -> bool {
        !self.allocate.is_null() || !self.free.is_null()
    }
}

/// The checked copy of an `FLT_REGISTRATION`.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Structure version, 0x0200 to 0x0203.
    pub version: u16,
    /// `FLTFL_REGISTRATION_` flags.
    pub flags: u32,
    /// Contexts.
    pub contexts: Vec<ContextDefinition>,
    /// Operations, at most one entry per major function.
    pub operations: Vec<OperationCallbacks>,
    /// Unload.
    pub unload: NativeFn,
    /// Instance setup.
    pub instance_setup: NativeFn,
    /// Asks before a manual detach.
    pub query_teardown: NativeFn,
    /// Teardown begins.
    pub teardown_start: NativeFn,
    /// Teardown ends.
    pub teardown_complete: NativeFn,
    /// Name provider: whole names.
    pub generate_file_name: NativeFn,
    /// Name provider: components.
    pub normalize_component: NativeFn,
    /// Name provider: its context.
    pub normalize_cleanup: NativeFn,
    /// Transactions.
    pub transaction_notification: NativeFn,
    /// Name provider: components, newer form.
    pub normalize_component_ex: NativeFn,
    /// Sections.
    pub section_notification: NativeFn,
}

/// A rule that the registration breaks, with what was found.
pub type Complaint = (&'static str, String);

/// Size of the structure for each version that exists.
fn size_of_version(version: u16) -> Option<u16> {
    match version {
        0x0200 => Some(0x58),
        0x0201 => Some(0x68),
        0x0202 | 0x0203 => Some(0x70),
        _ => None,
    }
}

fn word(words: &[u64], index: usize) -> NativeFn {
    NativeFn(words[index] as usize)
}

/// Reads the registration at `address`.
///
/// `is_code` tells whether an address can be a callback; `complain` receives broken rules.
///
/// Source:  FltRegisterFilter; REG-01, REG-02, REG-03, REG-04, REG-11, NAME-58
/// Errors:  INVALID_PARAMETER (version, size, a major that cannot be registered, a bad name provider) ·
///          ACCESS_VIOLATION (unreadable)
pub fn read(
    address: usize,
    is_code: impl Fn(usize) -> bool,
    mut complain: impl FnMut(Complaint),
) -> Result<Registration, NtStatus> {
    let head: [u64; 2] = copy::read_value(address).map_err(|_| NtStatus::ACCESS_VIOLATION)?;
    let (size, version) = (head[0] as u16, (head[0] >> 16) as u16);
    if size_of_version(version) != Some(size) {
        complain((
            "REG-01",
            format!("FLT_REGISTRATION has version {version:#06x} and size {size:#x}; no version has these"),
        ));
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let mut bytes = [0u8; 0x70];
    copy::read(address, &mut bytes[..usize::from(size)]).map_err(|_| NtStatus::ACCESS_VIOLATION)?;
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().expect("eight bytes"))).collect();
    let registration = Registration {
        version,
        flags: (words[0] >> 32) as u32,
        contexts: read_contexts(words[1] as usize, &mut complain)?,
        operations: read_operations(words[2] as usize, &mut complain)?,
        unload: word(&words, 3),
        instance_setup: word(&words, 4),
        query_teardown: word(&words, 5),
        teardown_start: word(&words, 6),
        teardown_complete: word(&words, 7),
        generate_file_name: word(&words, 8),
        normalize_component: word(&words, 9),
        normalize_cleanup: word(&words, 10),
        transaction_notification: word(&words, 11),
        normalize_component_ex: word(&words, 12),
        section_notification: word(&words, 13),
    };
    for provider in [
        registration.generate_file_name,
        registration.normalize_component,
        registration.normalize_component_ex,
    ] {
        if !provider.is_null() && !is_code(provider.0) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
    }
    Ok(registration)
}

fn read_operations(
    address: usize,
    complain: &mut impl FnMut(Complaint),
) -> Result<Vec<OperationCallbacks>, NtStatus> {
    let mut operations: Vec<OperationCallbacks> = Vec::new();
    if address == 0 {
        return Ok(operations);
    }
    for index in 0..256usize {
        let entry: [u64; 4] =
            copy::read_value(address + index * 0x20).map_err(|_| NtStatus::ACCESS_VIOLATION)?;
        let code = entry[0] as u8;
        if code == IRP_MJ_OPERATION_END {
            return Ok(operations);
        }
        let name = rows::name(code);
        if !rows::may_register(code) {
            complain((
                "REG-04",
                format!("entry {index} registers {name} ({code:#04x}), which no filter can register"),
            ));
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if entry[3] != 0 {
            complain(("REG-03", format!("the entry for {name} has a Reserved1 that is not NULL")));
        }
        if operations.iter().any(|o| o.major == code) {
            complain(("REG-03", format!("{name} is registered twice; the second entry is ignored")));
            continue;
        }
        let mut post = NativeFn(entry[2] as usize);
        if code == IRP_MJ_SHUTDOWN && !post.is_null() {
            complain((
                "REG-04",
                format!("a post callback is registered for {name}, which has none; it is ignored"),
            ));
            post = NativeFn::NULL;
        }
        let mut flags = (entry[0] >> 32) as u32;
        if !matches!(code, IRP_MJ_READ | IRP_MJ_WRITE) {
            flags &= FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO;
        }
        operations.push(OperationCallbacks { major: code, flags, pre: NativeFn(entry[1] as usize), post });
    }
    complain(("REG-02", "the operation registration has no IRP_MJ_OPERATION_END entry".to_owned()));
    Err(NtStatus::INVALID_PARAMETER)
}

fn read_contexts(
    address: usize,
    complain: &mut impl FnMut(Complaint),
) -> Result<Vec<ContextDefinition>, NtStatus> {
    let mut contexts: Vec<ContextDefinition> = Vec::new();
    if address == 0 {
        return Ok(contexts);
    }
    for index in 0..256usize {
        let entry: [u64; 7] =
            copy::read_value(address + index * 0x38).map_err(|_| NtStatus::ACCESS_VIOLATION)?;
        let context_type = entry[0] as u16;
        if context_type == FLT_CONTEXT_END {
            return check_contexts(&contexts, complain).map(|()| contexts);
        }
        if entry[6] != 0 {
            complain(("CTX-10", format!("context entry {index} has a Reserved1 that is not NULL")));
        }
        let definition = ContextDefinition {
            context_type,
            flags: (entry[0] >> 16) as u16,
            cleanup: NativeFn(entry[1] as usize),
            size: entry[2] as usize,
            tag: entry[3] as u32,
            allocate: NativeFn(entry[4] as usize),
            free: NativeFn(entry[5] as usize),
        };
        // The first of two equal entries counts (CTX-04).
        if !contexts.contains(&definition) {
            contexts.push(definition);
        }
    }
    complain(("CTX-03", "the context registration has no FLT_CONTEXT_END entry".to_owned()));
    Err(NtStatus::FLT_INVALID_CONTEXT_REGISTRATION)
}

/// The structural rules. No page names the status; it is FLT_INVALID_CONTEXT_REGISTRATION here (G-02).
///
/// Source: CTX-05, CTX-06, CTX-07, CTX-09, CTX-15, CTX-17
fn check_contexts(
    contexts: &[ContextDefinition],
    complain: &mut impl FnMut(Complaint),
) -> Result<(), NtStatus> {
    const MOST_FIXED: usize = 3;
    let mut refuse = |rule, message: String| {
        complain((rule, message));
        Err(NtStatus::FLT_INVALID_CONTEXT_REGISTRATION)
    };
    for definition in contexts {
        let kind = definition.context_type;
        let word = crate::contexts::name(kind);
        let same = || contexts.iter().filter(|other| other.context_type == kind);
        if !crate::contexts::is_kind(kind) {
            return refuse("CTX-17", format!("{kind:#06x} is no context type"));
        }
        if definition.makes_its_own() {
            if same().count() > 1 {
                return refuse(
                    "CTX-07",
                    format!("a {word} with an allocate callback has to be its only entry"),
                );
            }
            continue;
        }
        if definition.tag == 0 {
            return refuse("CTX-09", format!("the entry for the {word} has no pool tag"));
        }
        if !definition.is_variable() && definition.size > usize::from(u16::MAX) {
            return refuse("CTX-15", format!("a {word} of {:#x} bytes: 0xffff at most", definition.size));
        }
        let variable = same().filter(|other| other.is_variable()).count();
        if variable > 1 {
            return refuse(
                "CTX-05",
                format!("{variable} entries for a {word} of variable size: one at most"),
            );
        }
        let fixed = same().filter(|other| !other.is_variable()).count();
        if fixed > MOST_FIXED {
            return refuse("CTX-06", format!("{fixed} entries for a {word} of fixed size: three at most"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nt_abi::{IRP_MJ_CLEANUP, IRP_MJ_CREATE, IRP_MJ_DEVICE_CHANGE, IRP_MJ_POWER};

    const PRE: u64 = 0x1000;
    const POST: u64 = 0x2000;

    fn operation(major: u8, flags: u32, pre: u64, post: u64) -> [u64; 4] {
        [u64::from(major) | u64::from(flags) << 32, pre, post, 0]
    }

    fn end() -> [u64; 4] {
        operation(IRP_MJ_OPERATION_END, 0, 0, 0)
    }

    fn registration(version: u16, size: u16, operations: &[[u64; 4]]) -> [u64; 14] {
        let mut words = [0; 14];
        words[0] = u64::from(size) | u64::from(version) << 16;
        words[2] = if operations.is_empty() { 0 } else { operations.as_ptr() as u64 };
        words
    }

    fn read_words(words: &[u64; 14]) -> (Result<Registration, NtStatus>, Vec<&'static str>) {
        let mut rules = Vec::new();
        let result = read(words.as_ptr() as usize, |a| a < 0x10000, |(rule, _)| rules.push(rule));
        (result, rules)
    }

    #[test]
    fn each_version_is_accepted_with_its_own_size_only() {
        // spec: REG-01, REG-02
        for (version, size) in [(0x200, 0x58), (0x201, 0x68), (0x202, 0x70), (0x203, 0x70)] {
            assert!(read_words(&registration(version, size, &[])).0.is_ok(), "{version:#x}");
            let (result, rules) = read_words(&registration(version, size - 8, &[]));
            assert_eq!((result.err(), rules), (Some(NtStatus::INVALID_PARAMETER), vec!["REG-01"]));
        }
        for version in [0, 0x100, 0x204, 0x300] {
            assert_eq!(
                read_words(&registration(version, 0x70, &[])).0.err(),
                Some(NtStatus::INVALID_PARAMETER)
            );
        }
    }

    #[test]
    fn fields_behind_an_older_structure_are_not_read() {
        // spec: REG-01
        let mut words = registration(0x200, 0x58, &[]);
        words[11..].fill(0xDEAD_0000_0000);
        let read = read_words(&words).0.expect("valid");
        assert!(read.transaction_notification.is_null() && read.section_notification.is_null());
    }

    #[test]
    fn each_callback_is_read_from_its_own_place() {
        // spec: REG-02
        let mut words = registration(0x203, 0x70, &[]);
        words[0] |= 7 << 32;
        for (index, word) in words.iter_mut().enumerate().skip(3) {
            *word = 0x100 * index as u64;
        }
        let read = read_words(&words).0.expect("valid");
        assert_eq!((read.version, read.flags), (0x203, 7));
        let callbacks = [
            read.unload,
            read.instance_setup,
            read.query_teardown,
            read.teardown_start,
            read.teardown_complete,
            read.generate_file_name,
            read.normalize_component,
            read.normalize_cleanup,
            read.transaction_notification,
            read.normalize_component_ex,
            read.section_notification,
        ];
        assert_eq!(callbacks.map(|callback| callback.0 / 0x100), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn operations_without_an_end_and_reserved_fields_are_reported() {
        // spec: REG-02, REG-03
        let endless = vec![operation(IRP_MJ_CREATE, 0, PRE, POST); 256];
        let (result, rules) = read_words(&registration(0x203, 0x70, &endless));
        assert_eq!(result.err(), Some(NtStatus::INVALID_PARAMETER));
        assert_eq!((rules.len(), rules.last()), (256, Some(&"REG-02")), "and 255 second entries");
        let reserved = [[u64::from(IRP_MJ_CREATE), PRE, POST, 1], end()];
        let (result, rules) = read_words(&registration(0x203, 0x70, &reserved));
        assert_eq!((result.expect("valid").operations.len(), rules), (1, vec!["REG-03"]));
    }

    #[test]
    fn operations_end_at_their_terminator_and_keep_both_callbacks() {
        // spec: REG-02, PRE-02
        let operations = [
            operation(IRP_MJ_CREATE, 0, PRE, POST),
            operation(IRP_MJ_READ, 0xF, PRE, 0),
            operation(IRP_MJ_CLEANUP, 0xF, 0, POST),
            end(),
            operation(IRP_MJ_WRITE, 0, PRE, POST),
        ];
        let read = read_words(&registration(0x203, 0x70, &operations)).0.expect("valid");
        let majors: Vec<u8> = read.operations.iter().map(|o| o.major).collect();
        assert_eq!(majors, [IRP_MJ_CREATE, IRP_MJ_READ, IRP_MJ_CLEANUP]);
        assert_eq!(read.operations[1].flags, 0xF);
        assert_eq!(
            read.operations[2].flags, FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO,
            "the others mean reads and writes"
        );
        assert!(read.operations[2].pre.is_null());
    }

    #[test]
    fn majors_that_cannot_be_registered_are_refused() {
        // spec: REG-04
        for bad in [IRP_MJ_POWER, IRP_MJ_DEVICE_CHANGE, 0x1C, 0x7F, 0x81, 0xF4] {
            let operations = [operation(bad, 0, PRE, 0), end()];
            let (result, rules) = read_words(&registration(0x203, 0x70, &operations));
            assert_eq!(
                (result.err(), rules),
                (Some(NtStatus::INVALID_PARAMETER), vec!["REG-04"]),
                "{bad:#x}"
            );
        }
    }

    #[test]
    fn a_post_callback_for_shutdown_and_a_second_entry_are_reported_and_ignored() {
        // spec: REG-03, REG-04
        let operations = [
            operation(IRP_MJ_SHUTDOWN, 0, PRE, POST),
            operation(IRP_MJ_READ, 0, PRE, 0),
            operation(IRP_MJ_READ, 0, PRE, POST),
            end(),
        ];
        let (result, rules) = read_words(&registration(0x203, 0x70, &operations));
        let read = result.expect("valid");
        assert_eq!(rules, ["REG-04", "REG-03"]);
        assert!(read.operations.iter().all(|o| o.post.is_null()));
        assert_eq!(read.operations.len(), 2);
    }

    #[test]
    fn a_name_provider_outside_every_image_is_refused() {
        // spec: REG-11, NAME-58
        for index in [8, 9, 12] {
            let mut words = registration(0x203, 0x70, &[]);
            words[index] = 0x5000;
            assert!(read_words(&words).0.is_ok());
            words[index] = 0x7777_0000;
            assert_eq!(read_words(&words).0.err(), Some(NtStatus::INVALID_PARAMETER));
        }
    }

    #[test]
    fn contexts_end_at_their_terminator() {
        // spec: REG-02
        let contexts: [[u64; 7]; 2] = [[0x0010, 0, 64, 0x3131_3131, 0, 0, 0], [0xFFFF, 0, 0, 0, 0, 0, 0]];
        let mut words = registration(0x203, 0x70, &[]);
        words[1] = contexts.as_ptr() as u64;
        let read = read_words(&words).0.expect("valid");
        assert_eq!((read.contexts.len(), read.contexts[0].size), (1, 64));
    }

    /// Type, flags, size, tag, allocate callback.
    fn context(kind: u64, size: u64, tag: u64, allocate: u64) -> [u64; 7] {
        [kind, 0, size, tag, allocate, 0, 0]
    }

    fn read_contexts_of(contexts: &[[u64; 7]]) -> (Result<usize, NtStatus>, Vec<&'static str>) {
        let mut all = contexts.to_vec();
        all.push([0xFFFF, 0, 0, 0, 0, 0, 0]);
        let mut words = registration(0x203, 0x70, &[]);
        words[1] = all.as_ptr() as u64;
        let (result, rules) = read_words(&words);
        (result.map(|read| read.contexts.len()), rules)
    }

    #[test]
    fn context_registrations_with_a_wrong_structure_are_refused() {
        // spec: CTX-05, CTX-06, CTX-07, CTX-09
        let any = u64::MAX;
        let refused = |contexts: &[[u64; 7]], rule| {
            let expected = (Err(NtStatus::FLT_INVALID_CONTEXT_REGISTRATION), vec![rule]);
            assert_eq!(read_contexts_of(contexts), expected);
        };
        refused(&[context(1, any, 7, 0), context(1, any, 8, 0)], "CTX-05");
        let fixed = [16, 32, 48, 64].map(|size| context(1, size, 7, 0));
        refused(&fixed, "CTX-06");
        let most = [fixed[0], fixed[1], fixed[2], context(1, any, 7, 0)];
        assert_eq!(read_contexts_of(&most), (Ok(4), vec![]), "three fixed and one variable");
        refused(&[context(2, 16, 7, 0), context(2, 0, 0, 0x1000)], "CTX-07");
        assert_eq!(
            read_contexts_of(&[context(2, any - 1, 0, 0x1000)]),
            (Ok(1), vec![]),
            "size and tag are ignored"
        );
        refused(&[context(2, 16, 0, 0)], "CTX-09");
        refused(&[context(2, 0x1_0000, 7, 0)], "CTX-15");
        refused(&[context(3, 16, 7, 0)], "CTX-17");
    }

    #[test]
    fn an_equal_context_entry_is_ignored_and_reserved_fields_are_reported() {
        // spec: CTX-04, CTX-10
        assert_eq!(read_contexts_of(&[context(1, 16, 7, 0), context(1, 16, 7, 0)]), (Ok(1), vec![]));
        assert_eq!(read_contexts_of(&[[1, 0, 16, 7, 0, 0, 5]]), (Ok(1), vec!["CTX-10"]));
    }

    #[test]
    fn a_context_registration_without_an_end_is_reported() {
        // spec: CTX-03
        let contexts = vec![context(1, 16, 7, 0); 256];
        let mut words = registration(0x203, 0x70, &[]);
        words[1] = contexts.as_ptr() as u64;
        let (result, rules) = read_words(&words);
        assert_eq!((result.err(), rules), (Some(NtStatus::FLT_INVALID_CONTEXT_REGISTRATION), vec!["CTX-03"]));
    }
}
