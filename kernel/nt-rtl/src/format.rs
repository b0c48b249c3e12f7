//! printf of the kernel: `DbgPrint`, `_vsnwprintf`, `RtlStringCchPrintf` and their like.
//!
//! Arguments come from a win64 `va_list`: an address of 8-byte slots. Strings are read through fault-safe copies;
//! one that cannot be read prints `(bad address)`. A format that asks for more than a machine can print is cut.

use std::cell::Cell;

use boundary::copy;

use crate::ansi;
use crate::string::{BAD_ADDRESS, read_units, read_zero_terminated, read_zero_terminated_bytes};

/// Longest string argument, in units.
const LONGEST: usize = 0x10000;
/// Widest field.
const WIDEST: usize = 0x10000;

/// Slots of a `va_list`.
struct Arguments(Cell<usize>);

impl Arguments {
    /// The next slot; 0 when it cannot be read.
    fn next(&self) -> u64 {
        let at = self.0.get();
        self.0.set(at.wrapping_add(8));
        copy::read_value(at).unwrap_or(0)
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Size {
    #[default]
    Plain,
    Byte,
    Short,
    /// `l`: 32 bits for integers, wide for text.
    Long,
    Wide64,
    /// `w`: wide text.
    WideText,
}

#[derive(Default)]
struct Conversion {
    left: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    size: Size,
}

/// Formats a narrow format: the result's bytes are of the ANSI code page. Source: DbgPrint, _vsnprintf.
pub fn narrow(format: &[u8], va_list: usize) -> Vec<u8> {
    ansi::to_bytes(&run(&ansi::to_units(format), va_list, false))
}

/// Formats a wide format, in which `%s` and `%c` are wide. Source: _vsnwprintf.
pub fn wide(format: &[u16], va_list: usize) -> Vec<u16> {
    run(format, va_list, true)
}

/// Reads a zero-terminated narrow format at `format` and formats it; `(bad address)` when it cannot be read.
pub fn narrow_at(format: usize, va_list: usize) -> Vec<u8> {
    match read_zero_terminated_bytes(format, LONGEST) {
        Ok(format) => narrow(&format, va_list),
        Err(_) => BAD_ADDRESS.into(),
    }
}

/// Reads a zero-terminated wide format at `format` and formats it; `(bad address)` when it cannot be read.
pub fn wide_at(format: usize, va_list: usize) -> Vec<u16> {
    match read_zero_terminated(format, LONGEST) {
        Ok(format) => wide(&format, va_list),
        Err(_) => BAD_ADDRESS.encode_utf16().collect(),
    }
}

struct Reader<'a> {
    units: &'a [u16],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.units.get(self.at).map(|unit| char::from_u32(u32::from(*unit)).unwrap_or('\u{FFFD}'))
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let matches =
            wanted.bytes().enumerate().all(|(i, b)| self.units.get(self.at + i) == Some(&u16::from(b)));
        self.at += if matches { wanted.len() } else { 0 };
        matches
    }

    fn number(&mut self) -> usize {
        let mut value = 0usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            value = (value * 10 + digit as usize).min(WIDEST);
            self.at += 1;
        }
        value
    }
}

fn run(format: &[u16], va_list: usize, is_wide: bool) -> Vec<u16> {
    let arguments = Arguments(Cell::new(va_list));
    let mut reader = Reader { units: format, at: 0 };
    let mut out = Vec::new();
    while let Some(unit) = reader.units.get(reader.at) {
        reader.at += 1;
        if *unit != u16::from(b'%') {
            out.push(*unit);
            continue;
        }
        let start = reader.at;
        if reader.eat("%") {
            out.push(u16::from(b'%'));
            continue;
        }
        let conversion = parse(&mut reader, &arguments);
        let Some(kind) = reader.peek() else { break };
        reader.at += 1;
        if !convert(&mut out, &conversion, kind, &arguments, is_wide) {
            // Unknown: it stands for itself.
            out.extend(&reader.units[start..reader.at]);
        }
    }
    out
}

fn parse(reader: &mut Reader<'_>, arguments: &Arguments) -> Conversion {
    let mut c = Conversion::default();
    loop {
        match reader.peek() {
            Some('-') => c.left = true,
            Some('+') => c.plus = true,
            Some(' ') => c.blank = true,
            Some('#') => c.alternate = true,
            Some('0') => c.zero = true,
            _ => break,
        }
        reader.at += 1;
    }
    if reader.eat("*") {
        let width = arguments.next() as i32;
        c.left |= width < 0;
        c.width = (width.unsigned_abs() as usize).min(WIDEST);
    } else {
        c.width = reader.number();
    }
    if reader.eat(".") {
        c.precision = if reader.eat("*") {
            usize::try_from(arguments.next() as i32).ok().map(|p| p.min(WIDEST))
        } else {
            Some(reader.number())
        };
    }
    c.size = if reader.eat("I64") || reader.eat("ll") {
        Size::Wide64
    } else if reader.eat("I32") {
        Size::Plain
    } else if reader.eat("hh") {
        Size::Byte
    } else if reader.eat("h") {
        Size::Short
    } else if reader.eat("l") {
        Size::Long
    } else if reader.eat("w") {
        Size::WideText
    } else if matches!(reader.peek(), Some('I' | 'z' | 't' | 'j')) {
        reader.at += 1;
        Size::Wide64
    } else {
        Size::Plain
    };
    c
}

