//! One driver: from sources to an image.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Failure, Prepared, dialect, overlay, process, sources, tracing_headers};

/// Where the symbols go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symbols {
    /// DWARF sections in the image.
    #[default]
    Dwarf,
    /// CodeView in a PDB beside the image.
    Pdb,
}

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// C and C++ sources; also `.def` (imports of another module), `.lib` and `.obj`, which are linked.
    pub sources: Vec<PathBuf>,
    /// The image to write.
    pub output: PathBuf,
    /// Handed to clang for every source, after our own.
    pub flags: Vec<OsString>,
    /// `DBG=1` and no optimisation.
    pub debug: bool,
    pub symbols: Symbols,
    /// Print every command on stderr.
    pub verbose: bool,
}

/// What to do with a file of the command line.
enum Input {
    Compile { cplusplus: bool },
    Imports,
    Link,
    Resource,
}

impl Recipe {
    /// Compiles every source, in parallel, and links them.
    ///
    /// Returns: what the tools printed beside errors (warnings), and notes of our own
    /// Errors:  `Tool` with everything that clang or the linker printed; `Unusable` for a file of an unknown kind
    pub fn build(&self, prepared: &Prepared) -> Result<String, Failure> {
        let work = tempfile::tempdir().map_err(|error| Failure::file(&std::env::temp_dir(), &error))?;
        self.build_in(prepared, work.path())
    }

    /// The same, with objects in `work`, which exists.
    pub fn build_in(&self, prepared: &Prepared, work: &Path) -> Result<String, Failure> {
        let mut messages = String::new();
        let mut compiled = Vec::new();
        let mut link = self.linker(prepared);
        for (number, source) in self.sources.iter().enumerate() {
            let stem = source.file_stem().unwrap_or_default().to_string_lossy();
            match kind(source)? {
                Input::Compile { cplusplus } => {
                    let object = work.join(format!("{number}-{stem}.obj"));
                    link.arg(&object);
                    compiled.push((source, cplusplus, object));
                }
                Input::Imports => {
                    let library = work.join(format!("{number}-{stem}.lib"));
                    prepared.import_library(source, &library)?;
                    link.arg(library);
                }
                Input::Link => {
                    link.arg(source);
                }
                Input::Resource => messages.push_str(&format!(
                    "note: {}: resources are left out; nothing that a machine sees is in them\n",
                    source.display()
                )),
            }
        }
        if compiled.is_empty() {
            return Err(Failure::Unusable("there is no source to compile".into()));
        }
        let shared = self.shared_flags(prepared, work)?;
        let jobs: Vec<_> = compiled
            .iter()
            .map(|(source, cplusplus, object)| (source.as_path(), *cplusplus, object.as_path()))
            .collect();
        messages.push_str(&self.compile_all(prepared, &shared, &jobs)?);
        link.args(prepared.run_time()).args(prepared.libraries());
        messages.push_str(&process::run(&mut link, self.verbose)?);
        Ok(messages)
    }

    /// What all sources of this recipe are compiled with: trace headers, the case-insensitive view, the user's flags.
    fn shared_flags(&self, prepared: &Prepared, work: &Path) -> Result<Vec<OsString>, Failure> {
        let place = |folder: &Path| {
            prepared.directory.as_ref().map_or_else(|| folder.to_path_buf(), |base| base.join(folder))
        };
        let folders: Vec<PathBuf> = self.own_folders().iter().map(|folder| place(folder)).collect();
        let folders = sources::reached(folders);
        let mut flags: Vec<OsString> = Vec::new();
        let own = work.join("headers.yaml");
        overlay::write(&folders, &own)?;
        flags.extend(["-ivfsoverlay".into(), own.into_os_string()]);
        flags.extend(self.flags.iter().cloned());
        let traces = work.join("trace-headers");
        if tracing_headers::write(&folders, &traces)? {
            flags.extend(["-idirafter".into(), traces.into_os_string()]);
        }
        flags.push(if self.debug { "-O0" } else { "-O2" }.into());
        if self.debug {
            flags.push("-DDBG=1".into());
        }
        match self.symbols {
            Symbols::Dwarf => flags.push("-gdwarf-4".into()),
            Symbols::Pdb => flags.extend(["-g".into(), "-gcodeview".into()]),
        }
        Ok(flags)
    }

