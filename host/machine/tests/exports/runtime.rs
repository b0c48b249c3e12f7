use crate::{at, call, machine, out, wide};

extern "win64" fn compare(a: usize, b: usize) -> i32 {
    let read = |address| boundary::copy::read_value::<i32>(address).unwrap();
    read(a).cmp(&read(b)) as i32
}

fn text(address: u64) -> Vec<u8> {
    nt_rtl::string::read_zero_terminated_bytes(address as usize, 100).unwrap()
}

#[test]
fn elements_are_sorted_and_found() {
    machine(|| {
        let (numbers, routine) = (out([5i32, -1, 9, 0, 3, 3, -7]), compare as *const () as u64);
        call("qsort", [at(numbers), 7, 4, routine]);
        assert_eq!(numbers.get(), [-7, -1, 0, 3, 3, 5, 9]);
        let find = |key: i32| call("bsearch", [at(&key), at(numbers), 7, 4, routine]);
        assert_eq!(find(5), at(numbers) + 20);
        assert_eq!(find(4), 0);
    });
}

#[test]
fn tokens_are_cut_out_one_by_one() {
    machine(|| {
        let line = out(*b" a, bc,,d \0");
        let context = out(0u64);
        let next = |from: u64| match call("strtok_s", [from, c" ,".as_ptr() as u64, at(context)]) {
            0 => String::new(),
            address => String::from_utf8(text(address)).unwrap(),
        };
        assert_eq!([next(at(line)), next(0), next(0), next(0)], ["a", "bc", "d", ""]);
        let (words, set) = (wide("xyz\0").leak(), wide("zy\0"));
        assert_eq!(call("wcspbrk", [words.as_ptr() as u64, set.as_ptr() as u64]), words.as_ptr() as u64 + 2);
        assert_eq!(call("wcsspn", [words.as_ptr() as u64, set.as_ptr() as u64]), 0);
        assert_eq!(call("strcspn", [c"key=value".as_ptr() as u64, c"=".as_ptr() as u64]), 3);
    });
}

#[test]
fn numbers_are_read_and_spelled() {
    machine(|| {
        let end = out(0u64);
        let line = c"  -0x20 rest";
        assert_eq!(call("strtol", [line.as_ptr() as u64, at(end), 0]) as i32, -32);
        assert_eq!(end.get(), line.as_ptr() as u64 + 7);
        assert_eq!(call("_wtoi", [wide("123\0").as_ptr() as u64]) as i32, 123);
        let buffer = out([0u8; 40]);
        call("_itoa", [u64::from(-255i32 as u32), at(buffer), 16]);
        assert_eq!(text(at(buffer)), b"ffffff01", "only base 10 has a sign");
        call("_i64toa", [(-255i64) as u64, at(buffer), 10]);
        assert_eq!(text(at(buffer)), b"-255");
        assert_eq!(call("_ultoa_s", [12345, at(buffer), 5, 10]) as i32, 34, "ERANGE: no room for the zero");
        assert_eq!(text(at(buffer)), b"");
    });
}

#[test]
fn secure_copies_say_what_is_wrong_and_leave_nothing_behind() {
    machine(|| {
        let (to, from) = (out([1u8; 4]), [9u8; 8]);
        assert_eq!(call("memcpy_s", [at(to), 4, at(&from), 8]) as i32, 34);
        assert_eq!(to.get(), [0; 4]);
        assert_eq!(call("memcpy_s", [at(to), 4, at(&from), 3]) as i32, 0);
        assert_eq!(to.get(), [9, 9, 9, 0]);
        assert_eq!(call("memmove_s", [at(to), 4, 0, 1]) as i32, 22);
        let line = out(*b"AbC\0");
        assert_eq!(call("_strlwr_s", [at(line), 4]) as i32, 0);
        assert_eq!(line.get(), *b"abc\0");
        assert_eq!(call("_strlwr_s", [at(line), 3]) as i32, 22);
        assert_eq!(line.get()[0], 0);
    });
}

#[test]
fn a_seed_gives_its_sequence_again() {
    machine(|| {
        let three = || [0; 3].map(|_: i32| call("rand", []) as i32);
        call("srand", [7]);
        let first = three();
        assert_ne!(first, three());
        call("srand", [7]);
        assert_eq!(first, three());
        assert!(first.iter().all(|number| (0..0x8000).contains(number)));
        assert_eq!(call("isspace", [11]) as i32, 1);
        assert_eq!(call("iswdigit", [0x0660]) as i32, 0, "only ASCII");
    });
}

#[test]
fn well_known_identifiers_are_data() {
    machine(|| {
        let exports = exports::resolve("ntoskrnl.exe", "SeExports").unwrap();
        let read = |address: usize| boundary::copy::read_value::<u64>(address).unwrap() as usize;
        let table = read(exports);
        assert_eq!(read(table + 0x90), 20, "SeDebugPrivilege");
        let system = nt_se::capture::sid(read(table + 0x108)).unwrap().unwrap();
        assert_eq!(system.to_string(), "S-1-5-18");
        let legal = read(exports::resolve("ntoskrnl.exe", "FsRtlLegalAnsiCharacterArray").unwrap());
        assert_eq!(boundary::copy::read_value::<u8>(legal + usize::from(b'*')).unwrap() & 8, 8, "a wildcard");
    });
}

#[test]
fn times_checksums_and_versions_are_as_documented() {
    machine(|| {
        let (time, seconds) = (out(0i64), out(0u32));
        call("RtlSecondsSince1970ToTime", [1_000_000_000, at(time)]);
        assert_eq!(time.get(), 126_444_736_000_000_000);
        assert_eq!(call("RtlTimeToSecondsSince1970", [at(time), at(seconds)]) as u8, 1);
        assert_eq!(seconds.get(), 1_000_000_000);
        assert_eq!(call("RtlTimeToSecondsSince1980", [at(time), at(seconds)]) as u8, 1);
        assert_eq!(seconds.get(), 1_000_000_000 - 315_532_800);
        assert_eq!(call("RtlComputeCrc32", [0, c"123456789".as_ptr() as u64, 9]) as u32, 0xCBF4_3926);
        let part = call("RtlComputeCrc32", [0, c"1234".as_ptr() as u64, 4]);
        assert_eq!(call("RtlComputeCrc32", [part, c"56789".as_ptr() as u64, 5]) as u32, 0xCBF4_3926);
        assert_eq!(call("RtlUlongByteSwap", [0x0102_0304]) as u32, 0x0403_0201);
        let (seed, value) = (out(1u32), call("RtlRandomEx", [at(out(1u32))]) as u32);
        assert_eq!(call("RtlRandomEx", [at(seed)]) as u32, value, "the seed decides");
        assert_ne!(call("RtlRandomEx", [at(seed)]) as u32, value);
        let mut version = [0u32; 71];
        (version[0], version[1]) = (0x11C, 6);
        let mask = call("VerSetConditionMask", [0, 2, 3]);
        assert_eq!(call("RtlVerifyVersionInfo", [at(&version), 2, mask]) as u32, 0);
        version[1] = 11;
        assert_eq!(call("RtlVerifyVersionInfo", [at(&version), 2, mask]) as u32, 0xC000_0059);
        assert_eq!(call("RtlIsNtDdiVersionAvailable", [0x0A00_0000]) as u8, 1);
        assert_eq!(call("RtlIsNtDdiVersionAvailable", [0x0B00_0000]) as u8, 0);
    });
}
