//! A CMake toolchain file, for projects that are too large for one command line.

use crate::{Prepared, dialect};

/// Its text: compiler, flags, and a link step that makes each executable a driver.
///
/// The objects and libraries that it names are those of `prepared`, which must stay where they are.
pub fn toolchain_file(prepared: &Prepared) -> String {
    let quoted = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(" ");
    let program = |command: std::process::Command| command.get_program().to_string_lossy().into_owned();
    let clang = program(prepared.tools.clang());
    let clangxx = clang.replacen("clang", "clang++", 1);
    let link = program(prepared.tools.linker());
    // The alternative name has characters that the shell knows.
    let how = dialect::LINK.iter().filter(|flag| !flag.contains('?')).copied().collect::<Vec<_>>().join(" ");
    let mut places = vec![format!("-ivfsoverlay {}", prepared.overlay().display())];
    places.push(prepared.prefix_map());
    for folder in prepared.header_folders() {
        places.push(format!("-isystem {}", folder.display()));
    }
    let places = places.join(" ");
    let c = quoted(&mut dialect::flags(false).filter(|flag| flag != "-c"));
    let cxx = quoted(&mut dialect::flags(true).filter(|flag| flag != "-c"));
    let objects = quoted(
        &mut prepared
            .run_time()
            .into_iter()
            .chain(prepared.libraries())
            .map(|path| path.display().to_string()),
    );
    format!(
        "# Builds x64 Windows drivers on Linux. Written by `altimeter cc --cmake-toolchain`; each executable becomes a .sys.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(WIN32 TRUE)
set(CMAKE_C_COMPILER {clang})
set(CMAKE_CXX_COMPILER {clangxx})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT \"{c} {places}\")
set(CMAKE_CXX_FLAGS_INIT \"{cxx} {places}\")
set(CMAKE_C_FLAGS_DEBUG_INIT \"-O0 -gdwarf-4 -DDBG=1\")
set(CMAKE_CXX_FLAGS_DEBUG_INIT \"-O0 -gdwarf-4 -DDBG=1\")
set(CMAKE_C_FLAGS_RELEASE_INIT \"-O2 -gdwarf-4\")
set(CMAKE_CXX_FLAGS_RELEASE_INIT \"-O2 -gdwarf-4\")
set(CMAKE_EXECUTABLE_SUFFIX_C .sys)
set(CMAKE_EXECUTABLE_SUFFIX_CXX .sys)
set(ALTIMETER_LINK \"{link} {how} /debug:dwarf /out:<TARGET> <OBJECTS> <LINK_LIBRARIES> {objects}\")
set(CMAKE_C_LINK_EXECUTABLE \"${{ALTIMETER_LINK}}\")
set(CMAKE_CXX_LINK_EXECUTABLE \"${{ALTIMETER_LINK}}\")
"
    )
}
