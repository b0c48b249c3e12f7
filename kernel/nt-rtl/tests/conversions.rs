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

mod ip_addresses {
    use std::net::Ipv6Addr;

    use nt_rtl::net;

    fn six(text: &str) -> [u8; 16] {
        text.parse::<Ipv6Addr>().unwrap().octets()
    }

    #[test]
    fn are_written_as_windows_does() {
        assert_eq!(net::v4_port_text([10, 0, 0, 1], 0), "10.0.0.1");
        assert_eq!(net::v4_port_text([255, 255, 255, 255], 65535), "255.255.255.255:65535");
        for (address, text) in [
            ("::", "::"),
            ("::1", "::1"),
            ("fe80::1", "fe80::1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::ffff:0:1.2.3.4", "::ffff:0:1.2.3.4"),
            ("fe80::5efe:1.2.3.4", "fe80::5efe:1.2.3.4"),
            ("2001:db8::", "2001:db8::"),
        ] {
            assert_eq!(net::v6_text(six(address)), text);
            assert_eq!(net::v6(text).address, Some(six(address)), "and back");
        }
        assert_eq!(net::v6_scope_port_text(six("fe80::1"), 4, 0), "fe80::1%4");
        assert_eq!(net::v6_scope_port_text(six("::1"), 0, 80), "[::1]:80");
        assert_eq!(net::v6_scope_port_text(six("fe80::1"), 4, 80), "[fe80::1%4]:80");
    }

    #[test]
    fn are_read_in_old_spellings_unless_strict() {
        assert_eq!(net::v4("10.1.2.3 rest", true), net::Parsed { address: Some([10, 1, 2, 3]), end: 8 });
        assert_eq!(net::v4("10.1", true).address, None);
        assert_eq!(net::v4("10.1", false).address, Some([10, 0, 0, 1]));
        assert_eq!(net::v4("0x7f.010.0.1", false).address, Some([127, 8, 0, 1]));
        assert_eq!(net::v4("2130706433", false).address, Some([127, 0, 0, 1]));
        for bad in ["256.1.1.1", "1.2.3.4.5", "1..2", "", "1.2.3.256"] {
            assert_eq!(net::v4(bad, false).address, None, "{bad}");
        }
        assert_eq!(net::v4_and_port("1.2.3.4:80", true), Some(([1, 2, 3, 4], 80)));
        assert_eq!(net::v4_and_port("1.2.3.4x", true), None);
        assert_eq!(net::v4_and_port("1.2.3.4:0", true), None);
    }

    #[test]
    fn carry_scope_and_port_in_brackets() {
        assert_eq!(net::v6_scope_and_port("[fe80::1%4]:80"), Some((six("fe80::1"), 4, 80)));
        assert_eq!(net::v6_scope_and_port("fe80::1%4"), Some((six("fe80::1"), 4, 0)));
        assert_eq!(net::v6_scope_and_port("[::1]"), Some((six("::1"), 0, 0)));
        for bad in ["[::1", "::1]", "[::1]80", "::1%x", "1::2::3", "[::1]:70000"] {
            assert_eq!(net::v6_scope_and_port(bad), None, "{bad}");
        }
    }
}
