//! Strings, conversions, time fields and printf, over memory of a machine.

mod machine;

use boundary::copy;
use machine::machine;
use nt_abi::{NtStatus, STRING, TIME_FIELDS, UNICODE_STRING};
use nt_ex::pool::{self, PoolKind};
use nt_rtl::{AnsiStr, UnicodeStr, ansi, case, format, guid, integer, memory, string, time};

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Bytes in pool.
fn place(bytes: &[u8]) -> usize {
    let block = pool::allocate_engine(PoolKind::NonPaged, bytes.len().max(1), 1).unwrap().as_ptr() as usize;
    copy::write(block, bytes).unwrap();
    block
}

fn place_wide(text: &str) -> usize {
    place(&wide(text).iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>())
}

fn counted(text: &str, capacity_bytes: u16) -> UNICODE_STRING {
    let units = wide(text);
    let buffer = place(&vec![0xEE; usize::from(capacity_bytes).max(units.len() * 2)]);
    string::write_units(buffer, &units).unwrap();
    let result = UNICODE_STRING::default();
    result.Length.set((units.len() * 2) as u16);
    result.MaximumLength.set(capacity_bytes);
    result.Buffer.set(buffer as *mut u16);
    result
}

#[test]
fn initialising_measures_up_to_the_zero() {
    machine(|_| {
        let s = UNICODE_STRING::default();
        let buffer = place_wide("\\??\\C:");
        UnicodeStr(&s).init(buffer, false).unwrap();
        assert_eq!((s.Length.get(), s.MaximumLength.get(), s.Buffer.get() as usize), (12, 14, buffer));
        UnicodeStr(&s).init(0, true).unwrap();
        assert_eq!((s.Length.get(), s.MaximumLength.get()), (0, 0));
        assert_eq!(UnicodeStr(&s).init(8, false), Err(NtStatus::ACCESS_VIOLATION));
    });
}

#[test]
fn a_string_that_is_too_long_is_cut_or_refused() {
    machine(|_| {
        let s = UNICODE_STRING::default();
        let buffer = place_wide(&"x".repeat(0x9000));
        assert_eq!(UnicodeStr(&s).init(buffer, true), Err(NtStatus::NAME_TOO_LONG));
        UnicodeStr(&s).init(buffer, false).unwrap();
        assert_eq!((s.Length.get(), s.MaximumLength.get()), (0xFFFC, 0xFFFE));
    });
}

#[test]
fn copying_takes_what_fits() {
    machine(|_| {
        let (to, from) = (counted("", 6), counted("abcdef", 12));
        UnicodeStr(&to).copy_from(Some(UnicodeStr(&from))).unwrap();
        assert_eq!(UnicodeStr(&to).to_text(), "abc");
        UnicodeStr(&to).copy_from(None).unwrap();
        assert!(UnicodeStr(&to).is_empty());
    });
}

#[test]
fn appending_takes_all_or_nothing_and_ends_with_a_zero_where_there_is_room() {
    machine(|_| {
        let s = counted("ab", 10);
        UnicodeStr(&s).append(&wide("cd")).unwrap();
        assert_eq!(UnicodeStr(&s).to_text(), "abcd");
        assert_eq!(string::read_units(s.Buffer.get() as usize, 5).unwrap(), wide("abcd\0"));
        assert_eq!(UnicodeStr(&s).append(&wide("ef")), Err(NtStatus::BUFFER_TOO_SMALL));
        assert_eq!(UnicodeStr(&s).to_text(), "abcd");
        UnicodeStr(&s).append(&wide("e")).unwrap();
        assert_eq!(UnicodeStr(&s).to_text(), "abcde");
    });
}

#[test]
fn comparing_folds_case_only_when_asked() {
    machine(|_| {
        let (a, b) = (counted("Ünïcode", 14), counted("üNÏCODE", 14));
        assert_eq!(UnicodeStr(&a).equals(UnicodeStr(&b), true), Ok(true));
        assert_eq!(UnicodeStr(&a).equals(UnicodeStr(&b), false), Ok(false));
        assert!(UnicodeStr(&a).compare(UnicodeStr(&b), false).unwrap() < 0);
        assert_eq!(UnicodeStr(&a).compare(UnicodeStr(&b), true), Ok(0));
        let p = counted("üN", 4);
        assert_eq!(UnicodeStr(&p).is_prefix_of(UnicodeStr(&a), true), Ok(true));
        assert_eq!(UnicodeStr(&p).is_prefix_of(UnicodeStr(&a), false), Ok(false));
        assert_eq!(UnicodeStr(&a).is_prefix_of(UnicodeStr(&p), true), Ok(false));
        assert_eq!(UnicodeStr(&a).hash(true, 1), UnicodeStr(&b).hash(true, 0));
        assert_ne!(UnicodeStr(&a).hash(false, 1), UnicodeStr(&b).hash(false, 1));
        assert_eq!(UnicodeStr(&a).hash(false, 7), Err(NtStatus::INVALID_PARAMETER));
    });
}

