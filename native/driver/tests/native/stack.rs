//! Stacks and names in reports.

use std::path::Path;

use boundary::Raise;
use nt_abi::NativeFn;

use crate::support::*;

/// Unwind information of `push rbx; sub rsp, 20h`, and of `sub rsp, 28h`.
const PUSH_AND_ALLOCATE: &[u8] = &[1, 5, 2, 0, 5, 0x32, 1, 0x30];
const ALLOCATE: &[u8] = &[1, 4, 1, 0, 4, 0x42, 0, 0];

/// Entry at 0 calls a function at 0x40, which ends with `ending`.
fn nested(ending: &[u8]) -> Vec<u8> {
    let code = Code::default()
        .raw(ENTER)
        .relative(&[0xE8], TEXT + 0x40)
        .raw(LEAVE)
        .pad_to(0x40)
        .raw(&[0x53, 0x48, 0x83, 0xEC, 0x20])
        .raw(ending)
        .pad_to(0x80);
    let functions: &[(u32, u32, &[u8])] = &[(0, 0xE, ALLOCATE), (0x40, 0x80, PUSH_AND_ALLOCATE)];
    with_imports(with_functions(image(&code), functions), &["Missing".into()]).build()
}

/// Offsets of the stack of the bug check that loading ends with.
fn stack_of(file: &[u8]) -> Vec<usize> {
    let machine = Machine::boot();
    machine.run(|| assert!(load_from("tiny.sys", file, &ALL).is_err()));
    let check = machine.core().bug_checked().expect("a bug check");
    check.stack.iter().map(|at| machine.images().resolve(*at).map_or(0, |place| place.offset)).collect()
}

#[test]
fn a_fault_shows_the_frames_above_it() {
    // mov byte ptr [0], al, with a 32-bit address.
    let fault: &[u8] = &[0x88, 0x04, 0x25, 0, 0, 0, 0];
    assert_eq!(stack_of(&nested(fault)), [0x1045, 0x1009]);
}

#[test]
fn a_bug_check_in_an_export_shows_the_frames_above_its_call() {
    let call = Code(vec![0; 0x45]).call_through(import(0)).0[0x45..].to_vec();
    assert_eq!(stack_of(&nested(&call)), [0x104B, 0x1009]);
}

#[test]
fn a_call_of_a_null_pointer_shows_who_called() {
    // xor eax, eax; call rax
    assert_eq!(stack_of(&nested(&[0x31, 0xC0, 0xFF, 0xD0])), [0, 0x1049, 0x1009]);
}

#[test]
fn without_symbols_functions_are_named_by_their_bounds() {
    let machine = Machine::boot();
    let file = with_functions(image(&Code::default().raw(SUCCEED).pad_to(0x80)), &[(0x40, 0x80, ALLOCATE)]);
    let base = machine.run(|| load(&file.build()).expect("it loads").image().0);
    let place = machine.images().resolve(base + 0x1045).expect("in the image");
    assert_eq!((place.symbol.as_str(), place.function_offset), ("sub_1040+0x5", Some(5)));
    assert_eq!(machine.images().describe(base + 0x1045), "tiny.sys+0x1045 (sub_1040+0x5)");
    assert_eq!(machine.images().describe(base + 0x3010), "tiny.sys+0x3010");
}

/// Calls `PreCreate` of the sample for an open of a file called `word`.
fn pre_create(machine: &Machine, word: &str) -> Result<u64, Raise> {
    let (path, file) = sample("badapples.sys");
    let path = path.to_str().expect("a path in UTF-8").to_owned();
    machine.run(|| {
        let request = driver::LoadRequest {
            file: &path,
            service: "badapples",
            registry_path: r"\Registry\Machine\System\CurrentControlSet\Services\badapples",
            image: &file,
            resolver: &Everything,
        };
        let base = driver::load(&request)?.expect("it loads").image().0;
        let parsed = pe::Image::parse(&file).expect("a good image");
        let function = parsed.runtime_functions.iter().map(|function| base + function.begin as usize);
        let function = function
            .filter_map(|at| Some((at, machine.images().resolve(at)?)))
            .find(|(_, place)| place.function == "PreCreate")
            .expect("its symbols name it")
            .0;
        // FLT_RELATED_OBJECTS (FileObject at 0x20), FILE_OBJECT (FileName at 0x58), the name, the callback data.
        let block = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, 0x800, 1).expect("pool");
        let block = block.as_ptr() as usize;
        let name: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let put = |offset: usize, value: u64| boundary::copy::write_value(block + offset, value);
        put(0x20, block as u64 + 0x100)?;
        put(0x158, name.len() as u64)?;
        put(0x160, block as u64 + 0x300)?;
        boundary::copy::write(block + 0x300, &name)?;
        boundary::call(NativeFn(function), [block as u64 + 0x400, block as u64, 0])
    })
}

