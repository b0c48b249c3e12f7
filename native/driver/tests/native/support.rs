//! A machine without drivers, images of a few instructions, and what they import.

use std::path::PathBuf;
use std::sync::Arc;

use boundary::{Raise, export};
use driver::{Images, LoadError, LoadRequest, LoadedDriver, Loader, Resolver};
use nt_ke::{Config, Core, current_core};

use crate::builder::{self, Builder, CODE, DATA, DISCARDABLE, IMAGE_BASE, relocation_block};

pub const TEXT: u32 = 0x1000;
pub const VARIABLES: u32 = 0x3000;
pub const PDATA: u32 = 0x4000;
pub const INIT: u32 = 0x7000;
pub const IMPORTS: u32 = 0x1_0000;

/// A booted machine; dropping it stops it.
pub struct Machine {
    core: Arc<Core>,
    system: usize,
}

impl Machine {
    pub fn boot() -> Self {
        let core = Core::new(Config::default()).expect("a slot is free");
        let system = core.attach(0, || layers(&core)).expect("a thread fits").expect("nothing raises");
        Self { core, system }
    }

    /// Runs `f` on a thread of the System process.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.core.attach(self.system, f).expect("a thread fits")
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    pub fn images(&self) -> &Images {
        self.core.get::<Loader>().images()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.core.stop();
    }
}

fn layers(core: &Arc<Core>) -> Result<usize, Raise> {
    core.install(Box::new(nt_mm::Mm::new(core).expect("the slot is mapped")));
    core.install(Box::new(nt_ex::Ex::new(core)));
    nt_ob::Ob::boot(core)?.expect("objects");
    nt_se::Se::boot(core)?.expect("security");
    let system = nt_ps::Ps::boot(core)?.expect("processes");
    nt_cm::Cm::boot(core)?.expect("the registry");
    assert!(core.install(nt_io::Io::new()).initialize()?.is_success());
    core.install(Box::new(Loader::new(core)));
    Ok(system)
}

export! {
    /// Succeeds.
    pub fn Nothing() -> u64 [irql <= 15] { Ok(0) }
    /// Returns the status that the tests look for.
    pub fn Answer() -> u32 [irql <= 15] { Ok(ANSWER) }
    /// Allocates pool for its caller.
    pub fn Allocate() -> () [irql <= 2] {
        nt_ex::pool::allocate(nt_ex::pool::PoolKind::NonPaged, 40, u32::from_le_bytes(*b"Leak"), true);
        Ok(())
    }
}

/// What `Answer` returns: a failure, so that `DriverEntry` can hand it on to the test.
pub const ANSWER: u32 = 0xC123_4567;

/// Exports these names, whatever the image; ordinal 7 is `Answer`.
pub struct Names(pub &'static [(&'static str, unsafe extern "win64" fn())]);

impl Resolver for Names {
    fn resolve(&self, _image: &str, symbol: &str) -> Option<usize> {
        self.0.iter().find(|(name, _)| *name == symbol).map(|(_, f)| *f as *const () as usize)
    }
    fn resolve_ordinal(&self, _image: &str, ordinal: u16) -> Option<usize> {
        (ordinal == 7).then_some(Answer as *const () as usize)
    }
}

/// Exports everything but what does not exist; it all does nothing.
pub struct Everything;

impl Resolver for Everything {
    fn resolve(&self, _image: &str, symbol: &str) -> Option<usize> {
        (!symbol.contains("DoesNotExist")).then_some(Nothing as *const () as usize)
    }
}

pub const ALL: Names = Names(&[("Nothing", Nothing), ("Answer", Answer), ("Allocate", Allocate)]);

/// Loads on the current thread; a raise means that the machine has ended.
pub fn load_from(
    file: &str,
    image: &[u8],
    resolver: &dyn Resolver,
) -> Result<Result<LoadedDriver, LoadError>, Raise> {
    let service = file.trim_end_matches(".sys");
    driver::load(&LoadRequest {
        file,
        service,
        registry_path: &format!(r"\Registry\Machine\System\CurrentControlSet\Services\{service}"),
        image,
        resolver,
    })
}

pub fn load(image: &[u8]) -> Result<LoadedDriver, LoadError> {
    load_from("tiny.sys", image, &ALL).expect("the machine goes on")
}

/// The status that the image's `DriverEntry` fails with.
pub fn status_of(image: &[u8]) -> u32 {
    let error = load(image).err().expect("it answers with a failure");
    error.entry_status().unwrap_or_else(|| panic!("{error}")).0 as u32
}

/// Code at the beginning of `.text`.
#[derive(Clone, Default)]
pub struct Code(pub Vec<u8>);

