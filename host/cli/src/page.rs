//! Text for people: headings, colours where they are wanted, tables that fit the width.

use std::fmt::Display;

use comfy_table::{ContentArrangement, Table, presets};
use console::{Style, Term};

/// A page of text that is being written.
pub struct Page {
    text: String,
    colours: bool,
    /// Columns of the terminal; `None` for a file or pipe, which have no width.
    width: Option<u16>,
}

impl Page {
    /// A page for `terminal`, which may be none at all.
    pub fn new(terminal: &Term) -> Self {
        let there = terminal.is_term();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            text: String::new(),
            colours: there && !plain && terminal.features().colors_supported(),
            width: terminal.size_checked().filter(|_| there).map(|(_, columns)| columns.max(40)),
        }
    }

    /// Columns that there are; plenty where nothing bounds them.
    pub fn columns(&self) -> usize {
        self.width.map_or(160, usize::from)
    }

    /// One line.
    pub fn line(&mut self, text: impl Display) {
        self.text.push_str(&text.to_string());
        self.text.push('\n');
    }

    /// An empty line and a heading.
    pub fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let text = self.paint(&Style::new().bold(), text);
        self.line(text);
    }

    /// A paragraph, each line indented, broken to the width.
    pub fn indented(&mut self, indent: usize, text: &str) {
        let room = self.columns().saturating_sub(indent).max(20);
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                let longer = console::measure_text_width(&line) + 1 + console::measure_text_width(word);
                if !line.is_empty() && longer > room {
                    self.line(format_args!("{:indent$}{line}", ""));
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.line(format_args!("{:indent$}{line}", ""));
        }
    }

    /// A table with a header, to be filled and given to [`Page::table`].
    pub fn new_table(&self, header: Vec<String>) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        // Cells are coloured by nobody but this page.
        table.force_no_tty();
        table.set_width(self.width.unwrap_or(u16::MAX));
        table.set_header(header);
        table
    }

    /// A finished table.
    pub fn table(&mut self, table: &Table) {
        self.line(table.trim_fmt());
    }

    /// `text` in `style`, if colours are wanted.
    pub fn paint(&self, style: &Style, text: &str) -> String {
        style.clone().force_styling(self.colours).apply_to(text).to_string()
    }

    /// Everything so far.
    pub fn finish(self) -> String {
        self.text
    }
}
