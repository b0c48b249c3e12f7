use crate::{at, call, machine, narrow, out, room, status, text, unicode};

#[test]
fn counted_strings_of_bytes_compare_copy_and_append() {
    machine(|| {
        let (a, b) = (narrow(b"Caf\xE9"), narrow(b"cAF\xC9s"));
        assert_eq!(call("RtlCompareString", [at(&a), at(&b), 1]) as i32, -1, "a byte shorter");
        assert_eq!(call("RtlEqualString", [at(&a), at(&b), 1]) as u8, 0);
        assert_eq!(call("RtlPrefixString", [at(&a), at(&b), 1]) as u8, 1);
        assert_eq!(call("RtlPrefixString", [at(&a), at(&b), 0]) as u8, 0);
        assert_eq!(call("RtlUpperChar", [0xE9]) as u8, 0xC9);
        let target = narrow(b"xxxxxx");
        call("RtlUpperString", [at(&target), at(&a)]);
        assert_eq!(nt_rtl::AnsiStr(&target).bytes().unwrap(), b"CAF\xC9");
        assert_eq!(status("RtlAppendStringToString", [at(&target), at(&a)]), 0xC000_0023);
        assert_eq!(status("RtlAppendAsciizToString", [at(&target), c"ab".as_ptr() as u64]), 0);
        assert_eq!(nt_rtl::AnsiStr(&target).bytes().unwrap(), b"CAF\xC9ab");
    });
}

#[test]
fn suffixes_case_and_duplicates() {
    machine(|| {
        let (whole, suffix) = (unicode("Volume\\Name.TXT"), unicode(".txt"));
        assert_eq!(call("RtlSuffixUnicodeString", [at(&suffix), at(&whole), 1]) as u8, 1);
        assert_eq!(call("RtlSuffixUnicodeString", [at(&suffix), at(&whole), 0]) as u8, 0);
        let copy = room(0);
        assert_eq!(status("RtlDowncaseUnicodeString", [at(&copy), at(&suffix), 1]), 0);
        assert_eq!(text(&copy), ".txt");
        call("RtlFreeUnicodeString", [at(&copy)]);
        assert_eq!(status("RtlDuplicateUnicodeString", [1, at(&whole), at(&copy)]), 0);
        assert_eq!((text(&copy).as_str(), copy.MaximumLength.get()), ("Volume\\Name.TXT", 32));
        call("RtlFreeUnicodeString", [at(&copy)]);
        let empty = room(0);
        assert_eq!(status("RtlDuplicateUnicodeString", [1, at(&empty), at(&copy)]), 0);
        assert!(copy.Buffer.get().is_null(), "an empty one gets no buffer unless asked for");
        assert_eq!(status("RtlDuplicateUnicodeString", [2, at(&whole), at(&copy)]), 0xC000_000D);
        whole.Length.set(3);
        assert_eq!(status("RtlValidateUnicodeString", [0, at(&whole)]), 0xC000_000D);
    });
}

#[test]
fn oem_strings_are_counted_or_terminated() {
    machine(|| {
        let (from, to) = (unicode("é€"), narrow(&[0; 4]));
        assert_eq!(status("RtlUnicodeStringToCountedOemString", [at(&to), at(&from), 0]), 0);
        assert_eq!(nt_rtl::AnsiStr(&to).bytes().unwrap(), [0x82, b'?']);
        assert_eq!(status("RtlUpcaseUnicodeStringToCountedOemString", [at(&to), at(&from), 0]), 0xC000_0162);
        let back = room(8);
        assert_eq!(status("RtlOemStringToUnicodeString", [at(&back), at(&to), 0]), 0);
        assert_eq!(text(&back), "é?");
        assert_eq!(call("RtlxOemStringToUnicodeSize", [at(&to)]) as u32, 6);
        let written = out(0u32);
        let source = "ab€c".encode_utf16().collect::<Vec<_>>();
        let bytes = out([0u8; 8]);
        let arguments = [at(bytes), 4, at(written), source.as_ptr() as u64, 8];
        assert_eq!(status("RtlUnicodeToUTF8N", arguments), 0xC000_0023);
        assert_eq!((written.get(), &bytes.get()[..3]), (2, &b"ab\0"[..]));
    });
}

#[test]
fn bitmaps_are_searched_from_a_hint_on() {
    machine(|| {
        let words = out([0u32; 2]);
        let header = nt_abi::RTL_BITMAP::zeroed();
        call("RtlInitializeBitMap", [at(&header), at(words), 40]);
        call("RtlSetBits", [at(&header), 30, 4]);
        assert_eq!(words.get(), [0xC000_0000, 3]);
        assert_eq!(
            call("RtlFindClearBits", [at(&header), 8, 29]) as u32,
            0,
            "too few behind the hint: from the start"
        );
        assert_eq!(call("RtlFindClearBitsAndSet", [at(&header), 6, 31]) as u32, 34);
        assert_eq!(call("RtlNumberOfSetBits", [at(&header)]) as u32, 10);
        assert_eq!(call("RtlAreBitsSet", [at(&header), 30, 10]) as u8, 1);
        assert_eq!(call("RtlAreBitsSet", [at(&header), 30, 11]) as u8, 0);
    });
}
