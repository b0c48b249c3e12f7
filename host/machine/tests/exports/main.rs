//! Exports called by address, as a driver calls them: through their shims, with arguments in registers and on the
//! stack. What each function does in detail is tested where it lives; here it is that drivers reach it.

mod executive;
mod files;
mod filters;
mod objects;
mod processes;
mod registry;
mod runtime;
mod strings;

use std::cell::Cell;

use altimeter::{Machine, Options};
use nt_abi::{NativeFn, STRING, UNICODE_STRING};

/// Calls an export of the kernel. The machine must not stop meanwhile.
pub fn call<const N: usize>(name: &str, arguments: [u64; N]) -> u64 {
    call_in("ntoskrnl.exe", name, arguments)
}

/// Calls an export of an image.
pub fn call_in<const N: usize>(image: &str, name: &str, arguments: [u64; N]) -> u64 {
    let address = exports::resolve(image, name).unwrap_or_else(|| panic!("{name} is not exported"));
    boundary::call(NativeFn(address), arguments).unwrap_or_else(|_| panic!("{name} stopped the machine"))
}

/// The same for a function that returns a status.
pub fn status<const N: usize>(name: &str, arguments: [u64; N]) -> u32 {
    call(name, arguments) as u32
}

/// Runs `f` in a thread of a fresh machine with a volume in memory.
pub fn machine(f: impl FnOnce()) {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    machine
        .run(|_| {
            f();
            Ok(())
        })
        .expect("nothing stops the machine");
}

/// A value that exports change.
pub fn out<T>(value: T) -> &'static Cell<T> {
    Box::leak(Box::new(Cell::new(value)))
}

pub fn at<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// A counted string over units that live as long as the test.
pub fn unicode(text: &str) -> UNICODE_STRING {
    let units = wide(text).leak();
    let string = UNICODE_STRING::default();
    string.Length.set((units.len() * 2) as u16);
    string.MaximumLength.set((units.len() * 2) as u16);
    string.Buffer.set(units.as_mut_ptr());
    string
}

/// An empty string with room for so many bytes.
pub fn room(bytes: u16) -> UNICODE_STRING {
    let string = UNICODE_STRING::default();
    string.MaximumLength.set(bytes);
    string.Buffer.set(vec![0u16; usize::from(bytes / 2)].leak().as_mut_ptr());
    string
}

/// A counted string of bytes.
pub fn narrow(text: &[u8]) -> STRING {
    let bytes = text.to_vec().leak();
    let string = STRING::default();
    string.Length.set(bytes.len() as u16);
    string.MaximumLength.set(bytes.len() as u16);
    string.Buffer.set(bytes.as_mut_ptr());
    string
}

pub fn text(string: &UNICODE_STRING) -> String {
    nt_rtl::UnicodeStr(string).to_text()
}

/// `OBJECT_ATTRIBUTES` of a name, case-insensitive, with a kernel handle.
pub fn attributes(name: &UNICODE_STRING) -> [u64; 6] {
    [0x30, 0, at(name), 0x240, 0, 0]
}
