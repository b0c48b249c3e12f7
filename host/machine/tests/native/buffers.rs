//! Swapped and locked buffers, as the drivers `swaptest` and `swapall` see them.

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{Machine, NtStatus, Stopped};
use nt_abi::{
    DO_BUFFERED_IO, DO_DIRECT_IO, FILE_NO_INTERMEDIATE_BUFFERING, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
    FLTFL_CALLBACK_DATA_IRP_OPERATION, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, IRP_MJ_CREATE,
    IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, IRP_NOCACHE, IRP_PAGING_IO,
    file_information_class as class,
};

use crate::other_volume::{self, Behaviour, DATA};
use crate::support::*;

/// Places in swaptest's values; results.h has them.
const BUFFER: usize = 0;
const MDL: usize = 1;
const NEW_BUFFER: usize = 2;
const NEW_MDL: usize = 3;
const POST_BUFFER: usize = 4;
const POST_MDL: usize = 5;
const IRQL: usize = 6;
const FLAGS: usize = 7;

fn noncached(session: &Session, name: &str) -> Result<Handle, Stopped> {
    let path = altimeter::utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OPEN_IF)
        .options(FILE_NO_INTERMEDIATE_BUFFERING | nt_abi::FILE_NON_DIRECTORY_FILE);
    Ok(session.open(&request)?.expect("a file").handle)
}

/// Writes and reads a sector without cache, and lists the directory `swapdir`: IRPs. Every byte has to come back.
fn transfers(machine: &Machine) {
    machine
        .run(|session| {
            let handle = noncached(session, "swap")?;
            let data: Vec<u8> = (0..512).map(|i| i as u8 ^ 0x21).collect();
            assert_eq!(session.write(&handle, Some(0), &data)?.status, NtStatus::SUCCESS);
            let mut back = [0; 512];
            assert_eq!(session.read(&handle, Some(0), &mut back)?.information, 512);
            assert_eq!(back[..], data[..]);
            session.close(handle)?;
            let path = altimeter::utf16("\\swapdir");
            let directory = OpenRequest::on_volume(&path)
                .access(nt_abi::FILE_LIST_DIRECTORY)
                .disposition(nt_abi::FILE_OPEN_IF)
                .options(nt_abi::FILE_DIRECTORY_FILE);
            let handle = session.open(&directory)?.expect("a directory").handle;
            let inside = altimeter::utf16("\\swapdir\\inside");
            let file = OpenRequest::on_volume(&inside).disposition(nt_abi::FILE_OPEN_IF);
            let file = session.open(&file)?.expect("a file").handle;
            session.close(file)?;
            let mut page = [0; 1024];
            let listed = session.query_directory(
                &handle,
                class::FileNamesInformation,
                &mut page,
                None,
                false,
                false,
            )?;
            assert_eq!(listed.status, NtStatus::SUCCESS);
            let name: Vec<u8> =
                altimeter::utf16("inside").iter().flat_map(|unit| unit.to_le_bytes()).collect();
            assert!(page.windows(name.len()).any(|window| window == name), "{page:?}");
            session.close(handle)
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()));
}

const TRANSFERS: [u8; 3] = [IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DIRECTORY_CONTROL];

/// Three filters: one that looks, `mode`, one that looks; after the transfers. None of their own checks failed.
fn between_observers(mode: &str, more: &str) -> (Machine, [SwapResults; 3]) {
    let machine = machine();
    swapper(&machine, "top", "143000", &["Mode=sz:observe"]);
    swapper(&machine, "middle", "142000", &[&format!("Mode=sz:{mode}"), more]);
    swapper(&machine, "bottom", "141000", &["Mode=sz:observe"]);
    transfers(&machine);
    let seen = ["top", "middle", "bottom"].map(|name| swap_results(&machine, name));
    for one in &seen {
        assert_eq!(one.failed_lines, vec![], "{mode}");
    }
    (machine, seen)
}

