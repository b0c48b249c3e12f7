//! What every build shares: the kit unpacked, import libraries, run-time objects, the case-insensitive view of headers.
//!
//! `altimeter cc` keeps it in the user's cache folder, under a name that changes with the kit and with clang's version;
//! it is written beside its place and renamed, so builds that start at the same time don't see half of it.

use std::path::{Path, PathBuf};

use crate::kit::{self, Kit};
use crate::{Failure, Tools, dialect, mended, overlay, process};

/// The library of what only some drivers need.
const DEMANDED: &str = "demanded";

/// A kit with its libraries built.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) tools: Tools,
    pub(crate) kit: Kit,
    folder: PathBuf,
    /// Where commands run; `None`: where the caller is.
    pub(crate) directory: Option<PathBuf>,
}

impl Prepared {
    /// The kit that this program carries, from the cache or prepared now.
    pub fn embedded(tools: Tools) -> Result<Self, Failure> {
        let name = format!("driver-kit-{:016x}-clang-{}", Kit::fingerprint(), tools.version);
        let mut failure = None;
        for base in cache_folders() {
            match Self::cached(&tools, &base, &name) {
                Ok(prepared) => return Ok(prepared),
                Err(Failure::Unusable(reason)) => failure = Some(Failure::Unusable(reason)),
                Err(other) => return Err(other),
            }
        }
        Err(failure.expect("the folder for temporary files was tried"))
    }

    /// This kit, with libraries and objects in `folder`; commands run in `directory`, and paths are relative to it.
    pub fn build(tools: Tools, kit: Kit, folder: &Path, directory: &Path) -> Result<Self, Failure> {
        let prepared = Self { tools, kit, folder: folder.into(), directory: Some(directory.into()) };
        prepared.fill()?;
        Ok(prepared)
    }

    /// The headers of this kit alone: enough to look at them, not to link.
    pub fn headers(tools: Tools, kit: Kit, folder: &Path, directory: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        let prepared = Self { tools, kit, folder: folder.into(), directory: Some(directory.into()) };
        prepared.write_overlay()?;
        Ok(prepared)
    }

    fn cached(tools: &Tools, base: &Path, name: &str) -> Result<Self, Failure> {
        std::fs::create_dir_all(base).map_err(|error| Failure::file(base, &error))?;
        let base = &base.canonicalize().map_err(|error| Failure::file(base, &error))?;
        let place = base.join(name);
        let finished = |place: PathBuf| Self {
            tools: tools.clone(),
            kit: Kit::at(place.join("include")),
            folder: place,
            directory: None,
        };
        if place.is_dir() {
            return Ok(finished(place));
        }
        let fresh = tempfile::Builder::new()
            .prefix("driver-kit")
            .tempdir_in(base)
            .map_err(|error| Failure::file(base, &error))?;
        let kit = Kit::unpack(&fresh.path().join("include"))?;
        let unfinished = Self { tools: tools.clone(), kit, folder: fresh.path().into(), directory: None };
        unfinished.fill()?;
        unfinished.move_overlay(&place)?;
        let fresh = fresh.keep();
        if let Err(error) = std::fs::rename(&fresh, &place) {
            // Somebody else may have been quicker.
            let _ = std::fs::remove_dir_all(&fresh);
            if !place.is_dir() {
                return Err(Failure::file(&place, &error));
            }
        }
        Ok(finished(place))
    }

    /// Makes the overlay's absolute paths those of the place where this folder goes.
    fn move_overlay(&self, place: &Path) -> Result<(), Failure> {
        let overlay = self.overlay();
        let moved = std::fs::read_to_string(&overlay)
            .map(|text| text.replace(&*self.folder.to_string_lossy(), &place.to_string_lossy()))
            .and_then(|text| std::fs::write(&overlay, text));
        moved.map_err(|error| Failure::file(&overlay, &error))
    }

