//! Runs the tools and keeps what they print.

use std::process::Command;

use crate::Failure;

/// Runs to the end and gives back what the tool printed.
///
/// Errors: `Tool` with that text, when its exit code is not 0
pub(crate) fn run(command: &mut Command, verbose: bool) -> Result<String, Failure> {
    if verbose {
        eprintln!("{}", shown(command));
    }
    let output = command
        .output()
        .map_err(|error| Failure::Missing(format!("{}: {error}", command.get_program().to_string_lossy())))?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(text);
    }
    if text.trim().is_empty() {
        return Err(Failure::Tool(format!("{} ended with {}", shown(command), output.status)));
    }
    Err(Failure::Tool(text))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