impl Code {
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    /// An instruction that ends with the distance to `rva`.
    pub fn relative(mut self, bytes: &[u8], rva: u32) -> Self {
        self.0.extend_from_slice(bytes);
        let next = TEXT + self.0.len() as u32 + 4;
        self.0.extend_from_slice(&rva.wrapping_sub(next).to_le_bytes());
        self
    }
    /// `call [rva]`.
    pub fn call_through(self, rva: u32) -> Self {
        self.relative(&[0xFF, 0x15], rva)
    }
    /// Fills up with `int 3`.
    pub fn pad_to(mut self, offset: usize) -> Self {
        assert!(self.0.len() <= offset);
        self.0.resize(offset, 0xCC);
        self
    }
}

/// `sub rsp, 28h` and its opposite.
pub const ENTER: &[u8] = &[0x48, 0x83, 0xEC, 0x28];
pub const LEAVE: &[u8] = &[0x48, 0x83, 0xC4, 0x28, 0xC3];
/// `xor eax, eax; ret`.
pub const SUCCEED: &[u8] = &[0x31, 0xC0, 0xC3];

/// An image with code and variables; the first variable holds the address of the second.
pub fn image(code: &Code) -> Builder {
    let mut variables = vec![0u8; 0x100];
    builder::put_u64(&mut variables, 0, &[IMAGE_BASE + u64::from(VARIABLES) + 8]);
    let relocations = relocation_block(VARIABLES, &[(10, 0), (0, 0)]);
    Builder { entry: TEXT, ..Builder::default() }
        .section(b".text", TEXT, &code.0, CODE)
        .section(b".data", VARIABLES, &variables, DATA)
        .section(b".reloc", 0x8000, &relocations, DISCARDABLE)
        .directory(5, 0x8000, relocations.len() as u32)
}

/// Adds imports from `tiny.dll`. The address of import `n` stands at [`import`]`(n)`.
pub fn with_imports(image: Builder, names: &[String]) -> Builder {
    let table = (names.len() as u32 + 1) * 8;
    let (address_table, lookup) = (IMPORTS + 0x40, IMPORTS + 0x40 + table);
    let text = lookup + table;
    let mut strings = b"tiny.dll\0".to_vec();
    let thunks: Vec<u64> = names
        .iter()
        .map(|name| match name.strip_prefix('#') {
            Some(ordinal) => 1 << 63 | ordinal.parse::<u64>().expect("an ordinal"),
            None => {
                let at = text + strings.len() as u32;
                strings.extend_from_slice(&[0, 0]);
                strings.extend_from_slice(name.as_bytes());
                strings.push(0);
                at.into()
            }
        })
        .collect();
    let mut data = vec![0u8; (text - IMPORTS) as usize];
    builder::put_u32(&mut data, 0, &[lookup, 0, 0, text, address_table]);
    builder::put_u64(&mut data, (address_table - IMPORTS) as usize, &thunks);
    builder::put_u64(&mut data, (lookup - IMPORTS) as usize, &thunks);
    data.extend_from_slice(&strings);
    image.section(b".idata", IMPORTS, &data, DATA).directory(1, IMPORTS, 40)
}

/// Where the address of import `n` stands.
pub fn import(n: u32) -> u32 {
    IMPORTS + 0x40 + n * 8
}

/// Adds unwind information: `(begin, end, information)` for each function, offsets in `.text`.
pub fn with_functions(image: Builder, functions: &[(u32, u32, &[u8])]) -> Builder {
    let mut data = vec![0u8; functions.len() * 12];
    for (index, (begin, end, information)) in functions.iter().enumerate() {
        data.resize(data.len().next_multiple_of(4), 0);
        let unwind = PDATA + data.len() as u32;
        builder::put_u32(&mut data, index * 12, &[TEXT + begin, TEXT + end, unwind]);
        data.extend_from_slice(information);
    }
    image.section(b".pdata", PDATA, &data, builder::READ_ONLY).directory(
        3,
        PDATA,
        functions.len() as u32 * 12,
    )
}

/// A number in the memory of a loaded image; the engine's view, whatever the image's own pages allow.
pub fn peek(base: usize, rva: u32) -> u64 {
    let alias = current_core().slot.alias(base + rva as usize);
    boundary::copy::read_value(alias).expect("the alias is always there")
}

/// Whether the driver could read at `rva`.
pub fn is_readable(base: usize, rva: u32) -> bool {
    boundary::copy::read_value::<u8>(base + rva as usize).is_ok()
}

/// One of the built samples.
pub fn sample(name: &str) -> (PathBuf, Vec<u8>) {
    let folder = std::env::var_os("ALTIMETER_DRIVERS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin"), PathBuf::from);
    let path = folder.join(name);
    let bytes = std::fs::read(&path).expect("`cargo xtask drivers` builds the samples");
    (path, bytes)
}
