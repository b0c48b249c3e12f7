use crate::{at, call, machine, out, room, status, text, wide};

const SERVICES: u64 = 1;

extern "win64" fn collect(
    name: usize,
    kind: u32,
    data: usize,
    length: u32,
    context: usize,
    number: usize,
) -> i32 {
    let mut bytes = vec![0; length as usize];
    boundary::copy::read(data, &mut bytes).unwrap();
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let name = nt_rtl::string::read_zero_terminated(name, 100).unwrap();
    let line = format!(
        "{number}:{}:{kind}:{};",
        String::from_utf16_lossy(&name),
        String::from_utf16_lossy(&units).replace('\0', "|")
    );
    // SAFETY: the test passes the address of its string, and nobody else uses it meanwhile.
    unsafe { (*(context as *mut String)).push_str(&line) };
    0
}

fn zero_terminated(text: &str) -> u64 {
    wide(&format!("{text}\0")).leak().as_ptr() as u64
}

fn write(path: u64, name: &str, kind: u64, data: &[u8]) {
    let arguments = [SERVICES, path, zero_terminated(name), kind, data.as_ptr() as u64, data.len() as u64];
    assert_eq!(status("RtlWriteRegistryValue", arguments), 0);
}

fn bytes(text: &str) -> Vec<u8> {
    wide(text).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// An entry of a table: routine, flags, name, context, default type, data and length.
type Entry = [u64; 7];

#[test]
fn a_table_of_values_is_worked_through() {
    machine(|| {
        let path = zero_terminated("thing");
        assert_eq!(status("RtlCheckRegistryKey", [SERVICES, path]), 0xC000_0034);
        assert_eq!(status("RtlCreateRegistryKey", [SERVICES, path]), 0);
        assert_eq!(status("RtlCheckRegistryKey", [SERVICES, path]), 0);
        write(path, "Number", 4, &77u32.to_le_bytes());
        write(path, "Text", 1, &bytes("hello\0"));
        write(path, "List", 7, &bytes("a\0bc\0\0"));
        write(path, "Long", 11, &5u64.to_le_bytes());

        let (number, fallback, string, long) = (out(0u32), out(9u32), room(0), out([-16i32, 0, 0, 0]));
        string.Buffer.set(std::ptr::null_mut());
        let default = 3u32;
        let direct: [Entry; 5] = [
            [0, 0x20, zero_terminated("Number"), at(number), 0, 0, 0],
            [0, 0x20, zero_terminated("Missing"), at(fallback), 4, at(&default), 4],
            [0, 0x20, zero_terminated("Text"), at(&string), 0, 0, 0],
            [0, 0x20, zero_terminated("Long"), at(long), 0, 0, 0],
            [0; 7],
        ];
        assert_eq!(status("RtlQueryRegistryValues", [SERVICES, path, at(&direct), 0, 0]), 0);
        assert_eq!((number.get(), fallback.get(), text(&string).as_str()), (77, 3, "hello"));
        assert_eq!(long.get()[..2], [5, 0]);
        call("RtlFreeUnicodeString", [at(&string)]);

        let mut lines = String::new();
        let routine = collect as *const () as u64;
        let called: [Entry; 3] = [
            [routine, 0, zero_terminated("List"), 1, 0, 0, 0],
            [routine, 0x10, zero_terminated("List"), 2, 0, 0, 0],
            [0; 7],
        ];
        let context = std::ptr::from_mut(&mut lines) as u64;
        assert_eq!(status("RtlQueryRegistryValues", [SERVICES, path, at(&called), context, 0]), 0);
        assert_eq!(lines, "1:List:1:a|;1:List:1:bc|;2:List:7:a|bc||;");

        let required: [Entry; 2] = [[0, 0x24, zero_terminated("Missing"), at(number), 0, 0, 0], [0; 7]];
        assert_eq!(status("RtlQueryRegistryValues", [SERVICES, path, at(&required), 0, 0]), 0xC000_0034);
        let checked: [Entry; 2] = [[0, 0x120, zero_terminated("Text"), at(number), 4 << 24, 0, 0], [0; 7]];
        assert_eq!(
            status("RtlQueryRegistryValues", [SERVICES, path, at(&checked), 0, 0]),
            0xC000_0024,
            "another type"
        );
        assert_eq!(status("RtlDeleteRegistryValue", [SERVICES, path, zero_terminated("Number")]), 0);
        assert_eq!(
            status("RtlDeleteRegistryValue", [SERVICES, path, zero_terminated("Number")]),
            0xC000_0034
        );
    });
}
