//! `altimeter cc`: drivers from sources, then run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::support::{Ran, altimeter};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources").join(name)
}

/// `altimeter cc -o IMAGE SOURCE… -- FLAG…`
fn build(image: &Path, options: &[&str], sources: &[&str], flags: &[&str]) -> Ran {
    let mut words: Vec<OsString> = vec!["cc".into(), "-o".into(), image.into()];
    words.extend(options.iter().map(OsString::from));
    words.extend(sources.iter().map(|name| source(name).into_os_string()));
    words.push("--".into());
    words.extend(flags.iter().map(OsString::from));
    altimeter(words)
}

const COUNTER: &[&str] = &["counter/entry.c", "counter/callbacks.c"];

#[test]
fn several_c_sources_with_names_in_any_case_and_trace_headers_become_a_driver() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("counter.sys");
    build(&image, &[], COUNTER, &["-DCOUNTER_NAME=\"creates\""]).ends_with(0);
    let ran = altimeter([
        "run".as_ref(),
        image.as_os_str(),
        "--altitude".as_ref(),
        "370000".as_ref(),
        "--debug-print".as_ref(),
    ]);
    let ran = ran.ends_with(0).complains_of(&["of creates"]);
    assert!(!ran.stderr.contains("counter: 0 of") && !ran.stderr.contains("checked build"), "{ran}");
}

#[test]
fn a_checked_build_says_so_to_its_sources() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("counter.sys");
    build(&image, &["--debug", "--pdb"], COUNTER, &["-DCOUNTER_NAME=\"creates\""]).ends_with(0);
    assert!(folder.path().join("counter.pdb").exists(), "no symbols beside the image");
    altimeter([
        "run".as_ref(),
        image.as_os_str(),
        "--altitude".as_ref(),
        "370000".as_ref(),
        "--debug-print".as_ref(),
    ])
    .ends_with(0)
    .complains_of(&["checked build"]);
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["one.sys", "two.sys"].map(|name| folder.path().join(name));
    for image in &images {
        build(image, &[], COUNTER, &["-DCOUNTER_NAME=\"creates\""]).ends_with(0);
    }
    assert!(std::fs::read(&images[0]).unwrap() == std::fs::read(&images[1]).unwrap(), "the images differ");
}

#[test]
fn errors_of_the_compiler_are_shown_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("counter.sys");
    build(&image, &[], COUNTER, &[])
        .ends_with(2)
        .complains_of(&["entry.c", "error: use of undeclared identifier 'COUNTER_NAME'"]);
    assert!(!image.exists());
}

#[test]
fn a_routine_that_no_module_exports_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = "#include <fltkernel.h>\nvoid NoSuchRoutine(void);\nNTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n{ NoSuchRoutine(); return 0; }\n";
    let source = folder.path().join("lonely.c");
    std::fs::write(&source, text).unwrap();
    let image = folder.path().join("lonely.sys");
    let words = ["cc".as_ref(), "-o".as_ref(), image.as_os_str(), source.as_os_str()];
    altimeter(words).ends_with(2).complains_of(&["undefined symbol: NoSuchRoutine"]);
}

#[test]
fn tools_that_are_missing_are_named_with_what_to_install() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_altimeter"))
        .args(["cc", "-o", "x.sys", "x.c"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("needs clang, lld") && message.contains("apt-get install"), "{message}");
}

#[test]
fn files_of_unknown_kinds_and_a_missing_output_are_usage_errors() {
    altimeter(["cc", "-o", "x.sys", "driver.asm"]).ends_with(2).complains_of(&["driver.asm", "assembly"]);
    altimeter(["cc", "-o", "x.sys", "driver.txt"])
        .ends_with(2)
        .complains_of(&["driver.txt", "not a C or C++ source"]);
    altimeter(["cc", "driver.c"]).ends_with(2).complains_of(&["--output"]);
}

/// Runs an image that was built at an altitude of its own, with what it prints.
fn run(image: &Path) -> Ran {
    altimeter([
        "run".as_ref(),
        image.as_os_str(),
        "--altitude".as_ref(),
        "370000".as_ref(),
        "--debug-print".as_ref(),
    ])
}

#[test]
fn bounded_strings_and_checked_integers_keep_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("bounds.sys");
    for options in [&[][..], &["--debug"]] {
        build(&image, options, &["bounds/bounds.c"], &["-Wall", "-Werror"]).ends_with(0);
        let ran = run(&image).ends_with(0);
        assert!(!ran.stderr.contains("bounds: line"), "{ran}");
    }
}

#[test]
fn a_bound_that_is_not_kept_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("bounds.sys");
    build(&image, &[], &["bounds/bounds.c"], &["-DBREAK_A_BOUND"]).ends_with(0);
    run(&image).ends_with(2).complains_of(&["bounds: line"]);
}

#[test]
fn classes_templates_and_a_try_block_in_cplusplus_become_a_driver() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("classes.sys");
    for options in [&[][..], &["--debug"]] {
        build(&image, options, &["classes/classes.cpp"], &[]).ends_with(0);
        run(&image).ends_with(0).complains_of(&["classes: 4"]);
    }
}

#[test]
fn headers_are_found_however_they_are_spelled_in_c_and_cplusplus() {
    let folder = tempfile::tempdir().unwrap();
    for language in ["headers/headers.c", "headers/headers.cpp"] {
        let image = folder.path().join("headers.sys");
        let built = build(&image, &[], &[language], &["-Werror"]).ends_with(0);
        assert_eq!(built.stderr, "", "{language}");
        run(&image).ends_with(0);
    }
}

#[test]
fn a_cmake_project_with_a_library_becomes_a_driver() {
    let cmake = |words: &[&std::ffi::OsStr]| std::process::Command::new("cmake").args(words).output();
    if cmake(&["--version".as_ref()]).is_err() {
        eprintln!("cmake is not installed: nothing was tested");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, tree) = (folder.path().join("altimeter.cmake"), folder.path().join("tree"));
    altimeter(["cc".as_ref(), "--cmake-toolchain".as_ref(), file.as_os_str()]).ends_with(0);
    let mut toolchain = OsString::from("-DCMAKE_TOOLCHAIN_FILE=");
    toolchain.push(&file);
    let project = source("project");
    let release = "-DCMAKE_BUILD_TYPE=Release".as_ref();
    for words in [
        &["-S".as_ref(), project.as_os_str(), "-B".as_ref(), tree.as_os_str(), &toolchain, release][..],
        &["--build".as_ref(), tree.as_os_str()],
    ] {
        let output = cmake(words).unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    run(&tree.join("small.sys")).ends_with(0).complains_of(&["small: 42"]);
}
