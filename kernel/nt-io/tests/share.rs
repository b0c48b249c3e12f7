//! Share access.

use nt_abi::{
    DELETE, FILE_OBJECT, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA, NtStatus, SHARE_ACCESS,
};
use nt_io::{io_check_share_access, io_remove_share_access, io_set_share_access};

const ACCESS: [u32; 3] = [FILE_READ_DATA, FILE_WRITE_DATA, DELETE];

#[test]
fn each_side_has_to_share_what_the_other_one_does() {
    // spec: SHR-01, SHR-02, SHR-04
    for first in 1..8u32 {
        for second in 1..8u32 {
            for first_share in 0..8u32 {
                for second_share in 0..8u32 {
                    let shared = SHARE_ACCESS::default();
                    let (a, b) = (FILE_OBJECT::default(), FILE_OBJECT::default());
                    let access =
                        |bits: u32| (0..3).filter(|i| bits & (1 << i) != 0).fold(0, |sum, i| sum | ACCESS[i]);
                    io_set_share_access(access(first), first_share, &a, &shared);
                    let status = io_check_share_access(access(second), second_share, &b, &shared, true);
                    // Access bits and share bits stand in the same order.
                    let fits = second & !first_share == 0 && first & !second_share == 0;
                    assert_eq!(
                        status == NtStatus::SUCCESS,
                        fits,
                        "{first} {first_share} {second} {second_share}"
                    );
                    assert_eq!(shared.OpenCount.get(), 1 + u32::from(fits));
                    if fits {
                        io_remove_share_access(&b, &shared);
                    }
                    io_remove_share_access(&a, &shared);
                    assert_eq!(
                        (shared.OpenCount.get(), shared.Readers.get(), shared.SharedDelete.get()),
                        (0, 0, 0)
                    );
                }
            }
        }
    }
}

#[test]
fn opens_for_attributes_neither_conflict_nor_count() {
    // spec: SHR-03
    let shared = SHARE_ACCESS::default();
    let (a, b) = (FILE_OBJECT::default(), FILE_OBJECT::default());
    io_set_share_access(FILE_WRITE_DATA, 0, &a, &shared);
    assert_eq!(io_check_share_access(FILE_READ_ATTRIBUTES, 0, &b, &shared, true), NtStatus::SUCCESS);
    assert_eq!(shared.OpenCount.get(), 1);
}

#[test]
fn opens_that_ignore_share_access_are_neither_refused_nor_counted() {
    let shared = SHARE_ACCESS::default();
    let (a, b) = (FILE_OBJECT::default(), FILE_OBJECT::default());
    io_set_share_access(FILE_WRITE_DATA, 0, &a, &shared);
    b.FileObjectExtension.set(8 as *mut _);
    assert_eq!(io_check_share_access(FILE_READ_DATA, 0, &b, &shared, true), NtStatus::SUCCESS);
    io_remove_share_access(&b, &shared);
    assert_eq!((shared.OpenCount.get(), shared.Readers.get(), shared.Writers.get()), (1, 0, 1));
}