/// Whether text is wide: as the size says, else as the format is, and the other way for capital letters.
fn text_is_wide(c: &Conversion, capital: bool, is_wide: bool) -> bool {
    match c.size {
        Size::Long | Size::WideText => true,
        Size::Short | Size::Byte => false,
        Size::Plain | Size::Wide64 => is_wide != capital,
    }
}

fn convert(out: &mut Vec<u16>, c: &Conversion, kind: char, arguments: &Arguments, is_wide: bool) -> bool {
    match kind {
        'd' | 'i' => {
            let value = arguments.next();
            let value = match c.size {
                Size::Wide64 => value as i64,
                Size::Short => i64::from(value as i16),
                Size::Byte => i64::from(value as i8),
                _ => i64::from(value as i32),
            };
            let sign = match (value < 0, c.plus, c.blank) {
                (true, ..) => "-",
                (_, true, _) => "+",
                (_, _, true) => " ",
                _ => "",
            };
            number(out, c, sign, value.unsigned_abs().to_string());
        }
        'u' | 'x' | 'X' | 'o' => {
            let value = arguments.next();
            let value = match c.size {
                Size::Wide64 => value,
                Size::Short => u64::from(value as u16),
                Size::Byte => u64::from(value as u8),
                _ => u64::from(value as u32),
            };
            let (prefix, digits) = match kind {
                'x' => ("0x", format!("{value:x}")),
                'X' => ("0X", format!("{value:X}")),
                'o' => ("0", format!("{value:o}")),
                _ => ("", value.to_string()),
            };
            number(out, c, if c.alternate && value != 0 { prefix } else { "" }, digits);
        }
        'p' => pad(out, c, &units(&format!("{:016X}", arguments.next()))),
        'c' | 'C' => {
            let value = arguments.next();
            let unit =
                if text_is_wide(c, kind == 'C', is_wide) { value as u16 } else { ansi::to_unit(value as u8) };
            pad(out, c, &[unit]);
        }
        's' | 'S' => text(out, c, arguments.next() as usize, text_is_wide(c, kind == 'S', is_wide)),
        'Z' => counted(out, c, arguments.next() as usize),
        _ => return false,
    }
    true
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn number(out: &mut Vec<u16>, c: &Conversion, prefix: &str, digits: String) {
    let digits = match c.precision {
        Some(0) if digits == "0" => String::new(),
        Some(precision) => format!("{digits:0>precision$}"),
        None if c.zero && !c.left => {
            let room = c.width.saturating_sub(prefix.len());
            format!("{digits:0>room$}")
        }
        None => digits,
    };
    pad(out, c, &units(&format!("{prefix}{digits}")));
}

fn pad(out: &mut Vec<u16>, c: &Conversion, text: &[u16]) {
    let fill = std::iter::repeat_n(u16::from(b' '), c.width.saturating_sub(text.len()));
    if c.left {
        out.extend(text);
        out.extend(fill);
    } else {
        out.extend(fill);
        out.extend(text);
    }
}

fn text(out: &mut Vec<u16>, c: &Conversion, address: usize, wide: bool) {
    let limit = c.precision.unwrap_or(LONGEST);
    let read = if address == 0 {
        Ok(units("(null)").into_iter().take(limit).collect())
    } else if wide {
        read_zero_terminated(address, limit)
    } else {
        read_zero_terminated_bytes(address, limit).map(|bytes| ansi::to_units(&bytes))
    };
    pad(out, c, &read.unwrap_or_else(|_| units(BAD_ADDRESS)));
}

/// `%Z` and `%wZ`: the address of a counted string.
fn counted(out: &mut Vec<u16>, c: &Conversion, address: usize) {
    if address == 0 {
        return pad(out, c, &units("(null)"));
    }
    let read = || -> Result<Vec<u16>, copy::BadAddress> {
        let bytes = usize::from(copy::read_value::<u16>(address)?);
        let buffer = copy::read_value::<usize>(address + 8)?;
        if matches!(c.size, Size::WideText | Size::Long) {
            return read_units(buffer, (bytes / 2).min(c.precision.unwrap_or(usize::MAX)));
        }
        let mut narrow = vec![0; bytes.min(c.precision.unwrap_or(usize::MAX))];
        copy::read(buffer, &mut narrow)?;
        Ok(ansi::to_units(&narrow))
    };
    pad(out, c, &read().unwrap_or_else(|_| units(BAD_ADDRESS)));
}