/// The functions on the stack of the bug check that `word` leads to.
fn functions(machine: &Machine, word: &str) -> Vec<String> {
    assert_eq!(pre_create(machine, word), Err(Raise::Stop), "{word}");
    let check = machine.core().bug_checked().expect("a bug check");
    let places = check.stack.iter().map(|at| machine.images().resolve(*at));
    places.map(|place| place.map_or(String::new(), |place| place.function)).collect()
}

#[test]
fn frames_that_clang_built_are_walked_from_a_fault() {
    let machine = Machine::boot();
    assert_eq!(functions(&machine, "crash"), ["Crash", "PreCreate"]);
    let check = machine.core().bug_checked().expect("a bug check");
    let place = machine.images().resolve(check.stack[0]).expect("in the driver");
    assert_eq!(place.file, "badapples.c");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/badapples/badapples.c");
    let source = std::fs::read_to_string(source).expect("the sample's source");
    let line = source.lines().nth(place.line as usize - 1).expect("a line of it");
    assert!(line.contains("0xBAD"), "line {} is {line:?}", place.line);
}

#[test]
fn frames_that_clang_built_are_walked_from_the_call_of_an_export() {
    let machine = Machine::boot();
    assert_eq!(functions(&machine, "boom"), ["Boom", "PreCreate"]);
}

/// Two functions with frames and the line of a fault in the inner one, as CodeView.
const SOURCE: &str = "volatile int *P;
static int __declspec(noinline) Inner(int x) { volatile char f[100]; f[x & 63] = 1;
  *P = 5;
  return f[3]; }
int DriverEntry(void *a, void *b) { return Inner(3) + 1; }
";

/// Runs a tool of `cargo xtask setup` in `folder`.
fn tool(folder: &Path, line: &str) {
    let mut words = line.split(' ');
    let mut command = std::process::Command::new(words.next().expect("a program"));
    let done = command.args(words).current_dir(folder).output();
    let done = done.unwrap_or_else(|error| panic!("{line}: {error}; `cargo xtask setup` installs it"));
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_pdb_names_functions_and_lines_only_if_it_belongs_to_the_image() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("inner.c"), SOURCE).expect("written");
    tool(
        folder.path(),
        "clang-19 -target x86_64-pc-windows-msvc -c -O2 -ffreestanding -fms-extensions -g -gcodeview \
         -fasynchronous-unwind-tables inner.c -o inner.o",
    );
    let link = "lld-link-19 /nologo /driver /subsystem:native /entry:DriverEntry /nodefaultlib /debug /out:inner.sys";
    tool(folder.path(), &format!("{link} inner.o"));
    let path = folder.path().join("inner.sys");
    let file = std::fs::read(&path).expect("linked");
    let places = || {
        let machine = Machine::boot();
        machine.run(|| assert!(load_from(path.to_str().expect("UTF-8"), &file, &ALL).is_err()));
        let check = machine.core().bug_checked().expect("a bug check").clone();
        check.stack.iter().filter_map(|at| machine.images().resolve(*at)).collect::<Vec<_>>()
    };
    let named = places();
    assert_eq!(named[0].symbol, "Inner at inner.c:3");
    assert_eq!(named[1].symbol, "DriverEntry at inner.c:5");
    assert!(named[0].function_offset.is_some_and(|offset| offset > 0));
    // The PDB of another build.
    tool(folder.path(), &format!("{link} /base:0x180000000 inner.o"));
    std::fs::write(&path, &file).expect("written");
    assert!(places()[0].symbol.starts_with("sub_"), "{:?}", places()[0]);
}