#[test]
fn case_keeps_ascii_apart_from_the_rest() {
    // U+0131 upcases to an ASCII I in Unicode, U+00DF to two letters; NT keeps both.
    assert_eq!((case::upcase(0x131), case::upcase(0xDF), case::upcase(0xD800)), (0x131, 0xDF, 0xD800));
    assert_eq!((case::upcase(0xE9), case::downcase(0xC9), case::downcase(0x5A)), (0xC9, 0xE9, 0x7A));
    assert_eq!(case::hash_x65599(&wide("ab"), false), 0x61u32.wrapping_mul(65599) + 0x62);
}

#[test]
fn an_unreadable_string_is_an_error() {
    machine(|_| {
        let s = UNICODE_STRING::default();
        s.Length.set(4);
        s.Buffer.set(0x10 as *mut u16);
        assert_eq!(UnicodeStr(&s).units(), Err(NtStatus::ACCESS_VIOLATION));
        assert_eq!(UnicodeStr(&s).to_text(), "(bad address)");
    });
}

#[test]
fn ansi_strings_convert_both_ways_and_are_freed() {
    machine(|core| {
        let u = counted("a€ÿ漢", 8);
        let a = STRING::default();
        ansi::unicode_to_ansi(AnsiStr(&a), UnicodeStr(&u), true).unwrap();
        assert_eq!(AnsiStr(&a).bytes().unwrap(), [b'a', 0x80, 0xFF, b'?']);
        assert_eq!((a.Length.get(), a.MaximumLength.get()), (4, 5));
        let back = UNICODE_STRING::default();
        ansi::ansi_to_unicode(UnicodeStr(&back), AnsiStr(&a), true).unwrap();
        assert_eq!(UnicodeStr(&back).to_text(), "a€ÿ?");
        let small = counted("", 2);
        assert_eq!(
            ansi::ansi_to_unicode(UnicodeStr(&small), AnsiStr(&a), false),
            Err(NtStatus::BUFFER_OVERFLOW)
        );
        AnsiStr(&a).free().unwrap();
        UnicodeStr(&back).free().unwrap();
        assert!(pool::outstanding(0..1).iter().all(|leak| leak.tag != string::TAG));
        assert!(core.findings().is_empty());
    });
}

#[test]
fn integers_become_text_and_back() {
    assert_eq!(integer::to_text(255, 16).unwrap(), "FF");
    assert_eq!(integer::to_text(10, 0).unwrap(), "10");
    assert_eq!(integer::to_text(5, 2).unwrap(), "101");
    assert_eq!(integer::to_text(5, 7), Err(NtStatus::INVALID_PARAMETER));
    for (text, base, value) in [
        ("  42x", 0, 42),
        ("0x1fG", 0, 0x1F),
        ("0b101", 0, 5),
        ("0o17", 0, 15),
        ("-1", 10, u32::MAX),
        ("", 10, 0),
        ("ff", 16, 255),
    ] {
        assert_eq!(integer::from_text(&wide(text), base), Ok(value), "{text}");
    }
    assert_eq!(integer::from_text(&wide("1"), 3), Err(NtStatus::INVALID_PARAMETER));
}

#[test]
fn guids_become_text_and_back() {
    let bytes =
        [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF];
    let text = "{00112233-4455-6677-8899-aabbccddeeff}";
    assert_eq!(guid::to_text(&bytes), text);
    assert_eq!(guid::from_text(&wide(text)), Ok(bytes));
    for bad in [
        "",
        "{}",
        "00112233-4455-6677-8899-aabbccddeeff",
        "{0011223-34455-6677-8899-aabbccddeeff}",
        "{+0112233-4455-6677-8899-aabbccddeeff}",
    ] {
        assert_eq!(guid::from_text(&wide(bad)), Err(NtStatus::INVALID_PARAMETER), "{bad}");
    }
}

#[test]
fn times_split_into_fields_and_join_again() {
    let fields = TIME_FIELDS::default();
    time::to_fields(0, &fields);
    assert_eq!(
        (fields.Year.get(), fields.Month.get(), fields.Day.get(), fields.Weekday.get()),
        (1601, 1, 1, 1)
    );
    // 2024-02-29 12:34:56.789, a Thursday.
    let leap = time::from_seconds_since_1970(1_709_210_096) + 7_890_000;
    time::to_fields(leap, &fields);
    let date = (fields.Year.get(), fields.Month.get(), fields.Day.get(), fields.Weekday.get());
    let clock = (fields.Hour.get(), fields.Minute.get(), fields.Second.get(), fields.Milliseconds.get());
    assert_eq!((date, clock), ((2024, 2, 29, 4), (12, 34, 56, 789)));
    assert_eq!(time::from_fields(&fields), Some(leap));
    assert_eq!(time::to_seconds_since_1970(leap), Some(1_709_210_096));
    assert_eq!(time::to_seconds_since_1970(0), None);
    fields.Year.set(2023);
    assert_eq!(time::from_fields(&fields), None);
    for days in (0..200_000i64).step_by(97) {
        let day = days * 864_000_000_000;
        time::to_fields(day, &fields);
        assert_eq!(time::from_fields(&fields), Some(day));
    }
}

