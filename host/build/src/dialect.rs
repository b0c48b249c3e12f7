//! How clang is told to compile for the Windows kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Kit, Prepared, Tools};

/// Target and language, the same for drivers and run-time sources.
const LANGUAGE: &[&str] = &[
    "-target",
    "x86_64-pc-windows-msvc",
    "-c",
    "-ffreestanding",
    "-nostdinc",
    "-fms-extensions",
    "-fms-compatibility",
    // A fault in a __try block may come from any instruction.
    "-fasync-exceptions",
    // Functions that cannot throw need unwind tables as well: reports walk their stacks.
    "-fasynchronous-unwind-tables",
    // What Microsoft's compiler does not assume, sources written for it do not obey.
    "-fno-strict-aliasing",
    "-fno-delete-null-pointer-checks",
    "-fwrapv",
    "-fstack-protector-strong",
    "-Xclang",
    "-cfguard",
    "-fdebug-compilation-dir=.",
    "-no-canonical-prefixes",
];

const MACROS: &[&str] = &[
    // mingw-w64's ntifs.h takes its GCC way under clang's MSVC target only with __GNUC__ set.
    "__GNUC__=4",
    "_AMD64_",
    "AMD64",
    "_WIN64",
    "WIN32=100",
    "WINNT=1",
    "UNICODE",
    "_UNICODE",
    "_KERNEL_MODE=1",
    "_WIN32_WINNT=0x0A00",
    "WINVER=0x0A00",
    "NTDDI_VERSION=0x0A000006",
];

/// A variable that several sources declare without a value is one variable.
const C: &[&str] = &["-fcommon"];

/// As Microsoft's compiler does for drivers.
const CPLUSPLUS: &[&str] = &["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"];

/// What Microsoft's compiler accepts, at most with a warning, and sources written for it contain.
const ACCEPTED: &[&str] = &[
    "-Wno-unknown-pragmas",
    "-Wno-ignored-pragmas",
    "-Wno-pragma-pack",
    "-Wno-ignored-attributes",
    "-Wno-four-char-constants",
    "-Wno-multichar",
    "-Wno-microsoft",
    "-Wno-nonportable-include-path",
    "-Wno-extra-tokens",
    "-Wno-comment",
    "-Wno-switch",
    "-Wno-incompatible-pointer-types",
    "-Wno-int-to-void-pointer-cast",
    "-Wno-error=int-conversion",
    "-Wno-error=implicit-int",
    "-Wno-error=return-mismatch",
    "-Wno-error=return-type",
    "-Wno-c++11-narrowing",
    "-Wno-writable-strings",
];

/// The flags for C, or for C++, without those that say where headers are.
pub(crate) fn flags(cplusplus: bool) -> impl Iterator<Item = String> {
    let language = if cplusplus { CPLUSPLUS } else { C };
    let plain = LANGUAGE.iter().chain(language).chain(ACCEPTED).map(|flag| (*flag).to_owned());
    plain.chain(MACROS.iter().map(|name| format!("-D{name}")))
}

/// Header folders in the order in which clang looks: the kit, clang's own, the kernel's (corrected, then as installed),
/// the user's.
pub(crate) fn header_folders(tools: &Tools, kit: &Kit, mended: &Path) -> [PathBuf; 5] {
    let kernel = tools.mingw.join("ddk");
    [kit.root().to_path_buf(), tools.resources.clone(), mended.to_path_buf(), kernel, tools.mingw.clone()]
}

/// clang as a cross compiler for x64 Windows drivers.
pub(crate) fn compiler(prepared: &Prepared, cplusplus: bool) -> Command {
    let mut clang = prepared.tools.clang();
    clang.args(flags(cplusplus));
    clang.arg("-ivfsoverlay").arg(prepared.overlay());
    for folder in prepared.header_folders() {
        clang.arg("-isystem").arg(folder);
    }
    clang.arg(prepared.prefix_map());
    clang
}

/// How lld-link makes a driver of objects. Without `extern "C"`, C++ gives DriverEntry a name of its own.
pub(crate) const LINK: &[&str] = &[
    "/driver",
    "/subsystem:native",
    "/entry:GsDriverEntry",
    "/alternatename:DriverEntry=?DriverEntry@@YAJPEAU_DRIVER_OBJECT@@PEAU_UNICODE_STRING@@@Z",
    "/nodefaultlib",
    "/noimplib",
    "/Brepro",
    "/guard:cf",
    "/opt:ref,noicf",
    "/section:INIT,ERD",
];
