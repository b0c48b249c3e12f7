//! `cargo xtask spec`: which statements of the ledgers a test checks.
//!
//! A statement is a table row of `spec/*.md` whose first cell is an ID (`PRE-01`); its section is the ID
//! without the number. It is covered when a test that is not ignored cites it on a line `// spec: ID, ID`, in
//! Rust inside a `#[test]` function, in C anywhere in `drivers/`.

mod citations;
mod ledger;

use crate::process::{Failure, Outcome, root};
use citations::Citations;
use ledger::Ledger;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

#[derive(clap::Args)]
pub struct Arguments {
    /// Print `{"sections":{...}}`
    #[arg(long)]
    json: bool,
    /// Fail when a citation names a statement that its section does not have
    #[arg(long)]
    check: bool,
    /// List the statements of this section that nothing covers
    #[arg(long, value_name = "PREFIX")]
    missing: Option<String>,
    /// Write the table into COMPATIBILITY.md
    #[arg(long)]
    write: bool,
}

/// What one section has.
#[derive(Serialize, Default, Clone, PartialEq, Eq, Debug)]
struct Coverage {
    covered: usize,
    /// Every row, gap rows included.
    total: usize,
    /// Rows that record a contradiction or silence of the documentation.
    gap: usize,
}

#[derive(Serialize)]
struct Report {
    sections: BTreeMap<String, Coverage>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let ledger = Ledger::read(&root().join("spec"))?;
    let citations = Citations::read(&root())?;
    if arguments.check {
        return judge(&ledger, &citations);
    }
    if let Some(section) = &arguments.missing {
        return print_missing(&ledger, &citations, section);
    }
    let report = Report { sections: coverage(&ledger, &citations) };
    if arguments.json {
        println!("{}", serde_json::to_string(&report).expect("plain data becomes JSON"));
    } else {
        let mut text = table(&report.sections);
        for section in report.sections.keys() {
            let missing = missing(&ledger, &citations, section).join(" ");
            writeln!(text, "{section} misses: {missing}").expect("a string takes all");
        }
        // Whoever reads may stop early, as `head` does.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
    if arguments.write { write_compatibility(&report.sections) } else { Ok(()) }
}

/// Fails when a citation is wrong.
pub fn check() -> Outcome {
    judge(&Ledger::read(&root().join("spec"))?, &Citations::read(&root())?)
}

/// A citation of a section that lies outside `spec/` is counted and left alone; one that its section in
/// `spec/` does not have is an error.
fn judge(ledger: &Ledger, citations: &Citations) -> Outcome {
    let sections = ledger.sections();
    let mut errors = Vec::new();
    let mut elsewhere = 0;
    for citation in &citations.all {
        if ledger.find(&citation.id).is_some() {
            continue;
        }
        let section = ledger::section(&citation.id);
        if section.is_some_and(|section| !sections.contains(section)) {
            elsewhere += 1;
        } else {
            errors.push(format!("{}: no statement is called {}", citation.place, citation.id));
        }
    }
    if !errors.is_empty() {
        return Err(Failure::new(errors.join("\n")));
    }
    println!(
        "{} citations are right, {elsewhere} name sections outside spec/",
        citations.all.len() - elsewhere
    );
    Ok(())
}

fn coverage(ledger: &Ledger, citations: &Citations) -> BTreeMap<String, Coverage> {
    let mut sections: BTreeMap<String, Coverage> = BTreeMap::new();
    for statement in &ledger.statements {
        let coverage = sections.entry(statement.section().to_owned()).or_default();
        coverage.total += 1;
        coverage.gap += usize::from(statement.gap);
        coverage.covered += usize::from(citations.covers(&statement.id));
    }
    sections
}

fn missing<'a>(ledger: &'a Ledger, citations: &Citations, section: &str) -> Vec<&'a str> {
    let of_section = ledger.statements.iter().filter(|statement| statement.section() == section);
    of_section.filter(|statement| !citations.covers(&statement.id)).map(|statement| &*statement.id).collect()
}

fn print_missing(ledger: &Ledger, citations: &Citations, section: &str) -> Outcome {
    if !ledger.sections().contains(section) {
        let known: Vec<_> = ledger.sections().into_iter().collect();
        return Err(Failure::usage(format!(
            "no section is called {section}. There are {}",
            known.join(", ")
        )));
    }
    for id in missing(ledger, citations, section) {
        let statement = ledger.find(id).expect("it comes from the ledger");
        println!("{id}{} {}", if statement.gap { " (gap)" } else { "" }, statement.text);
    }
    Ok(())
}

fn table(sections: &BTreeMap<String, Coverage>) -> String {
    let mut text = String::from("| Section | Covered | Total | Gaps |\n| --- | ---: | ---: | ---: |\n");
    for (section, coverage) in sections {
        let Coverage { covered, total, gap } = coverage;
        writeln!(text, "| {section} | {covered} | {total} | {gap} |").expect("a string takes all");
    }
    text
}

/// Replaces what stands between the two markers, or appends both.
fn write_compatibility(sections: &BTreeMap<String, Coverage>) -> Outcome {
    const BEGIN: &str = "<!-- coverage: written by cargo xtask spec --write -->\n";
    const END: &str = "<!-- end of coverage -->\n";
    let path = root().join("COMPATIBILITY.md");
    let old = std::fs::read_to_string(&path).unwrap_or_else(|_| "# Compatibility\n\n".into());
    let (before, after) = match (old.find(BEGIN), old.find(END)) {
        (Some(begin), Some(end)) if begin < end => (&old[..begin], &old[end + END.len()..]),
        _ => (&*old, ""),
    };
    std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table(sections)))?;
    Ok(())
}