    fn fill(&self) -> Result<(), Failure> {
        for folder in ["lib", "crt"] {
            let path = self.folder.join(folder);
            std::fs::create_dir_all(&path).map_err(|error| Failure::file(&path, &error))?;
        }
        self.write_overlay()?;
        for module in kit::MODULES {
            self.import_library(&self.kit.export_list(module), &self.library(module))?;
        }
        for source in kit::RUN_TIME.iter().chain(kit::ON_DEMAND) {
            let mut clang = dialect::compiler(self, false);
            clang.args(["-O2", "-gdwarf-4", "-Wall", "-Wextra", "-Werror"]);
            clang.arg(self.kit.run_time(source)).arg("-o").arg(self.object(source));
            self.run(&mut clang)?;
        }
        let mut librarian = self.tools.linker();
        librarian.arg("/lib").arg(format!("/out:{}", self.library(DEMANDED).display()));
        librarian.args(kit::ON_DEMAND.iter().map(|source| self.object(source)));
        self.run(&mut librarian).map(drop)
    }

    fn write_overlay(&self) -> Result<(), Failure> {
        mended::write(&self.tools.mingw.join("ddk"), &self.mended())?;
        let place = |folder: PathBuf| {
            self.directory.as_ref().map_or_else(|| folder.clone(), |directory| directory.join(&folder))
        };
        overlay::write(&self.header_folders().map(place), &self.overlay())
    }

    pub(crate) fn header_folders(&self) -> [PathBuf; 5] {
        dialect::header_folders(&self.tools, &self.kit, &self.mended())
    }

    /// Corrected copies of mingw-w64's headers.
    fn mended(&self) -> PathBuf {
        self.folder.join("ddk")
    }

    /// Keeps the place of what was unpacked and prepared out of objects, so that they are the same on every machine.
    pub(crate) fn prefix_map(&self) -> String {
        format!("-ffile-prefix-map={}=altimeter", self.folder.display())
    }

    /// Makes an import library from a list of names.
    pub(crate) fn import_library(&self, list: &Path, library: &Path) -> Result<(), Failure> {
        let mut command = self.tools.import_librarian();
        command.args(["-m", "i386:x86-64", "-d"]).arg(list).arg("-l").arg(library);
        self.run(&mut command).map(drop)
    }

    /// Compiles a text that makes no code, such as assertions about the headers.
    ///
    /// Errors: `Tool` with what clang found
    pub fn check_syntax(&self, text: &str) -> Result<(), Failure> {
        let source = self.folder.join("check.c");
        std::fs::write(&source, text).map_err(|error| Failure::file(&source, &error))?;
        let mut clang = dialect::compiler(self, false);
        clang.args(["-fsyntax-only", "-w"]).arg(source);
        self.run(&mut clang).map(drop)
    }

    /// What the preprocessor makes of a text, with every macro that is defined.
    pub fn preprocess(&self, text: &str) -> Result<String, Failure> {
        let source = self.folder.join("names.c");
        std::fs::write(&source, text).map_err(|error| Failure::file(&source, &error))?;
        let mut clang = dialect::compiler(self, false);
        clang.args(["-E", "-dD", "-P", "-w"]).arg(source);
        self.run(&mut clang)
    }

    fn run(&self, command: &mut std::process::Command) -> Result<String, Failure> {
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        process::run(command, false)
    }

    /// Import libraries of the modules that drivers import from.
    pub(crate) fn libraries(&self) -> Vec<PathBuf> {
        kit::MODULES.iter().chain([&DEMANDED]).map(|module| self.library(module)).collect()
    }

    /// Objects that every driver is linked with.
    pub(crate) fn run_time(&self) -> Vec<PathBuf> {
        kit::RUN_TIME.iter().map(|source| self.object(source)).collect()
    }

    /// The case-insensitive view of the kit's and mingw-w64's headers.
    pub(crate) fn overlay(&self) -> PathBuf {
        self.folder.join("headers.yaml")
    }

    fn library(&self, module: &str) -> PathBuf {
        self.folder.join("lib").join(format!("{module}.lib"))
    }

    fn object(&self, source: &str) -> PathBuf {
        self.folder.join("crt").join(source).with_extension("obj")
    }
}

/// The user's cache, else the folder for temporary files.
fn cache_folders() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache
        .into_iter()
        .map(|cache| cache.join("altimeter"))
        .chain([std::env::temp_dir().join("altimeter")])
        .collect()
}
