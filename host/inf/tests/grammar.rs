//! How the text of an INF file is read.

mod parse {
    use inf_file::{Inf, InfErrorKind, Section};

    fn parse(text: &str) -> Inf {
        Inf::parse(text.as_bytes(), "test.inf").unwrap()
    }

    #[track_caller]
    fn only_section(text: &str) -> Section {
        parse(text).section("A").unwrap().clone()
    }

    #[track_caller]
    fn values(line: &str) -> Vec<String> {
        only_section(&format!("[A]\n{line}\n[Strings]\nfox = \"red fox\"\nquote=\"a\"\"b\"\n")).entries[0]
            .values
            .clone()
    }

    #[track_caller]
    fn refused(text: &str) -> (Option<u32>, InfErrorKind, String) {
        let error = Inf::parse(text.as_bytes(), "test.inf").unwrap_err();
        (error.line, error.kind.clone(), error.to_string())
    }

    #[test]
    fn keys_and_values_are_trimmed_and_split_at_commas() {
        let section = only_section("[A]\n  Key Name =  one , two words,, four  \n");
        assert_eq!(section.entries[0].key.as_deref(), Some("Key Name"));
        assert_eq!(section.entries[0].values, ["one", "two words", "", "four"]);
        assert_eq!(section.entries[0].line, 2);
        assert_eq!(section.entries[0].value(9), "");
    }

    #[test]
    fn lines_without_equals_sign_have_no_key() {
        let section = only_section("[A]\nfile.sys\nHKR,,\"a\",0,b=c\nempty =\n");
        assert_eq!((section.entries[0].key.as_ref(), section.entries[0].value(0)), (None, "file.sys"));
        assert_eq!(section.entries[1].key, None);
        assert_eq!(section.entries[1].values, ["HKR", "", "a", "0", "b=c"]);
        assert_eq!(section.entries[2].key.as_deref(), Some("empty"));
        assert!(section.entries[2].values.is_empty());
    }

