//! The report for people.

use std::time::Duration;

use altimeter::report::{BugCheckReport, CallbackReport, DriverReport, FindingReport, StuckThreadReport};
use console::{Style, Term};

use crate::outcome::Exit;
use crate::page::Page;
use crate::run::Summary;
use crate::stack;
use crate::trace::LastSteps;

/// Everything about a run, for `terminal`.
pub fn render(summary: &Summary, terminal: &Term) -> String {
    let mut page = Page::new(terminal);
    if summary.explored.is_some_and(|explored| explored.failed.is_none()) {
        workload(&mut page, summary);
        verdict(&mut page, summary);
        return page.finish();
    }
    if let Some(taken) = &summary.steps {
        steps(&mut page, taken);
    }
    let store = |volume: &String| match volume.as_str() {
        "mem" => "memory".to_owned(),
        directory => format!("directory {directory}"),
    };
    let stores: Vec<String> = summary.volumes.iter().map(store).collect();
    stack::draw(&mut page, &summary.report, &stores);
    self_tests(&mut page, &summary.report.drivers);
    callbacks(&mut page, &summary.report.drivers);
    workload(&mut page, summary);
    findings(&mut page, &summary.report.findings);
    if let Some(bug_check) = &summary.report.bug_check {
        self::bug_check(&mut page, bug_check);
    }
    verdict(&mut page, summary);
    page.finish()
}

/// The last steps of a replay.
fn steps(page: &mut Page, steps: &LastSteps) {
    page.heading(&format!("Steps: the last {} of {}", steps.lines.len(), steps.total));
    page.line("thread, IRQL, what it does inside what");
    for line in &steps.lines {
        page.line(line);
    }
}

/// What drivers that test themselves found.
fn self_tests(page: &mut Page, drivers: &[DriverReport]) {
    let tested: Vec<_> =
        drivers.iter().filter_map(|driver| Some((driver, driver.self_test.as_ref()?))).collect();
    if tested.is_empty() {
        return;
    }
    page.heading("Self-tests");
    for (driver, test) in tested {
        page.line(format_args!("{}: {} checks, {} failed", driver.name, test.checks.len(), test.failed()));
    }
}

/// Columns that one driver needs, and the column of operations.
const COLUMN: usize = 34;

/// One row for each operation, one cell for each driver: calls before / after, time in them.
fn callbacks(page: &mut Page, drivers: &[DriverReport]) {
    let per_table = (page.columns().saturating_sub(COLUMN) / COLUMN).max(1);
    let called: Vec<&DriverReport> =
        drivers.iter().filter(|driver| driver.callbacks.iter().any(happened)).collect();
    for group in called.chunks(per_table) {
        page.heading("Callbacks: calls before / after the operation, time spent");
        let mut header = vec!["operation".to_owned()];
        header.extend(group.iter().map(|driver| driver.name.clone()));
        let mut table = page.new_table(header);
        for operation in operations(group) {
            let mut row = vec![operation.to_owned()];
            row.extend(group.iter().map(|driver| cell(driver, operation)));
            table.add_row(row);
        }
        let mut all = vec!["all".to_owned()];
        all.extend(group.iter().map(|driver| total(driver)));
        table.add_row(all);
        page.table(&table);
    }
}

fn happened(row: &CallbackReport) -> bool {
    row.pre > 0 || row.post > 0
}

/// The operations of all drivers, in the order in which the first driver that has one lists it.
fn operations(drivers: &[&DriverReport]) -> Vec<&'static str> {
    let mut operations = Vec::new();
    for row in drivers.iter().flat_map(|driver| &driver.callbacks).filter(|row| happened(row)) {
        if !operations.contains(&row.operation) {
            operations.push(row.operation);
        }
    }
    operations
}

fn cell(driver: &DriverReport, operation: &str) -> String {
    let row = driver.callbacks.iter().find(|row| row.operation == operation && happened(row));
    row.map_or_else(String::new, |row| counts(row.pre, row.post, row.nanoseconds))
}

fn total(driver: &DriverReport) -> String {
    let sum = |pick: fn(&CallbackReport) -> u64| driver.callbacks.iter().map(pick).sum::<u64>();
    counts(sum(|row| row.pre), sum(|row| row.post), sum(|row| row.nanoseconds))
}

fn counts(pre: u64, post: u64, nanoseconds: u64) -> String {
    format!("{pre} / {post}  {}", time(nanoseconds))
}

