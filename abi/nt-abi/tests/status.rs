//! Severity and names of status codes.

use nt_abi::NtStatus;

mod severity {
    use super::*;

    #[test]
    fn success_is_whatever_is_not_negative() {
        for status in [NtStatus::SUCCESS, NtStatus::PENDING, NtStatus::OBJECT_NAME_EXISTS] {
            assert!(status.is_success() && !status.is_error() && !status.is_warning(), "{status}");
        }
    }

    #[test]
    fn a_warning_is_neither_success_nor_error() {
        // spec: ENUM-09
        for status in [NtStatus::NO_MORE_ENTRIES, NtStatus::BUFFER_OVERFLOW] {
            assert!(status.is_warning() && !status.is_success() && !status.is_error(), "{status}");
        }
    }

    #[test]
    fn the_top_two_bits_say_it() {
        assert_eq!(NtStatus::SUCCESS.severity(), 0);
        assert_eq!(NtStatus::OBJECT_NAME_EXISTS.severity(), 1);
        assert_eq!(NtStatus::FLT_BUFFER_TOO_SMALL.severity(), 2);
        assert_eq!(NtStatus::ACCESS_DENIED.severity(), 3);
    }
}

mod name {
    use super::*;

    #[test]
    fn is_printed_with_the_code() {
        assert_eq!(NtStatus::ACCESS_DENIED.to_string(), "STATUS_ACCESS_DENIED (0xC0000022)");
    }

    #[test]
    fn is_absent_for_a_code_that_a_driver_invented() {
        let invented = NtStatus::from_bits(0xE042_1234);
        assert_eq!(invented.name(), None);
        assert_eq!(invented.to_string(), "0xE0421234");
    }

    #[test]
    fn is_listed_once() {
        let mut names: Vec<_> = NtStatus::ALL.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), NtStatus::ALL.len());
    }

    #[test]
    fn of_a_major_function_covers_irps_and_the_filter_manager_s_own() {
        assert_eq!(nt_abi::irp_mj::name(0x03), "IRP_MJ_READ");
        assert_eq!(nt_abi::irp_mj::name(0xFC), "IRP_MJ_RELEASE_FOR_MOD_WRITE");
        assert_eq!(nt_abi::irp_mj::name(0x55), "IRP_MJ_?");
    }

    #[test]
    fn of_a_bug_check_is_found_by_its_code() {
        assert_eq!(nt_abi::bugcheck::name(0x139), "KERNEL_SECURITY_CHECK_FAILURE");
        assert_eq!(nt_abi::bugcheck::name(0xF5), "FLTMGR_FILE_SYSTEM");
    }
}