#[test]
fn memory_compares_up_to_the_first_difference() {
    machine(|_| {
        let (a, b) = (place(&[7; 1000]), place(&[7; 1000]));
        assert_eq!((memory::compare(a, b, 1000), memory::order(a, b, 1000)), (Ok(1000), Ok(0)));
        copy::write(b + 700, &[9]).unwrap();
        assert_eq!((memory::compare(a, b, 1000), memory::order(a, b, 1000)), (Ok(700), Ok(-1)));
        assert!(memory::compare(a, 8, 10).is_err());
    });
}

fn printed(text: &str, slots: &[u64]) -> String {
    let va_list = place(&slots.iter().flat_map(|slot| slot.to_le_bytes()).collect::<Vec<_>>());
    String::from_utf8(format::narrow(text.as_bytes(), va_list)).unwrap()
}

#[test]
fn printf_formats_integers_of_every_size() {
    machine(|_| {
        let garbage = 0xDEAD_BEEF_0000_0000u64;
        for (text, slot, expected) in [
            ("%d", garbage | 0xFFFF_FFFF, "-1"),
            ("%u", garbage | 5, "5"),
            ("%5d|", 42, "   42|"),
            ("%-5d|", 42, "42   |"),
            ("%05d", (-42i64) as u64, "-0042"),
            ("%+d % d", 7, "+7  0"),
            ("%.4x", 0xAB, "00ab"),
            ("%#x", 0xAB, "0xab"),
            ("%08X", 0xAB, "000000AB"),
            ("%I64d", u64::MAX, "-1"),
            ("%lld", 1 << 40, "1099511627776"),
            ("%I64x", garbage, "deadbeef00000000"),
            ("%llu", u64::MAX, "18446744073709551615"),
            ("%zu", 1 << 33, "8589934592"),
            ("%Iu", 1 << 33, "8589934592"),
            ("%ld", garbage | 9, "9"),
            ("%lu", garbage | 9, "9"),
            ("%hd", 0x1_8000, "-32768"),
            ("%hhu", 0x1FF, "255"),
            ("%o", 8, "10"),
            ("%p", 0x1234, "0000000000001234"),
            ("%c%%", u64::from(b'x'), "x%"),
            ("%.0d|", 0, "|"),
            ("100%", 0, "100"),
            ("%y", 0, "y"),
        ] {
            assert_eq!(printed(text, &[slot, 0]), expected, "{text}");
        }
        assert_eq!(printed("%*.*d|%-*d|", &[6, 3, 5, 4, 8]), "   005|8   |");
        assert_eq!(printed("%*d|", &[(-4i32) as u32 as u64, 8]), "8   |");
    });
}

#[test]
fn printf_reads_strings_of_every_kind() {
    machine(|_| {
        let (narrow, wide_text) = (place(b"narrow\0") as u64, place_wide("wide") as u64);
        let u = counted("counted", 14);
        let unicode = std::ptr::from_ref(&u) as u64;
        let a = STRING::default();
        a.Length.set(4);
        a.Buffer.set(narrow as *mut u8);
        let ansi = std::ptr::from_ref(&a) as u64;
        for (text, slot, expected) in [
            ("%s", narrow, "narrow"),
            ("%hs", narrow, "narrow"),
            ("%S", wide_text, "wide"),
            ("%ls", wide_text, "wide"),
            ("%ws", wide_text, "wide"),
            ("%wS", wide_text, "wide"),
            ("%8ws|", wide_text, "    wide|"),
            ("%.2ws|", wide_text, "wi|"),
            ("%.3s|", narrow, "nar|"),
            ("%wZ", unicode, "counted"),
            ("%.3wZ", unicode, "cou"),
            ("%Z", ansi, "narr"),
            ("%lc%C", u64::from(b'q'), "q\0"),
            ("%s", 0, "(null)"),
            ("%wZ", 0, "(null)"),
            ("%s", 0x10, "(bad address)"),
            ("%ws", 0xFFFF_8000_0000_0000, "(bad address)"),
            ("%wZ", 0x10, "(bad address)"),
        ] {
            assert_eq!(printed(text, &[slot, 0]), expected, "{text}");
        }
        let slots = place(&[wide_text.to_le_bytes(), narrow.to_le_bytes()].concat());
        assert_eq!(String::from_utf16(&format::wide(&wide("%s %S"), slots)).unwrap(), "wide narrow");
    });
}

#[test]
fn printf_reads_no_more_of_an_unterminated_string_than_its_precision() {
    machine(|_| {
        let buffer = nt_mm::UserBuffer::from_bytes(&[b'x'; 16]).unwrap();
        assert_eq!(printed("%.16s", &[buffer.address() as u64]), "x".repeat(16));
        assert_eq!(printed("%s", &[buffer.address() as u64]), "(bad address)");
    });
}

#[test]
fn an_unreadable_format_prints_as_such() {
    machine(|_| {
        assert_eq!(format::narrow_at(0x10, 0), b"(bad address)");
        assert_eq!(format::wide_at(0x10, 0), wide("(bad address)"));
    });
}