    #[test]
    fn quotes_keep_commas_comments_spaces_and_quotes() {
        assert_eq!(values(r#"k = " a, b ; c = d ""e"" ",x"#), [" a, b ; c = d \"e\" ", "x"]);
        assert_eq!(values(r#"k = """#), [""]);
        assert_eq!(values(r#"HKR,"Instances\"%fox%,x"#), ["HKR", "Instances\\red fox", "x"]);
    }

    #[test]
    fn comments_end_a_line_outside_quotes() {
        let section = only_section("; first\n[A] ; the section\nk = v ; not a value\n;k2 = v2\n   ; more\n");
        assert_eq!(section.entries.len(), 1);
        assert_eq!(section.entries[0].values, ["v"]);
    }

    #[test]
    fn backslash_at_the_end_continues_the_line() {
        let section =
            only_section("[A]\nk = one, \\\r\n  two, \\ ; with a comment\r\n three\r\nnext = 1\r\n");
        assert_eq!(section.entries[0].values, ["one", "two", "three"]);
        assert_eq!((section.entries[1].key.as_deref(), section.entries[1].line), (Some("next"), 5));
        assert_eq!(values(r"k = a\b\c"), [r"a\b\c"]);
    }

    #[test]
    fn section_and_key_names_ignore_case() {
        let inf = parse("[Version]\nSIGNATURE = x\n");
        assert_eq!(inf.section("VERSION").unwrap().entry("Signature").unwrap().value(0), "x");
        assert!(inf.section("Versio").is_none());
    }

    #[test]
    fn repeated_sections_are_one() {
        let inf = parse("[A]\nk=1\n[B]\nk=2\n[a]\nk=3\n");
        let found: Vec<_> = inf.section("A").unwrap().entries_of("K").map(|entry| entry.value(0)).collect();
        assert_eq!(found, ["1", "3"]);
        assert_eq!(inf.sections().len(), 2);
    }

    #[test]
    fn strings_are_substituted_everywhere() {
        assert_eq!(values("k = %fox%, \"the %FOX%\", %quote%"), ["red fox", "the red fox", "a\"b"]);
        let inf = parse("[%s%.x]\n%k% = v\n[Strings]\ns = Name\nk = Key\n");
        assert_eq!(inf.section("Name.x").unwrap().entry("Key").unwrap().value(0), "v");
    }

    #[test]
    fn percent_signs_directory_ids_and_unknown_tokens_stay() {
        assert_eq!(
            values(r"k = 100%%, %12%\x.sys, %SystemRoot%\x, 5%"),
            ["100%", r"%12%\x.sys", r"%SystemRoot%\x", "5%"]
        );
    }

    #[test]
    fn language_strings_serve_only_what_is_missing() {
        let inf = parse(
            "[A]\nk = %a%,%b%,%c%\n[Strings.0407]\na=d\nb=d\nc=d\n[Strings.0409]\na=e\nb=e\n[Strings]\na=n\n",
        );
        assert_eq!(inf.section("A").unwrap().entries[0].values, ["n", "e", "d"]);
    }

    #[test]
    fn text_before_the_first_section_does_not_count() {
        let section = only_section("/*++\n  Notes: the \"open\n  k = 1\n--*/\n[A]\nk = 2\n");
        assert_eq!(
            (section.entries.len(), section.entries[0].value(0), section.entries[0].line),
            (1, "2", 6)
        );
    }

    #[test]
    fn encodings_are_recognized() {
        let text = "[A]\r\nk = Grüße\r\n";
        let utf16 = |mark: u16, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(mark).chain(text.encode_utf16()).flat_map(order).collect()
        };
        let files = [
            text.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            utf16(0xFEFF, u16::to_le_bytes),
            utf16(0xFEFF, u16::to_be_bytes),
            b"[A]\r\nk = Gr\xFC\xDFe\r\n".to_vec(),
        ];
        for file in files {
            let inf = Inf::parse(&file, "test.inf").unwrap();
            assert_eq!(inf.section("A").unwrap().entries[0].values, ["Grüße"], "{file:x?}");
        }
    }

    #[test]
    fn damaged_text_is_refused_with_its_place() {
        assert_eq!(refused("").1, InfErrorKind::Empty);
        assert_eq!(refused("; nothing\n").0, None);
        let (line, kind, message) = refused("[A]\nk = 1\nk = \"open\n");
        assert_eq!((line, kind), (Some(3), InfErrorKind::UnclosedQuote));
        assert!(message.starts_with("test.inf:3: ") && message.contains("closing"), "{message}");
        assert_eq!(
            refused(
                "k = 1
"
            )
            .1,
            InfErrorKind::Empty
        );
        assert_eq!(refused("[A\n").1, InfErrorKind::BadSectionHeader);
        assert_eq!(refused("[A] k = 1\n").1, InfErrorKind::BadSectionHeader);
        assert_eq!(refused("MZ\0\0").1, InfErrorKind::NotText);
        assert_eq!(Inf::parse(b"\xFF\xFE[", "t").unwrap_err().kind, InfErrorKind::BadUtf16);
    }

    #[test]
    fn no_input_makes_it_panic() {
        let good = "[DefaultInstall.NTamd64]\nAddReg=R\n[DefaultInstall.NTamd64.Services]\nAddService=%n%,0,S\n[S]\n\
            ServiceType=2\nStartType=3\nErrorControl=1\nServiceBinary=%12%\\a.sys\nAddReg=R\n[R]\n\
            HKR,\"Instances\",\"DefaultInstance\",0,\"I\"\nHKR,\"Instances\\I\",\"Flags\",0x10001,0x0\n\
            HKLM,\"x\",\"y\",1,0a,0b\n[Strings]\nn=\"N\"\n"
            .as_bytes();
        let exercise = |bytes: &[u8]| {
            if let Ok(service) = Inf::parse(bytes, "t").and_then(|inf| inf.driver_service()) {
                service.instances();
            }
        };
        for length in 0..good.len() {
            exercise(&good[..length]);
        }
        for at in 0..good.len() {
            for byte in [0, b'"', b'%', b'[', b']', b'\\', b'\n', b',', b'=', b';', b'-', b'9', 0x80, 0xFF] {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                exercise(&bytes);
            }
        }
    }
}
