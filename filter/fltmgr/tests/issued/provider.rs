//! Name providers: what they are asked for, with what, and what becomes of their answers.

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::Arc;

use fltmgr::names::provider::flt_check_and_grow_name_control;
use fltmgr::names::*;
use nt_abi::*;

use crate::names::{ask, below_volume, during, name_at, names_are_known, queries, take};
use crate::stage::*;

const NORMALIZED: u32 = FLT_FILE_NAME_NORMALIZED;
const OPENED: u32 = FLT_FILE_NAME_OPENED;
const SHORT: u32 = FLT_FILE_NAME_SHORT;
const DEFAULT: u32 = FLT_FILE_NAME_QUERY_DEFAULT;
const FILESYSTEM_ONLY: u32 = FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
const FROM_CURRENT: u32 = FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER;

/// A call of GenerateFileName.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Generated {
    instance: usize,
    file: usize,
    data: usize,
    options: u32,
    target: usize,
}

/// A call for one component.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    file: Option<usize>,
    parent: String,
    volume: usize,
    name: String,
    room: u32,
    flags: u32,
    context: usize,
}

type Answer = Box<dyn Fn(&Generated, &FLT_NAME_CONTROL, &Cell<u8>) -> NtStatus>;

thread_local! {
    static GENERATED: RefCell<Vec<Generated>> = const { RefCell::new(Vec::new()) };
    static COMPONENTS: RefCell<Vec<Component>> = const { RefCell::new(Vec::new()) };
    static CLEANUPS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
    /// The context that the first component leaves.
    static CONTEXT: Cell<usize> = const { Cell::new(0x1230) };
}

/// Puts a name into a name control, as providers do.
fn put(control: &FLT_NAME_CONTROL, name: &str) -> NtStatus {
    let bytes: Vec<u8> = units(name).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let grown = flt_check_and_grow_name_control(from_ref(control) as usize, bytes.len() as u16);
    assert_eq!(grown, Ok(NtStatus::SUCCESS));
    boundary::copy::write(control.Name.Buffer.get() as usize, &bytes).unwrap();
    control.Name.Length.set(bytes.len() as u16);
    NtStatus::SUCCESS
}

extern "win64" fn generate(
    instance: usize,
    file: usize,
    data: usize,
    options: u32,
    cache: &Cell<u8>,
    control: &FLT_NAME_CONTROL,
) -> i32 {
    assert_eq!((cache.get(), control.Name.Length.get(), control.Name.MaximumLength.get()), (1, 0, 512));
    let target = if data == 0 {
        0
    } else {
        // SAFETY: the callback data of the operation that the name is asked in.
        iopb(unsafe { &*(data as *const FLT_CALLBACK_DATA) }).TargetInstance.get() as usize
    };
    let call = Generated { instance, file, data, options, target };
    GENERATED.with_borrow_mut(|all| all.push(call.clone()));
    ANSWER.with_borrow(|answer| answer.as_ref().expect("an answer")(&call, control, cache)).0
}

#[allow(clippy::too_many_arguments, reason = "the callback has them")]
extern "win64" fn component_ex(
    _: usize,
    file: usize,
    parent: &UNICODE_STRING,
    volume: u16,
    name: &UNICODE_STRING,
    expanded: usize,
    room: u32,
    flags: u32,
    context: &Cell<usize>,
) -> i32 {
    one(Some(file), (parent, volume, name), (expanded, room), flags, context)
}

#[allow(clippy::too_many_arguments, reason = "the callback has them")]
extern "win64" fn component(
    _: usize,
    parent: &UNICODE_STRING,
    volume: u16,
    name: &UNICODE_STRING,
    expanded: usize,
    room: u32,
    flags: u32,
    context: &Cell<usize>,
) -> i32 {
    one(None, (parent, volume, name), (expanded, room), flags, context)
}

