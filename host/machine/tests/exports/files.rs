use crate::{at, attributes, call, machine, out, status, unicode};

const GENERIC_ALL: u64 = 0x1000_0000;
const SYNCHRONIZE: u64 = 0x10_0000;
/// FILE_SYNCHRONOUS_IO_NONALERT.
const SYNCHRONOUS: u64 = 0x20;
const CREATE: u64 = 2;
const OPEN: u64 = 1;

fn create(path: &str, disposition: u64, options: u64) -> (u32, u64, u64) {
    let (name, handle, block) = (unicode(path), out(0u64), out([0u64; 2]));
    let attributes = attributes(&name);
    let arguments = [
        at(handle),
        GENERIC_ALL | SYNCHRONIZE,
        at(&attributes),
        at(block),
        0,
        0x80,
        7,
        disposition,
        options,
        0,
        0,
    ];
    let status = status("ZwCreateFile", arguments);
    (status, handle.get(), block.get()[1])
}

#[test]
fn a_driver_creates_writes_reads_lists_and_deletes_a_file() {
    machine(|| {
        let (made, handle, information) = create(r"\??\C:\made.txt", CREATE, SYNCHRONOUS);
        assert_eq!((made, information), (0, 2), "FILE_CREATED");
        let (again, ..) = create(r"\??\C:\made.txt", CREATE, SYNCHRONOUS);
        assert_eq!(again, 0xC000_0035, "OBJECT_NAME_COLLISION");

        let (block, data, offset) = (out([0u64; 2]), *b"hello, filter", 0i64);
        let transfer = |name: &str, buffer: u64| {
            let length = data.len() as u64;
            status(name, [handle, 0, 0, 0, at(block), buffer, length, at(&offset), 0])
        };
        assert_eq!(transfer("ZwWriteFile", at(&data)), 0);
        assert_eq!(block.get()[1], 13);
        let into = out([0u8; 13]);
        assert_eq!(transfer("ZwReadFile", at(into)), 0);
        assert_eq!(into.get(), data);

        let standard = out([0u64; 3]);
        let query = [handle, at(block), at(standard), 24, 5];
        assert_eq!(status("ZwQueryInformationFile", query), 0);
        assert_eq!(standard.get()[1], 13, "EndOfFile");
        let end = 5u64;
        assert_eq!(status("ZwSetInformationFile", [handle, at(block), at(&end), 8, 20]), 0);
        assert_eq!(status("ZwQueryInformationFile", query), 0);
        assert_eq!(standard.get()[1], 5);
        assert_eq!(status("ZwFlushBuffersFile", [handle, at(block)]), 0);
        assert_eq!(status("ZwClose", [handle]), 0);

        let (opened, root, _) = create(r"\??\C:\", OPEN, SYNCHRONOUS | 1);
        assert_eq!(opened, 0);
        let (names, pattern) = (out([0u8; 1024]), unicode("MADE.*"));
        let list = [root, 0, 0, 0, at(block), at(names), 1024, 12, 1, at(&pattern), 1];
        assert_eq!(status("ZwQueryDirectoryFile", list), 0);
        let names = names.get();
        let units = names[12..28].chunks_exact(2).map(|pair| pair[0] as char);
        assert_eq!(units.collect::<String>(), "made.txt");
        assert_eq!(
            status("NtClose", [root]),
            0xC000_0008,
            "a kernel handle is none for the thread's previous mode"
        );
        assert_eq!(status("ZwClose", [root]), 0);

        let name = unicode(r"\??\C:\made.txt");
        assert_eq!(status("ZwDeleteFile", [at(&attributes(&name))]), 0);
        let (missing, _, _) = create(r"\??\C:\made.txt", OPEN, SYNCHRONOUS);
        assert_eq!(missing, 0xC000_0034, "OBJECT_NAME_NOT_FOUND");
        assert_eq!(call("ExGetPreviousMode", []) as u8, 1, "previous mode is as before");
    });
}
