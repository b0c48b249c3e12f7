//! Stand-ins for the `.tmh` headers that Microsoft's trace preprocessor (WPP) makes from sources.
//!
//! Where a source includes a `.tmh` that does not exist, an empty stand-in is found: tracing is switched on and off
//! without effect, and each trace function, `DoTraceMessage` or one that a `begin_wpp config` block of the project
//! declares, is a macro that does nothing and evaluates nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{Failure, sources};

/// Trace functions that exist without any configuration.
const DEFAULT_FUNCTIONS: &[&str] = &["DoTraceMessage", "DoTraceLevelMessage"];

const FIXED: &str = "\
#ifndef WPP_INIT_TRACING
#define WPP_INIT_TRACING(...) ((void)0)
#endif
#ifndef WPP_CLEANUP
#define WPP_CLEANUP(...) ((void)0)
#endif
#ifndef WPP_LEVEL_ENABLED
#define WPP_LEVEL_ENABLED(...) 0
#define WPP_FLAG_ENABLED(...) 0
#define WPP_LEVEL_FLAGS_ENABLED(...) 0
#endif
";

/// Writes a stand-in into `folder` for every `.tmh` that the sources or headers of `folders` include.
///
/// Returns: whether there is any
pub(crate) fn write(folders: &[PathBuf], folder: &Path) -> Result<bool, Failure> {
    let texts = sources::texts(folders);
    let mut included: BTreeSet<String> = BTreeSet::new();
    let mut functions: BTreeSet<String> = DEFAULT_FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
    for text in texts.values() {
        included.extend(trace_headers(text));
        functions.extend(configured_functions(text));
    }
    let mut contents = FIXED.to_owned();
    for name in functions {
        contents.push_str(&format!("#ifndef {name}\n#define {name}(...) ((void)0)\n#endif\n"));
    }
    for name in &included {
        let path = folder.join(name);
        let made = std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| std::fs::write(&path, &contents));
        made.map_err(|error| Failure::file(&path, &error))?;
    }
    Ok(!included.is_empty())
}

/// Names of trace headers, without folders that climb.
fn trace_headers(text: &str) -> impl Iterator<Item = String> {
    sources::included(text).filter(|name| {
        let climbs = name.starts_with('/') || name.split('/').any(|part| part == "..");
        name.to_ascii_lowercase().ends_with(".tmh") && !climbs
    })
}

/// Names after `FUNC` in configuration blocks: `// FUNC Name{LEVEL=x}(FLAGS, MSG, ...);`.
fn configured_functions(text: &str) -> Vec<String> {
    let mut functions = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let words = line.trim_start_matches([' ', '\t', '/', '*']);
        let lower = words.to_ascii_lowercase();
        if lower.starts_with("begin_wpp config") {
            inside = true;
        } else if lower.starts_with("end_wpp") {
            inside = false;
        } else if let (true, Some(rest)) = (inside, words.strip_prefix("FUNC ")) {
            let name: String =
                rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                functions.push(name);
            }
        }
    }
    functions
}

#[cfg(test)]
mod stand_ins {
    use super::*;

    #[test]
    fn includes_are_found_as_they_are_written() {
        let text = "#include \"a.tmh\"\n#  include <Sub\\B.TMH>\n#include \"c.h\"\n#include \"../up.tmh\"\n";
        assert_eq!(trace_headers(text).collect::<Vec<_>>(), ["a.tmh", "Sub/B.TMH"]);
    }

    #[test]
    fn functions_are_those_of_configuration_blocks() {
        let text = "// FUNC NotThis(MSG);\n// begin_wpp config\n// FUNC TraceOne{LEVEL=L}(MSG, ...);\n// USEPREFIX (TraceOne, \"x\");\n//FUNC TraceTwo(FLAGS,MSG,...);\n// end_wpp\n";
        assert_eq!(configured_functions(text), ["TraceOne", "TraceTwo"]);
    }
}