fn time(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

fn workload(page: &mut Page, summary: &Summary) {
    let outcome = &summary.outcome;
    page.heading(&format!("Workload {}", outcome.name));
    let state = if outcome.interrupted { ", ended early" } else { "" };
    page.line(format_args!(
        "{} operations, {}, {} refused, {} mismatches{state}",
        outcome.operations,
        size(outcome.bytes),
        outcome.refused,
        outcome.mismatches
    ));
    if let Some(elapsed) = summary.elapsed {
        page.line(throughput(outcome.operations, outcome.bytes, elapsed));
    }
    list(page, "refused", outcome.refused, &outcome.refusal_details);
    list(page, "mismatch", outcome.mismatches, &outcome.mismatch_details);
}

fn throughput(operations: u64, bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    format!(
        "{:.0} operations/s, {:.1} MB/s, {:.2} s in all",
        operations as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
        elapsed.as_secs_f64()
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

fn list(page: &mut Page, word: &str, count: u64, details: &[String]) {
    for detail in details {
        page.indented(2, &format!("{word}: {detail}"));
    }
    let described = details.len() as u64;
    if count > described && described > 0 {
        page.line(format_args!("  {word}: {} more", count - described));
    }
}

fn findings(page: &mut Page, findings: &[FindingReport]) {
    if findings.is_empty() {
        return;
    }
    page.heading(&format!("Findings: {}", findings.len()));
    for finding in findings {
        let style = if finding.severity == "error" { Style::new().red() } else { Style::new().yellow() };
        let title = page.paint(&style, &format!("{} {}", finding.severity, finding.rule));
        page.line(format_args!("{title} {}", finding.driver));
        page.indented(2, &finding.message);
        for place in &finding.places {
            page.line(format_args!("    at {place}"));
        }
    }
}

fn bug_check(page: &mut Page, bug_check: &BugCheckReport) {
    let title = format!("Bug check 0x{:08X} {}", bug_check.code, bug_check.name);
    let title = page.paint(&Style::new().red().bold(), &title);
    page.heading(&title);
    if !bug_check.driver.is_empty() {
        page.line(format_args!("driver  {}", bug_check.driver));
    }
    if !bug_check.module.is_empty() {
        page.line(format_args!("place   {}+{:#x} {}", bug_check.module, bug_check.offset, bug_check.symbol));
    }
    page.indented(0, &bug_check.message);
    for thread in &bug_check.threads {
        stuck_thread(page, thread);
    }
    lines(page, "stack", &bug_check.stack);
    registers(page, &bug_check.registers);
    lines(page, "last operations", &bug_check.last_operations);
}

fn stuck_thread(page: &mut Page, thread: &StuckThreadReport) {
    page.line(format_args!("thread {} {}", thread.thread, thread.name));
    for held in &thread.holds {
        let by = if held.taken_at.is_empty() { "taken by the engine" } else { "taken" };
        page.line(format_args!("  holds {}, {by}", held.lock));
        held.taken_at.iter().for_each(|place| page.line(format_args!("    at {place}")));
    }
    page.line(format_args!("  waits for {}", thread.waits_for));
    thread.waits_at.iter().for_each(|place| page.line(format_args!("    at {place}")));
}

fn lines(page: &mut Page, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    page.line(format_args!("{title}:"));
    for line in lines {
        page.line(format_args!("  {line}"));
    }
}

fn registers(page: &mut Page, registers: &[(&str, u64)]) {
    if registers.is_empty() {
        return;
    }
    page.line("registers:");
    let per_line = (page.columns().saturating_sub(2) / 26).clamp(1, 4);
    for row in registers.chunks(per_line) {
        let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name:<6} {value:016x}")).collect();
        page.line(format_args!("  {}", cells.join("   ")));
    }
}

fn verdict(page: &mut Page, summary: &Summary) {
    let (style, text) = match summary.exit() {
        Exit::Clean => match summary.report.findings.len() {
            0 => (Style::new().green(), "clean: no findings, no mismatches".to_owned()),
            advice => {
                (Style::new().green(), format!("clean: no findings but {advice} of advice, no mismatches"))
            }
        },
        Exit::BugCheck => (Style::new().red(), "bug check: the machine did not come to its end".to_owned()),
        _ => {
            let ended = if summary.outcome.interrupted { ", and the workload ended early" } else { "" };
            let (findings, mismatches) = (summary.findings().count(), summary.outcome.mismatches);
            (Style::new().yellow(), format!("not clean: {findings} findings, {mismatches} mismatches{ended}"))
        }
    };
    let text = page.paint(&style.bold(), &text);
    page.line("");
    page.line(text);
    if let Some(explored) = &summary.explored {
        page.line(explored);
    }
}

#[cfg(test)]
mod text {
    use super::*;

    #[test]
    fn times_have_a_unit_that_suits_them() {
        assert_eq!(time(999), "999 ns");
        assert_eq!(time(1_500), "1.5 µs");
        assert_eq!(time(2_500_000), "2.5 ms");
        assert_eq!(time(3_250_000_000), "3.25 s");
    }

    #[test]
    fn what_is_not_described_is_counted() {
        let mut page = Page::new(&Term::buffered_stdout());
        list(&mut page, "refused", 3, &["a: no".into()]);
        assert_eq!(page.finish(), "  refused: a: no\n  refused: 2 more\n");
    }
}
