//! Checks the C headers against the table of structure layouts.
//!
//! Writes one static assertion per row of `abi/nt-abi/layout.csv` and lets clang judge them.

use crate::process::{Failure, Outcome, read, root};
use std::fmt::Write;

/// Rows that mingw-w64's headers have differently and that no driver here touches: later system versions
/// than those headers know. `*` stands for every field of the structure.
const KNOWN_DIFFERENCES: &[(&str, &str)] = &[
    ("DEVICE_OBJECT", "<sizeof>"),
    ("FS_FILTER_PARAMETERS", "AcquireForSectionSynchronization.OutputInformation"),
    ("FS_FILTER_PARAMETERS", "AcquireForSectionSynchronization.Flags"),
    ("FS_FILTER_PARAMETERS", "AcquireForSectionSynchronization.AllocationAttributes"),
    ("KAPC", "Reserved"),
    ("KWAIT_BLOCK", "*"),
];

/// The C source that asserts every row.
pub fn assertions() -> Outcome<String> {
    let table = read(&root().join("abi/nt-abi/layout.csv"))?;
    let mut source = String::from("#include <stddef.h>\n#include <fltKernel.h>\n");
    for (number, row) in table.lines().enumerate().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [structure, field, offset, size] = cells[..] else {
            return Err(Failure::new(format!("layout.csv:{}: not four cells", number + 1)));
        };
        let known = KNOWN_DIFFERENCES
            .iter()
            .any(|(known, name)| *known == structure && (*name == field || *name == "*"));
        if known || size.starts_with("bit") {
            continue;
        }
        let claim = if field == "<sizeof>" {
            format!("sizeof({structure}) == {size}")
        } else {
            format!("offsetof({structure}, {field}) == {offset}")
        };
        writeln!(source, "_Static_assert({claim}, \"{structure} {field}\");").expect("a string takes all");
    }
    Ok(source)
}
