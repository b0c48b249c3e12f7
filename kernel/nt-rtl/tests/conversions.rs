//! Code pages, UTF-8 and 64-bit integers as text: no machine is needed.

use nt_rtl::oem::CodePage::{Ansi, Oem};
use nt_rtl::{integer, utf8};

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

#[test]
fn each_byte_of_a_code_page_survives_the_way_there_and_back() {
    let bytes: Vec<u8> = (0..=255).collect();
    for page in [Ansi, Oem] {
        assert_eq!(page.to_bytes(&page.to_units(&bytes), false), (bytes.clone(), true), "{page:?}");
    }
    assert_eq!(Oem.to_units(&[0x81, 0x9B, 0xFE]), wide("ü¢■"));
    assert_eq!(Ansi.to_units(&[0x80, 0xFC]), wide("€ü"));
}

#[test]
fn what_a_code_page_does_not_have_becomes_one_question_mark() {
    assert_eq!(Oem.to_bytes(&wide("a€b"), false), (b"a?b".to_vec(), false));
    assert_eq!(Oem.to_bytes(&wide("a?b"), false), (b"a?b".to_vec(), true));
    assert_eq!(Ansi.to_bytes(&wide("😀"), false), (b"?".to_vec(), false));
    assert_eq!(Oem.to_bytes(&wide("éß"), true), (vec![0x90, 0xE1], true));
}

#[test]
fn utf8_and_utf16_agree_with_the_standard_library() {
    let text = "aé€😀z";
    let there = utf8::from_units(&wide(text), usize::MAX);
    assert_eq!((there.text.as_slice(), there.needed, there.all_mapped), (text.as_bytes(), text.len(), true));
    let back = utf8::to_units(text.as_bytes(), usize::MAX);
    assert_eq!((back.text, back.all_mapped), (wide(text), true));
}

#[test]
fn a_conversion_that_is_cut_ends_with_a_whole_character() {
    let cut = utf8::from_units(&wide("a€b"), 3);
    assert_eq!((cut.text.as_slice(), cut.needed), (&b"a"[..], 5), "b would fit, but € comes first");
    let cut = utf8::to_units("x😀y".as_bytes(), 2);
    assert_eq!((cut.text, cut.needed), (wide("x"), 4));
}

#[test]
fn ill_formed_text_is_replaced_and_said() {
    let made = utf8::from_units(&[0x61, 0xD800, 0x62], usize::MAX);
    assert_eq!((made.text.as_slice(), made.all_mapped), ("a\u{FFFD}b".as_bytes(), false));
    let made = utf8::to_units(b"a\xFFb", usize::MAX);
    assert_eq!((made.text, made.all_mapped), (vec![0x61, 0xFFFD, 0x62], false));
}

#[test]
fn sixty_four_bit_integers_say_where_they_end() {
    assert_eq!(integer::wide_from_text(&wide(" -0x10g"), 0), Ok(((-16i64) as u64, 6)));
    assert_eq!(integer::wide_from_text(&wide("18446744073709551615 "), 10), Ok((u64::MAX, 20)));
    assert_eq!(integer::from_text(&wide("4294967297"), 10), Ok(1), "32 bits wrap");
    assert!(integer::wide_from_text(&wide("1"), 7).is_err());
}