#[test]
fn a_swapped_pair_is_seen_below_and_the_old_one_by_the_swapper_and_above() {
    // spec: SWAP-05, SWAP-06, SWAP-08, SWAP-16, SWAP-17, SWAP-19
    let (machine, [top, middle, bottom]) = between_observers("swap", "Expect=dword:0");
    for major in TRANSFERS {
        let [above, own, below] = [&top, &middle, &bottom].map(|seen| seen.of(major));
        assert_ne!((own[NEW_BUFFER], own[NEW_MDL]), (0, 0), "{major:#x}");
        assert_ne!(own[NEW_BUFFER], own[BUFFER]);
        for shown in [
            (above[BUFFER], above[MDL]),
            (above[POST_BUFFER], above[POST_MDL]),
            (own[POST_BUFFER], own[POST_MDL]),
        ] {
            assert_eq!(shown, (own[BUFFER], own[MDL]), "{major:#x}");
        }
        for shown in [(below[BUFFER], below[MDL]), (below[POST_BUFFER], below[POST_MDL])] {
            assert_eq!(shown, (own[NEW_BUFFER], own[NEW_MDL]), "{major:#x}");
        }
    }
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_swap_without_mdl_has_none_unless_a_lower_layer_makes_one() {
    // spec: SWAP-17, SWAP-18
    let (machine, _) = between_observers("swap-no-mdl", "Expect=dword:0");
    machine.unload_all();
    assert_clean(&machine);

    let machine = self::machine();
    swapper(&machine, "upper", "142000", &["Mode=sz:swap-no-mdl", "Expect=dword:1"]);
    swapper(&machine, "lower", "141000", &["Mode=sz:lock"]);
    transfers(&machine);
    for name in ["upper", "lower"] {
        assert_eq!(swap_results(&machine, name).failed_lines, vec![], "{name}");
    }
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn an_mdl_that_the_file_system_makes_is_the_swappers() {
    // spec: SWAP-18, SWAP-19
    let machine = machine();
    other_volume::add(&machine, Behaviour { mdl: true, ..Behaviour::default() });
    swapper(&machine, "r", "142000", &["Mode=sz:swap-no-mdl", "Expect=dword:1"]);
    assert_eq!(read_other(&machine), (512, vec![DATA; 512]));
    assert_eq!(swap_results(&machine, "r").failed_lines, vec![]);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn an_mdl_can_be_swapped_alone() {
    // spec: SWAP-18, SWAP-16
    let machine = machine();
    swapper(&machine, "top", "143000", &["Mode=sz:lock"]);
    swapper(&machine, "middle", "142000", &["Mode=sz:swap-mdl"]);
    swapper(&machine, "bottom", "141000", &["Mode=sz:observe"]);
    transfers(&machine);
    for name in ["top", "middle", "bottom"] {
        assert_eq!(swap_results(&machine, name).failed_lines, vec![], "{name}");
    }
    let (middle, bottom) = (swap_results(&machine, "middle"), swap_results(&machine, "bottom"));
    for major in TRANSFERS {
        let (own, below) = (middle.of(major), bottom.of(major));
        assert_eq!((below[BUFFER], below[MDL]), (own[BUFFER], own[NEW_MDL]), "{major:#x}");
    }
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_retained_mdl_is_the_filters() {
    // spec: SWAP-20
    let (machine, _) = between_observers("swap-retain", "Expect=dword:0");
    machine.unload_all();
    assert_clean(&machine);
    let (machine, _) = between_observers("swap-retain", "Expect=dword:1");
    machine.unload_all();
    let findings = machine.report().findings;
    assert!(
        !findings.is_empty() && findings.iter().all(|f| f.rule == "pool-leak" && f.driver == "middle"),
        "{findings:?}"
    );
}

/// Runs the transfers through swaptest in `mode`, with a filter above that makes MDLs when `locked`.
fn misuse(mode: &str, more: &str, locked: bool) -> Vec<String> {
    let machine = machine();
    if locked {
        swapper(&machine, "locker", "143000", &["Mode=sz:lock"]);
    }
    swapper(&machine, "r", "142000", &[&format!("Mode=sz:{mode}"), more]);
    machine
        .run(|session| {
            let handle = noncached(session, "swap")?;
            session.write(&handle, Some(0), &[7; 512])?;
            session.read(&handle, Some(0), &mut [0; 512])?;
            session.close(handle)
        })
        .unwrap_or_else(|Stopped| panic!("{mode}: {:?}", machine.report()));
    let seen = swap_results(&machine, "r");
    assert_eq!(seen.failed_lines, vec![], "{mode}");
    machine.unload_all();
    let findings = machine.report().findings;
    assert!(findings.iter().all(|finding| finding.driver == "r"), "{mode}: {findings:?}");
    let mut rules: Vec<String> = findings.into_iter().map(|finding| finding.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn what_swappers_do_wrong_is_reported() {
    // spec: SWAP-15, SWAP-20, SWAP-21, SWAP-22, SWAP-24, SWAP-25, PEND-18
    assert_eq!(misuse("swap-free-mdl", "Expect=dword:0", false), ["SWAP-20"]);
    assert_eq!(misuse("swap-leak", "Expect=dword:0", false), ["SWAP-22"]);
    assert_eq!(misuse("swap-early", "Expect=dword:0", false), ["PEND-18", "SWAP-21", "SWAP-25"]);
    assert_eq!(misuse("swap-stale", "Expect=dword:0", true), ["SWAP-16"]);
    assert_eq!(misuse("lock-free", "Expect=dword:0", false), ["SWAP-15"]);
    assert_eq!(misuse("swap-short", "Expect=dword:0", false), ["SWAP-24"]);
    // The same, said by its MDL.
    assert_eq!(misuse("swap-short", "Expect=dword:1", false), ["SWAP-24"]);
}

#[test]
fn special_pool_finds_a_swapped_buffer_that_the_file_system_overruns() {
    // spec: SWAP-24
    let machine = Machine::boot(altimeter::Options { special_pool: true, ..altimeter::Options::default() });
    let machine = machine.expect("it boots");
    swapper(&machine, "r", "142000", &["Mode=sz:swap-short", "Expect=dword:2"]);
    let done = machine
        .run(|session| {
            let handle = noncached(session, "swap")?;
            let done = session.write(&handle, Some(0), &[7; 512])?;
            session.close(handle)?;
            Ok(done)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_eq!(done.status, NtStatus::INVALID_USER_BUFFER);
    let findings = machine.report().findings;
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(findings.iter().all(|f| f.rule == "SWAP-24" && f.driver == "r"), "{findings:?}");
    // When it was swapped in: the callback, and the allocation.
    assert!(
        messages[0].contains("too small") && messages[0].contains("allocated at swaptest.sys+0x"),
        "{messages:?}"
    );
    assert!(findings[0].places[0].contains("PreOperation at swaptest.c"), "{findings:?}");
    // When it was overrun: the file system, and the allocation.
    assert!(
        messages[1].contains("the file system moved data") && messages[1].contains("past the end"),
        "{messages:?}"
    );
    assert!(findings[1].places[0].contains("swaptest.sys"), "{findings:?}");
}

#[test]
fn a_locked_buffer_has_an_mdl_until_the_operation_is_over() {
    // spec: SWAP-02, SWAP-06, SWAP-07, SWAP-11, SWAP-12, SWAP-13, SWAP-14, SWAP-15
    for mode in ["lock", "lock-late"] {
        let (machine, [top, middle, bottom]) = between_observers(mode, "Expect=dword:0");
        for major in TRANSFERS {
            let made = middle.of(major)[POST_MDL];
            assert_ne!(made, 0, "{mode} {major:#x}");
            assert_eq!(top.of(major)[MDL], 0, "nobody above had one before");
            assert_eq!(top.of(major)[POST_MDL], made, "it describes their buffer, too");
            assert_eq!(bottom.of(major)[MDL], if mode == "lock" { made } else { 0 });
        }
        with_file(&machine, "other", |session, handle| {
            session.query_information(handle, class::FileStandardInformation, &mut [0; 24])?;
            session.set_information(handle, class::FileEndOfFileInformation, &5u64.to_le_bytes())?;
            session.flush(handle)
        });
        assert_eq!(swap_results(&machine, "middle").failed_lines, vec![]);
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn an_address_of_a_program_arrives_unchecked_and_cannot_be_locked_when_it_is_bad() {
    // spec: SWAP-04, SWAP-11
    const BAD: usize = 0x10;
    const FSCTL_LOCK_BAD: u32 = 0x9_3C03;
    let ask = |address: usize, expect: &str| {
        let machine = machine();
        swapper(&machine, "r", "142000", &["Mode=sz:lock-bad", expect]);
        let ran = machine.run(|session| {
            let handle = noncached(session, "swap")?;
            let buffers = nt_io::ControlBuffers {
                output: address,
                output_length: 64,
                ..nt_io::ControlBuffers::default()
            };
            let none = nt_io::Asynchronous::default();
            nt_io::nt_fs_control_file(handle.value(), &none, FSCTL_LOCK_BAD, buffers)?;
            session.close(handle)
        });
        (machine, ran.is_ok())
    };
    let (machine, ran) = ask(BAD, "Expect=dword:0");
    let seen = swap_results(&machine, "r");
    let values = seen.of(nt_abi::IRP_MJ_FILE_SYSTEM_CONTROL);
    let refused = u64::from(NtStatus::ACCESS_VIOLATION.bits());
    assert_eq!((ran, values[BUFFER], values[NEW_BUFFER], values[NEW_MDL]), (true, BAD as u64, refused, 0));
    assert_eq!(seen.failed_lines, vec![]);
    let (machine, ran) = ask(BAD, "Expect=dword:1");
    let check = machine.report().bug_check.expect("an unprobed access is the driver's fault");
    assert_eq!((ran, check.driver.as_str()), (false, "r"));
}

#[test]
fn fast_io_has_the_callers_address_and_no_mdl() {
    // spec: SWAP-03, SWAP-17, SWAP-23
    let machine = machine();
    swapper(&machine, "top", "143000", &["Mode=sz:observe"]);
    swapper(&machine, "middle", "142000", &["Mode=sz:swap"]);
    swapper(&machine, "bottom", "141000", &["Mode=sz:observe"]);
    cached_twice(&machine);
    let [top, middle, bottom] = ["top", "middle", "bottom"].map(|name| swap_results(&machine, name));
    for major in [IRP_MJ_READ, IRP_MJ_WRITE] {
        let [above, own, below] = [&top, &middle, &bottom].map(|seen| seen.of(major));
        assert_eq!(above[FLAGS] as u32 & 7, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, "the second one of each");
        assert_eq!((above[BUFFER], above[MDL], own[NEW_MDL]), (own[BUFFER], 0, 0));
        assert_eq!((below[BUFFER], below[MDL]), (own[NEW_BUFFER], 0));
    }
    for seen in [&top, &middle, &bottom] {
        assert_eq!(seen.failed_lines, vec![]);
    }
    machine.unload_all();
    assert_clean(&machine);

    let machine = self::machine();
    swapper(&machine, "r", "142000", &["Mode=sz:swap-fast-mdl"]);
    cached_twice(&machine);
    assert_eq!(swap_results(&machine, "r").failed_lines, vec![]);
    assert_found(&machine, "SWAP-23", "r");
}

/// Reads and writes through the cache; the second transfer of each kind is fast I/O.
fn cached_twice(machine: &Machine) {
    with_file(machine, "swap", |session, handle| {
        for round in [1u8, 2] {
            assert_eq!(session.write(handle, Some(0), &[round; 100])?.information, 100);
            let mut back = [0; 100];
            assert_eq!(session.read(handle, Some(0), &mut back)?.information, 100);
            assert_eq!(back, [round; 100]);
        }
        Ok(())
    });
}

#[test]
fn fast_io_can_be_locked() {
    // spec: SWAP-13
    let machine = machine();
    swapper(&machine, "r", "142000", &["Mode=sz:lock"]);
    cached_twice(&machine);
    let seen = swap_results(&machine, "r");
    for major in [IRP_MJ_READ, IRP_MJ_WRITE] {
        assert_eq!(seen.of(major)[FLAGS] as u32 & 7, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION);
        assert_ne!(seen.of(major)[POST_MDL], 0);
    }
    assert_eq!(seen.failed_lines, vec![]);
    machine.unload_all();
    assert_clean(&machine);
}

fn open_other(session: &Session, asynchronous: bool) -> Result<Handle, Stopped> {
    let path = altimeter::utf16(r"\??\D:\swap");
    let request = OpenRequest::absolute(&path).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE);
    let request = if asynchronous { request.asynchronous() } else { request };
    Ok(session.open(&request)?.expect("a file").handle)
}

/// Reads 512 bytes from D:, by a handle for asynchronous I/O.
fn read_other(machine: &Machine) -> (usize, Vec<u8>) {
    machine
        .run(|session| {
            let handle = open_other(session, true)?;
            let (done, data) = other_volume::read(&handle, 512)?;
            assert_eq!(done.status, NtStatus::SUCCESS);
            session.close(handle)?;
            Ok((done.information, data))
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()))
}

#[test]
fn the_volume_device_says_how_reads_and_writes_are_buffered() {
    // spec: SWAP-01, SWAP-13, SWAP-16
    let buffered = u64::from(FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_SYSTEM_BUFFER);
    let other = u64::from(FLTFL_CALLBACK_DATA_IRP_OPERATION);
    for (flags, expected, has_mdl) in [
        (0, other, false),
        (DO_DIRECT_IO, other, true),
        (DO_BUFFERED_IO, buffered, false),
        (DO_BUFFERED_IO | DO_DIRECT_IO, buffered, false),
    ] {
        for mode in ["swap", "lock", "swap-no-mdl"] {
            let machine = machine();
            let seen = other_volume::add(&machine, Behaviour { flags, ..Behaviour::default() });
            swapper(&machine, "r", "142000", &[&format!("Mode=sz:{mode}")]);
            let case = format!("{flags:#x} {mode}");
            machine
                .run(|session| {
                    let handle = open_other(session, false)?;
                    assert_eq!(session.write(&handle, Some(0), &[9; 512])?.information, 512);
                    let mut back = [0; 512];
                    assert_eq!(session.read(&handle, Some(0), &mut back)?.information, 512);
                    assert_eq!(back, [DATA; 512], "{case}");
                    session.close(handle)
                })
                .unwrap_or_else(|Stopped| panic!("{case}: {:?}", machine.report()));
            assert_eq!(seen.written.load(std::sync::atomic::Ordering::Relaxed), 9, "{case}");
            let results = swap_results(&machine, "r");
            assert_eq!(results.failed_lines, vec![], "{case}");
            for major in [IRP_MJ_READ, IRP_MJ_WRITE] {
                let values = results.of(major);
                assert_eq!((values[FLAGS], values[MDL] != 0), (expected, has_mdl), "{case} {major:#x}");
            }
            machine.unload_all();
            assert_clean(&machine);
        }
    }
}

#[test]
fn a_system_buffer_that_the_file_system_makes_has_the_data() {
    // spec: SWAP-25, CBD-09
    for (driver, mode) in [("swaptest", "swap"), ("swaptest", "observe"), ("swapall", "")] {
        let machine = machine();
        other_volume::add(&machine, Behaviour { system_buffer: true, ..Behaviour::default() });
        if driver == "swaptest" {
            swapper(&machine, "r", "142000", &[&format!("Mode=sz:{mode}")]);
        } else {
            swap_all(&machine, "swapall");
        }
        machine
            .run(|session| {
                let handle = open_other(session, false)?;
                let mut page = [0; 256];
                let names = class::FileNamesInformation;
                let done = session.query_directory(&handle, names, &mut page, None, false, false)?;
                assert_eq!((done.status, page), (NtStatus::SUCCESS, [DATA; 256]), "{driver} {mode}");
                session.close(handle)
            })
            .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()));
        if driver == "swaptest" {
            assert_eq!(swap_results(&machine, "r").failed_lines, vec![], "{mode}");
        }
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn completion_work_below_dispatch_level_runs_at_once() {
    // spec: PEND-15
    let machine = machine();
    other_volume::add(&machine, Behaviour::default());
    swapper(&machine, "r", "142000", &["Mode=sz:when-safe", "Expect=dword:0"]);
    assert_eq!(read_other(&machine), (512, vec![DATA; 512]));
    assert_eq!(swap_results(&machine, "r").failed_lines, vec![]);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn completion_work_at_dispatch_level_runs_in_a_worker() {
    // spec: PEND-16, PEND-17, PEND-05
    for expect in ["Expect=dword:1", "Expect=dword:2"] {
        let machine = machine();
        other_volume::add(&machine, Behaviour { high: true, ..Behaviour::default() });
        swapper(&machine, "top", "143000", &["Mode=sz:observe"]);
        swapper(&machine, "middle", "142000", &["Mode=sz:when-high", expect]);
        swapper(&machine, "bottom", "141000", &["Mode=sz:observe"]);
        // Some are complete before their issuer has left; those complete in its thread.
        let mut high = 0;
        for _ in 0..1000 {
            let before = swap_results(&machine, "middle").high;
            assert_eq!(read_other(&machine), (512, vec![DATA; 512]));
            let was_high = swap_results(&machine, "middle").high != before;
            high += u32::from(was_high);
            for (name, irql) in [("bottom", if was_high { 2 } else { 0 }), ("middle", 0), ("top", 0)] {
                let seen = swap_results(&machine, name);
                assert_eq!(seen.failed_lines, vec![], "{expect} {name}");
                assert_eq!(seen.of(IRP_MJ_READ)[IRQL], irql, "{expect} {name}");
            }
            if high == 5 {
                break;
            }
        }
        assert_eq!(high, 5, "{expect}");
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn a_programs_buffer_that_is_copied_to_at_dispatch_level_is_reported() {
    // spec: SWAP-10
    let touching = |behaviour| {
        let machine = machine();
        other_volume::add(&machine, behaviour);
        swapper(&machine, "r", "142000", &["Mode=sz:touch-high"]);
        for _ in 0..1000 {
            read_other(&machine);
            if swap_results(&machine, "r").high != 0 {
                break;
            }
        }
        assert_ne!(swap_results(&machine, "r").high, 0);
        machine
    };
    let machine = touching(Behaviour { high: true, ..Behaviour::default() });
    assert_found(&machine, "SWAP-10", "r");
    // Through an MDL the memory is there.
    assert_clean(&touching(Behaviour { high: true, flags: DO_DIRECT_IO, ..Behaviour::default() }));
}

#[test]
fn paging_io_at_dispatch_level_cannot_be_put_off() {
    // spec: PEND-16, PEND-19
    let machine = machine();
    other_volume::add(&machine, Behaviour { high: true, ..Behaviour::default() });
    swapper(&machine, "r", "142000", &["Mode=sz:when-paging"]);
    machine
        .run(|session| {
            let handle = open_other(session, true)?;
            for _ in 0..200 {
                other_volume::raw_read(&handle, 512, IRP_PAGING_IO | IRP_NOCACHE, 0)?;
            }
            session.close(handle)
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()));
    let seen = swap_results(&machine, "r");
    assert_eq!((seen.failed_lines, seen.high != 0), (vec![], true));
    assert!(rules(&machine).iter().all(|rule| rule == "PEND-19"));
    assert_found(&machine, "PEND-19", "r");
}

#[test]
fn an_operation_with_a_swapped_buffer_is_waited_for_and_not_drained() {
    // spec: SWAP-16, LIFE-17
    let machine = machine();
    let below = other_volume::add(&machine, Behaviour { hold: true, ..Behaviour::default() });
    swapper(&machine, "r", "142000", &["Mode=sz:swap"]);
    let held = || below.held.load(std::sync::atomic::Ordering::Acquire);
    let going = || swap_results(&machine, "r").of(IRP_MJ_CREATE)[0] == 1;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_other(&machine));
        while !held() {
            std::thread::yield_now();
        }
        let results = scope.spawn(|| {
            while !going() {
                std::thread::yield_now();
            }
            let before = swap_results(&machine, "r").of(IRP_MJ_READ);
            below.let_go();
            before
        });
        machine.unload_all();
        assert_eq!(reader.join().expect("the reader"), (512, vec![DATA; 512]));
        let before = results.join().expect("the watcher");
        assert_eq!(
            (before[NEW_BUFFER] != 0, before[POST_BUFFER]),
            (true, 0),
            "no post callback before the end"
        );
    });
    assert_eq!(failed_at_unload(&machine, "r"), 0);
    assert_clean(&machine);
}

#[test]
fn an_mdl_read_says_so_in_its_minor_function_and_is_not_swapped() {
    // spec: SWAP-09
    let machine = machine();
    let below = other_volume::add(&machine, Behaviour::default());
    recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
    swap_all(&machine, "swapall");
    let buffer = machine
        .run(|session| {
            let handle = open_other(session, true)?;
            let buffer = other_volume::raw_read(&handle, 512, 0, nt_abi::IRP_MN_MDL)?;
            session.close(handle)?;
            Ok(buffer)
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()));
    for entry in results(&machine, "r").entries {
        assert_eq!(entry.minor & nt_abi::IRP_MN_MDL != 0, entry.major == IRP_MJ_READ, "{entry:?}");
    }
    let load = std::sync::atomic::Ordering::Relaxed;
    assert_eq!((below.minor.load(load), below.user_buffer.load(load)), (nt_abi::IRP_MN_MDL.into(), buffer));
    assert_clean(&machine);
}

#[test]
fn swapall_copies_back_at_every_irql_and_method() {
    // spec: SWAP-16, PEND-16
    for behaviour in [
        Behaviour::default(),
        Behaviour { high: true, ..Behaviour::default() },
        Behaviour { high: true, flags: DO_DIRECT_IO, ..Behaviour::default() },
        Behaviour { high: true, flags: DO_BUFFERED_IO, ..Behaviour::default() },
    ] {
        let machine = machine();
        other_volume::add(&machine, behaviour);
        recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
        swap_all(&machine, "swapall");
        assert_eq!(read_other(&machine), (512, vec![DATA; 512]));
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn a_swapping_filter_can_go_while_others_read_and_write() {
    // spec: SWAP-16, CTX-49
    let machine = machine();
    swap_all(&machine, "swapall0");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let rounds = std::sync::atomic::AtomicU32::new(0);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        for thread in 0..3u8 {
            let (machine, stop, rounds) = (&machine, &stop, &rounds);
            scope.spawn(move || {
                let work = |session: &Session| {
                    let name = format!("file{thread}");
                    let cached = create(session, &name)?.expect("a file");
                    let direct = noncached(session, &name)?;
                    let mut round = 0u8;
                    while !stop.load(relaxed) {
                        round = round.wrapping_add(1);
                        let handles =
                            if round.is_multiple_of(2) { (&cached, &direct) } else { (&direct, &cached) };
                        assert_eq!(session.write(handles.0, Some(0), &[round; 4096])?.information, 4096);
                        let mut back = [0; 4096];
                        assert_eq!(session.read(handles.1, Some(0), &mut back)?.information, 4096);
                        assert_eq!(back, [round; 4096]);
                        rounds.fetch_add(1, relaxed);
                    }
                    session.close(cached)?;
                    session.close(direct)
                };
                machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
            });
        }
        let pass = |count: u32| {
            let goal = rounds.load(relaxed) + count;
            while rounds.load(relaxed) < goal && machine.report().bug_check.is_none() {
                std::thread::yield_now();
            }
        };
        for round in 0..10 {
            pass(100);
            let name = altimeter::utf16(&format!("swapall{round}"));
            let unload = |_: &Session| Ok(fltmgr::flt_unload_filter(&name, fltmgr::Unload::Filter)?);
            assert_eq!(machine.run(unload), Ok(NtStatus::SUCCESS));
            pass(20);
            swap_all(&machine, &format!("swapall{}", round + 1));
        }
        stop.store(true, relaxed);
    });
    machine.unload_all();
    assert_clean(&machine);
}