fn one(
    file: Option<usize>,
    (parent, volume, name): (&UNICODE_STRING, u16, &UNICODE_STRING),
    (expanded, room): (usize, u32),
    flags: u32,
    context: &Cell<usize>,
) -> i32 {
    let string = |string| String::from_utf16_lossy(&text(string));
    let call = Component {
        file,
        parent: string(parent),
        volume: usize::from(volume),
        name: string(name),
        room,
        flags,
        context: context.get(),
    };
    COMPONENTS.with_borrow_mut(|all| all.push(call.clone()));
    context.set(CONTEXT.get());
    let long = match call.name.as_str() {
        "missing" => return NtStatus::NO_SUCH_FILE.0,
        "hidden" => return NtStatus::ACCESS_DENIED.0,
        "short" => "a longer name".to_owned(),
        "longest" => "n".repeat(256),
        other => other.to_owned(),
    };
    let bytes: Vec<u8> = units(&long).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    assert!(bytes.len() + 12 <= room as usize);
    boundary::copy::write_value(expanded + 8, bytes.len() as u32).unwrap();
    boundary::copy::write(expanded + 12, &bytes).unwrap();
    0
}

extern "win64" fn cleanup(context: &Cell<usize>) {
    CLEANUPS.with_borrow_mut(|all| all.push(context.get()));
}

/// How a provider takes components.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    None,
    Old,
    New,
}

/// A provider between both filters.
fn provider(takes: Takes) -> (Arc<fltmgr::Filter>, Arc<fltmgr::Instance>) {
    register_more(move |registration| {
        registration.GenerateFileNameCallback.set(NativeFn(generate as *const () as usize));
        match takes {
            Takes::None => return,
            Takes::Old => {
                registration.NormalizeNameComponentCallback.set(NativeFn(component as *const () as usize))
            }
            Takes::New => {
                registration
                    .NormalizeNameComponentExCallback
                    .set(NativeFn(component_ex as *const () as usize));
            }
        }
        registration.NormalizeContextCleanupCallback.set(NativeFn(cleanup as *const () as usize));
    });
    let (pre, post) = (provider_pre as *const () as usize, provider_post as *const () as usize);
    let filter = filter("provider", "150", pre, post);
    let instance = fltmgr::flt().instances_of(&filter).remove(0);
    (filter, instance)
}

extern "win64" fn provider_pre(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    callback("provider", data, false).unwrap_or(FLT_PREOP_SUCCESS_WITH_CALLBACK)
}

extern "win64" fn provider_post(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize, _: u32) -> i32 {
    callback("provider", data, true).unwrap_or(FLT_POSTOP_FINISHED_PROCESSING)
}

fn answers(f: impl Fn(&Generated, &FLT_NAME_CONTROL, &Cell<u8>) -> NtStatus + 'static) {
    ANSWER.replace(Some(Box::new(f)));
}

/// The provider shows one name for all.
fn shows(name: &'static str) {
    answers(move |_, control, _| put(control, name));
}

fn outside(stage: &Stage, instance: &fltmgr::Instance, options: u32) -> Result<String, NtStatus> {
    take(flt_get_file_name_information_unsafe(stage.file, Some(instance), options).unwrap())
}

fn generated() -> Vec<Generated> {
    GENERATED.take()
}

/// Asks in the pre callback of a flush, as one of the filters.
fn in_flush(stage: &Stage, who: &'static str, options: u32) -> Result<String, NtStatus> {
    thread_local!(static FOUND: RefCell<Option<Result<String, NtStatus>>> = const { RefCell::new(None) });
    during(who, IRP_MJ_FLUSH_BUFFERS, false, move |data| {
        let before = iopb(data).TargetInstance.get();
        FOUND.set(Some(ask(data, options)));
        assert_eq!(iopb(data).TargetInstance.get(), before, "it is put back");
    });
    nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
    no_hook();
    FOUND.take().expect("it was asked")
}