    /// Folders that belong to the project: those of the sources, and of `-I`, `-iquote` and `-include`.
    fn own_folders(&self) -> BTreeSet<PathBuf> {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let mut folders: BTreeSet<PathBuf> = self.sources.iter().map(|source| parent(source)).collect();
        let mut words = self.flags.iter().map(|flag| flag.to_string_lossy());
        while let Some(word) = words.next() {
            if matches!(&*word, "-I" | "-iquote" | "-isystem") {
                folders.extend(words.next().map(|folder| PathBuf::from(&*folder)));
            } else if &*word == "-include" {
                folders.extend(words.next().map(|file| parent(Path::new(&*file))));
            } else if let Some(folder) = word.strip_prefix("-I").or_else(|| word.strip_prefix("-iquote")) {
                folders.insert(folder.into());
            }
        }
        folders
    }

    /// Compiles on every processor; what is printed stands in the order of the sources.
    fn compile_all(
        &self,
        prepared: &Prepared,
        shared: &[OsString],
        jobs: &[(&Path, bool, &Path)],
    ) -> Result<String, Failure> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<String, Failure>>>> =
            Mutex::new(jobs.iter().map(|_| None).collect());
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some((source, cplusplus, object)) = jobs.get(place) else { break };
                        let mut clang = dialect::compiler(prepared, *cplusplus);
                        clang.args(shared).arg(source).arg("-o").arg(object);
                        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
                            clang.arg("-fcolor-diagnostics");
                        }
                        if let Some(directory) = &prepared.directory {
                            clang.current_dir(directory);
                        }
                        let result = self.compile(&mut clang, source);
                        results.lock().expect("no worker panics with it")[place] = Some(result);
                    }
                });
            }
        });
        let (mut messages, mut failed) = (String::new(), false);
        for result in results.into_inner().expect("no worker panics with it").into_iter().flatten() {
            match result {
                Ok(text) => messages.push_str(&text),
                Err(Failure::Tool(text)) => {
                    messages.push_str(&text);
                    failed = true;
                }
                Err(other) => return Err(other),
            }
        }
        if failed { Err(Failure::Tool(messages)) } else { Ok(messages) }
    }

    /// Runs clang. Where it crashes, as it does on some `__try` blocks that are left early, once more without the part
    /// that crashes.
    fn compile(&self, clang: &mut Command, source: &Path) -> Result<String, Failure> {
        let result = process::run(clang, self.verbose);
        match &result {
            Err(Failure::Tool(text)) if text.contains("frontend command failed") => {}
            _ => return result,
        }
        let messages = process::run(clang.arg("-fno-async-exceptions"), self.verbose)?;
        Ok(format!(
            "{messages}warning: {}: clang crashes on its exception handling; built so that __try blocks of this source catch what calls raise, and no faults of its own accesses\n",
            source.display()
        ))
    }

    fn linker(&self, prepared: &Prepared) -> Command {
        let mut link = prepared.tools.linker();
        if let Some(directory) = &prepared.directory {
            link.current_dir(directory);
        }
        link.args(dialect::LINK);
        match self.symbols {
            Symbols::Dwarf => link.arg("/debug:dwarf"),
            Symbols::Pdb => link.args(["/debug", "/pdbaltpath:%_PDB%"]),
        };
        let mut out = OsString::from("/out:");
        out.push(&self.output);
        link.arg(out);
        link
    }
}

fn kind(source: &Path) -> Result<Input, Failure> {
    let extension = source.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match &extension[..] {
        "c" => Ok(Input::Compile { cplusplus: false }),
        "cpp" | "cxx" | "cc" => Ok(Input::Compile { cplusplus: true }),
        "def" => Ok(Input::Imports),
        "lib" | "obj" => Ok(Input::Link),
        "rc" => Ok(Input::Resource),
        "asm" | "s" => Err(Failure::Unusable(format!(
            "{}: assembly is not supported; only C and C++ sources are",
            source.display()
        ))),
        _ => {
            Err(Failure::Unusable(format!("{}: not a C or C++ source (.c .cpp .cxx .cc)", source.display())))
        }
    }
}