#[test]
fn a_provider_is_asked_by_who_stands_above_it() {
    // spec: NAME-14, NAME-50, NAME-52
    on_stage(USUAL, |stage| {
        names_are_known();
        let (_, own) = provider(Takes::None);
        shows(r"\Device\HarddiskVolume1\shown");
        seen();
        assert_eq!(in_flush(stage, "asker", OPENED | FILESYSTEM_ONLY), below_volume(r"\shown"));
        let call = generated().remove(0);
        assert_eq!((call.file, call.options), (from_ref(stage.file) as usize, OPENED | FILESYSTEM_ONLY));
        assert_eq!(call.instance, call.target, "the operation is the provider's meanwhile");
        assert!(Arc::ptr_eq(&fltmgr::from_address::<fltmgr::Instance>(call.instance).unwrap(), &own));
        assert_ne!(call.data, 0);
        assert_eq!(queries(), 0, "the file system is not asked");
        assert_eq!(
            outside(stage, &stage.instance, SHORT | FILESYSTEM_ONLY),
            Ok(r"\Device\HarddiskVolume1\shown".into())
        );
        assert_eq!(generated()[0].data, 0, "no operation");
        // Below it, and the provider itself, unless it asks for its own.
        for (who, options, asked) in [
            ("watcher", OPENED | FILESYSTEM_ONLY, 0),
            ("watcher", OPENED | FILESYSTEM_ONLY | FROM_CURRENT, 0),
            ("provider", OPENED | FILESYSTEM_ONLY, 0),
            ("provider", OPENED | FILESYSTEM_ONLY | FROM_CURRENT, 1),
            ("asker", OPENED | FILESYSTEM_ONLY | FROM_CURRENT, 1),
        ] {
            let expected = below_volume(if asked == 1 { r"\shown" } else { r"\f" });
            assert_eq!(
                (in_flush(stage, who, options), generated().len()),
                (expected, asked),
                "{who} {options:#x}"
            );
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_provider_that_asks_inside_its_callback_asks_below_itself() {
    // spec: NAME-52
    on_stage(USUAL, |stage| {
        names_are_known();
        provider(Takes::None);
        answers(|call, control, _| {
            // SAFETY: the callback data of the operation.
            let data = unsafe { &*(call.data as *const FLT_CALLBACK_DATA) };
            let name = ask(data, call.options).unwrap();
            put(control, &format!("{name} as shown"))
        });
        for options in [OPENED | FILESYSTEM_ONLY, OPENED | DEFAULT] {
            assert_eq!(in_flush(stage, "asker", options), below_volume(r"\f as shown"));
            assert_eq!(generated().len(), 1);
        }
        assert_eq!(in_flush(stage, "asker", OPENED | DEFAULT), below_volume(r"\f as shown"));
        assert_eq!(generated().len(), 0, "it is kept");
    });
}

#[test]
fn what_a_provider_makes_is_kept_if_it_allows_that_until_it_forgets_or_goes() {
    // spec: NAME-45, NAME-50
    on_stage(USUAL, |stage| {
        names_are_known();
        let (filter, own) = provider(Takes::None);
        let asked = |options| {
            outside(stage, &stage.instance, options).unwrap();
            generated().len()
        };
        answers(|_, control, cache| {
            cache.set(0);
            put(control, r"\Device\HarddiskVolume1\shown")
        });
        assert_eq!((asked(OPENED | DEFAULT), asked(OPENED | DEFAULT)), (1, 1));
        shows(r"\Device\HarddiskVolume1\shown");
        assert_eq!((asked(OPENED | DEFAULT), asked(OPENED | DEFAULT)), (1, 0));
        let (other, handle) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        let purge = |instance: &fltmgr::Instance, file| {
            assert_eq!(flt_purge_file_name_information_cache(instance, file), Ok(NtStatus::SUCCESS));
        };
        purge(&own, Some(other));
        assert_eq!(asked(OPENED | DEFAULT), 0, "another file's");
        purge(&stage.instance, None);
        assert_eq!(asked(OPENED | DEFAULT), 0, "another provider's");
        purge(&own, Some(stage.file));
        assert_eq!((asked(OPENED | DEFAULT), asked(OPENED | DEFAULT)), (1, 0));
        purge(&own, None);
        assert_eq!((asked(OPENED | DEFAULT), asked(OPENED | DEFAULT)), (1, 0));
        nt_io::nt_close(handle).unwrap();
        fltmgr::flt_unregister_filter(&filter).unwrap();
        assert_eq!(outside(stage, &stage.instance, OPENED | DEFAULT), below_volume(r"\f"));
        assert_eq!((generated().len(), stage.rules()), (0, vec![]));
    });
}

#[test]
fn the_volume_is_found_in_what_a_provider_makes() {
    // spec: NAME-50
    on_stage(USUAL, |stage| {
        names_are_known();
        provider(Takes::None);
        for (name, format, volume) in [
            (r"\Device\HarddiskVolume1\f", OPENED, 23),
            (r"\device\HARDDISKVOLUME1\f", OPENED, 23),
            (r"\Device\HarddiskVolume1", NORMALIZED, 23),
            (r"\Device\Mup\server\f", OPENED, 11),
            (r"\f", OPENED, 0),
            ("F~1", SHORT, 0),
            (r"\Device\HarddiskVolume1\f", SHORT, 0),
        ] {
            shows(name);
            let found = flt_get_file_name_information_unsafe(
                stage.file,
                Some(&stage.instance),
                format | FILESYSTEM_ONLY,
            );
            let address = found.unwrap().unwrap();
            assert_eq!(name_at(address), name);
            // SAFETY: a name block with a reference of ours.
            let block = unsafe { &*(address as *const FLT_FILE_NAME_INFORMATION) };
            assert_eq!(
                (usize::from(block.Volume.Length.get()) / 2, block.Format.get()),
                (volume, format),
                "{name}"
            );
            flt_release_file_name_information(address).unwrap();
        }
    });
}

#[test]
fn a_provider_that_fails_has_failed_unless_it_has_the_opened_name() {
    // spec: NAME-51
    on_stage(USUAL, |stage| {
        names_are_known();
        provider(Takes::New);
        answers(|_, _, _| NtStatus::ACCESS_DENIED);
        for format in [OPENED, SHORT] {
            assert_eq!(
                outside(stage, &stage.instance, format | FILESYSTEM_ONLY),
                Err(NtStatus::ACCESS_DENIED)
            );
            assert_eq!(generated().len(), 1);
        }
        answers(
            |call, _, _| {
                if call.options & 3 == NORMALIZED { NtStatus::NOT_SUPPORTED } else { NtStatus::DISK_FULL }
            },
        );
        let options = NORMALIZED | FILESYSTEM_ONLY | FLT_FILE_NAME_DO_NOT_CACHE;
        assert_eq!(outside(stage, &stage.instance, options), Err(NtStatus::DISK_FULL));
        let asked: Vec<u32> = generated().iter().map(|call| call.options).collect();
        assert_eq!(asked, [options, options & !3 | OPENED]);
        assert_eq!((COMPONENTS.take().len(), CLEANUPS.take().len()), (0, 0));
    });
}

/// Asks for a normalized name of which the provider knows only the opened one.
fn by_components(stage: &Stage, path: &'static str) -> Result<String, NtStatus> {
    answers(move |call, control, _| match call.options & 3 {
        NORMALIZED => NtStatus::NOT_SUPPORTED,
        _ => put(control, &format!(r"\Device\HarddiskVolume1{path}")),
    });
    outside(stage, &stage.instance, NORMALIZED | FILESYSTEM_ONLY)
}

#[test]
fn components_are_asked_for_one_after_the_other() {
    // spec: NAME-51, NAME-53, NAME-54, NAME-55
    for takes in [Takes::Old, Takes::New] {
        on_stage(USUAL, |stage| {
            names_are_known();
            CONTEXT.set(0x1230);
            provider(takes);
            assert_eq!(
                by_components(stage, r"\short\plain\short:s:$DATA"),
                below_volume(r"\a longer name\plain\a longer name:s")
            );
            let volume = r"\Device\HarddiskVolume1";
            let call = |parent: &str, name: &str, context| Component {
                file: (takes == Takes::New).then_some(from_ref(stage.file) as usize),
                parent: format!("{volume}{parent}"),
                volume: 46,
                name: name.to_owned(),
                room: 524,
                flags: 0,
                context,
            };
            let all = [
                call(r"\", "short", 0),
                call(r"\a longer name\", "plain", 0x1230),
                call(r"\a longer name\plain\", "short", 0x1230),
            ];
            assert_eq!((COMPONENTS.take(), CLEANUPS.take()), (all.to_vec(), vec![0x1230]));
            assert_eq!(by_components(stage, r"\plain\missing"), below_volume(r"\plain\missing"));
            assert_eq!(by_components(stage, r"\missing\plain"), Err(NtStatus::OBJECT_PATH_NOT_FOUND));
            assert_eq!(by_components(stage, r"\plain\hidden"), Err(NtStatus::ACCESS_DENIED));
            assert_eq!(CLEANUPS.take().len(), 3, "also when it fails");
            CONTEXT.set(0);
            let longest = "n".repeat(256);
            assert_eq!(
                by_components(stage, r"\longest\longest"),
                below_volume(&format!(r"\{longest}\{longest}"))
            );
            assert_eq!(CLEANUPS.take().len(), 0, "there is nothing to clean up");
            COMPONENTS.take();
            assert_eq!(by_components(stage, r"\"), below_volume(r"\"));
            assert_eq!(COMPONENTS.take().len(), 0, "the root has none");
        });
    }
}

#[test]
fn a_provider_without_components_has_short_ones_looked_up() {
    // spec: NAME-19
    on_stage(USUAL, |stage| {
        names_are_known();
        provider(Takes::None);
        crate::names::short_names(vec![("SHORT~1", Ok("A long one".into()))]);
        assert_eq!(by_components(stage, r"\SHORT~1\f"), below_volume(r"\A long one\f"));
    });
}

#[test]
fn a_destination_goes_through_the_provider() {
    // spec: NAME-53
    on_stage(USUAL, |stage| {
        names_are_known();
        CONTEXT.set(0x1230);
        provider(Takes::New);
        shows(r"\Device\HarddiskVolume1\shown\f");
        let target = |name: &str, options| {
            let name = units(name);
            take(
                flt_get_destination_file_name_information(&stage.instance, stage.file, 0, &name, options)
                    .unwrap(),
            )
        };
        assert_eq!(target("short", OPENED), below_volume(r"\shown\short"));
        assert_eq!(COMPONENTS.take().len(), 0);
        assert_eq!(target("short", NORMALIZED), below_volume(r"\shown\a longer name"));
        let calls = COMPONENTS.take();
        assert_eq!(calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["shown", "short"]);
        assert!(calls.iter().all(|call| call.flags == FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME));
        assert_eq!(target(r"\plain\short", NORMALIZED), below_volume(r"\plain\a longer name"));
    });
}

#[test]
fn a_name_control_grows_and_keeps_what_it_has() {
    // spec: NAME-56, NAME-57
    on_stage(USUAL, |stage| {
        names_are_known();
        provider(Takes::None);
        answers(|_, control, _| {
            let address = from_ref(control) as usize;
            let name = &control.Name;
            let first = name.Buffer.get() as usize;
            assert_eq!(put(control, r"\Device\HarddiskVolume1\kept"), NtStatus::SUCCESS);
            for enough in [0, 56, 512] {
                assert_eq!(flt_check_and_grow_name_control(address, enough), Ok(NtStatus::SUCCESS));
                assert_eq!((name.Buffer.get() as usize, name.MaximumLength.get()), (first, 512));
            }
            assert_eq!(flt_check_and_grow_name_control(address, 514), Ok(NtStatus::SUCCESS));
            let second = name.Buffer.get() as usize;
            assert_ne!(second, first);
            assert_eq!((name.Length.get(), name.MaximumLength.get()), (56, 514));
            assert_eq!(String::from_utf16_lossy(&text(name)), r"\Device\HarddiskVolume1\kept");
            assert_eq!(nt_ex::pool::size_of_block(first as *const u8), None, "the first one is freed");
            assert_eq!(flt_check_and_grow_name_control(address, 0xFFFE), Ok(NtStatus::SUCCESS));
            assert_eq!((name.Length.get(), name.MaximumLength.get()), (56, 0xFFFE));
            assert_eq!(String::from_utf16_lossy(&text(name)), r"\Device\HarddiskVolume1\kept");
            NtStatus::SUCCESS
        });
        assert_eq!(outside(stage, &stage.instance, OPENED | FILESYSTEM_ONLY), below_volume(r"\kept"));
        assert_eq!(stage.rules(), Vec::<&str>::new());
        answers(|_, control, _| {
            control.Name.Buffer.set(std::ptr::null_mut());
            NtStatus::SUCCESS
        });
        assert_eq!(
            outside(stage, &stage.instance, OPENED | FILESYSTEM_ONLY),
            Err(NtStatus::INVALID_PARAMETER)
        );
        assert_eq!(stage.rules(), ["NAME-57"]);
        assert_eq!(stage.core.findings()[0].driver, "provider");
    });
    for null in [true, false] {
        on_stage(USUAL, |stage| {
            let address = if null { 0 } else { memory(64) };
            assert!(flt_check_and_grow_name_control(address, 16).is_err());
            assert!(stage.core.bug_checked().is_some_and(|check| check.message.contains("no name control")));
        });
    }
}
