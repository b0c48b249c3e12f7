//! Tokens and access checks.

use std::sync::Arc;

use nt_abi::{ACCESS_STATE, GENERIC_READ, GENERIC_WRITE, MAXIMUM_ALLOWED, NtStatus};
use nt_ke::core::Config;
use nt_ke::{Core, current_thread};
use nt_ob::{Mapping, Ob, ob_pointer_count};
use nt_se::descriptor::{DACL, GROUP, OWNER, Parts, allow_list};
use nt_se::*;

const FILE: Mapping = Mapping { read: 0x12_0089, write: 0x12_0116, execute: 0x12_00A0, all: 0x1F_01FF };

fn run<R>(f: impl FnOnce() -> R) -> R {
    let core: Arc<Core> = Core::new(Config::default()).expect("a slot is free");
    let result = core
        .attach(0, || {
            core.install(Box::new(nt_mm::Mm::new(&core).expect("pages")));
            core.install(Box::new(nt_ex::Ex::new(&core)));
            Ob::boot(&core).expect("no raise").expect("boots");
            Se::boot(&core).expect("no raise").expect("boots");
            f()
        })
        .expect("a thread");
    core.stop();
    result
}

fn descriptor(entries: &[(u8, u32, Sid)]) -> Vec<u8> {
    let allowed: Vec<(u32, Sid)> = entries.iter().map(|(_, mask, sid)| (*mask, sid.clone())).collect();
    let mut dacl = allow_list(&allowed);
    let mut at = 8;
    for (kind, _, sid) in entries {
        dacl[at] = *kind;
        at += 8 + sid.bytes().len();
    }
    Parts {
        control: 4,
        owner: Some(Sid::local_system()),
        group: Some(Sid::local_system()),
        dacl: Some(dacl),
        sacl: None,
    }
    .write()
}

mod access_check {
    use super::*;

    #[test]
    fn kernel_mode_gets_what_it_asks_for() {
        let nobody = descriptor(&[]);
        let token = TokenDescription::user();
        assert_eq!(se_access_check(Some(&nobody), &token, GENERIC_READ, 0, &FILE, 0), Ok(FILE.read));
    }

    #[test]
    fn an_empty_list_grants_nothing_and_a_missing_one_everything() {
        let token = TokenDescription::user();
        let empty = descriptor(&[]);
        assert_eq!(se_access_check(Some(&empty), &token, 1, 0, &FILE, 1), Err(NtStatus::ACCESS_DENIED));
        let null = Parts { control: 4, ..Parts::default() }.write();
        assert_eq!(se_access_check(Some(&null), &token, GENERIC_WRITE, 0, &FILE, 1), Ok(FILE.write));
        assert_eq!(se_access_check(None, &token, MAXIMUM_ALLOWED, 0, &FILE, 1), Ok(FILE.all));
    }

    #[test]
    fn the_first_entry_that_applies_decides() {
        let token = TokenDescription::user();
        let deny_first = descriptor(&[(1, 2, Sid::everyone()), (0, 3, Sid::everyone())]);
        assert_eq!(se_access_check(Some(&deny_first), &token, 1, 0, &FILE, 1), Ok(1));
        assert_eq!(se_access_check(Some(&deny_first), &token, 3, 0, &FILE, 1), Err(NtStatus::ACCESS_DENIED));
        let allow_first = descriptor(&[(0, 3, Sid::everyone()), (1, 2, Sid::everyone())]);
        assert_eq!(se_access_check(Some(&allow_first), &token, 3, 0, &FILE, 1), Ok(3));
    }

    #[test]
    fn maximum_allowed_collects_what_the_list_grants() {
        let list = descriptor(&[(0, 1, Sid::everyone()), (0, 0x1F_01FF, Sid::administrators())]);
        assert_eq!(
            se_access_check(Some(&list), &TokenDescription::user(), MAXIMUM_ALLOWED, 0, &FILE, 1),
            Ok(1)
        );
        let administrator = TokenDescription::administrator();
        assert_eq!(se_access_check(Some(&list), &administrator, MAXIMUM_ALLOWED, 0, &FILE, 1), Ok(0x1F_01FF));
    }

    #[test]
    fn system_security_takes_the_privilege() {
        let list = default_descriptor();
        let user = se_access_check(Some(&list), &TokenDescription::user(), 0x100_0000, 0, &FILE, 1);
        assert_eq!(user, Err(NtStatus::PRIVILEGE_NOT_HELD));
        let system = se_access_check(Some(&list), &TokenDescription::system(), 0x100_0000, 0, &FILE, 1);
        assert_eq!(system, Ok(0x100_0000));
    }

    #[test]
    fn a_malformed_descriptor_is_refused() {
        let token = TokenDescription::user();
        let check = |bytes: &[u8]| se_access_check(Some(bytes), &token, 1, 0, &FILE, 1);
        assert_eq!(check(&[1, 0]), Err(NtStatus::INVALID_SECURITY_DESCR));
        let mut far = default_descriptor();
        far[16..20].copy_from_slice(&0xFFFF_u32.to_le_bytes());
        assert_eq!(check(&far), Err(NtStatus::INVALID_SECURITY_DESCR));
    }
}

mod descriptors {
    use super::*;

    #[test]
    fn the_default_reads_back_and_grants_everyone() {
        let bytes = default_descriptor();
        assert_eq!(descriptor_length(&bytes), Some(bytes.len()));
        assert_eq!(Parts::read(&bytes).unwrap().owner.unwrap().to_string(), "S-1-5-32-544");
        assert_eq!(
            se_access_check(Some(&bytes), &TokenDescription::user(), 0x1F_01FF, 0, &FILE, 1),
            Ok(0x1F_01FF)
        );
    }

    #[test]
    fn a_selection_has_only_what_was_asked_for() {
        let parts = Parts::read(&select_descriptor(&default_descriptor(), OWNER).unwrap()).unwrap();
        assert!(parts.owner.is_some() && parts.group.is_none() && parts.dacl.is_none());
        assert_eq!(parts.control & 4, 0);
        let parts = Parts::read(&select_descriptor(&default_descriptor(), DACL).unwrap()).unwrap();
        assert!(parts.owner.is_none() && parts.dacl.is_some());
    }

    #[test]
    fn merging_replaces_the_named_parts() {
        let old = default_descriptor();
        let new = Parts { owner: Some(Sid::everyone()), ..Parts::default() }.write();
        let merged = Parts::read(&merge_descriptor(&old, &new, OWNER).unwrap()).unwrap();
        assert_eq!(merged.owner, Some(Sid::everyone()));
        assert_eq!(merged.dacl, Parts::read(&old).unwrap().dacl);
        assert_eq!(merge_descriptor(&old, &new, GROUP), None, "the group must not go");
    }
}

mod tokens {
    use super::*;

    #[test]
    fn administrators_are_told_from_users() {
        run(|| {
            let admin = se_create_token(TokenDescription::administrator()).unwrap();
            let user = se_create_token(TokenDescription::user()).unwrap();
            assert_eq!(se_token_is_admin(admin.address()), Ok(true));
            assert_eq!(se_token_is_admin(user.address()), Ok(false));
            assert_eq!(se_token_type(user.address()), Ok(1));
        });
    }

    #[test]
    fn privileges_count_in_user_mode_and_follow_impersonation() {
        run(|| {
            let user = se_create_token(TokenDescription::user()).unwrap();
            assert_eq!(se_single_privilege_check(8, 1), Ok(true), "the system's token");
            current_thread().impersonation().set(user.address());
            assert_eq!(se_single_privilege_check(8, 1), Ok(false));
            assert_eq!(se_single_privilege_check(8, 0), Ok(true));
            assert_eq!(se_privilege_check(&[8, 23], false, 1), Ok(true));
            current_thread().impersonation().set(0);
        });
    }

    #[test]
    fn an_access_state_holds_its_tokens_until_deleted() {
        run(|| {
            let system = nt_ke::subsystem::<Se>().system_token();
            let before = ob_pointer_count(system).unwrap();
            let state = ACCESS_STATE::zeroed();
            se_create_access_state(&state, 0, GENERIC_READ, Some(&FILE)).unwrap();
            assert_eq!(state.OriginalDesiredAccess.get(), FILE.read);
            assert_eq!(state.SubjectSecurityContext.PrimaryToken.get() as usize, system);
            assert_eq!(ob_pointer_count(system), Ok(before + 1));
            se_grant_remaining(&state, &FILE);
            assert_eq!(
                (state.PreviouslyGrantedAccess.get(), state.RemainingDesiredAccess.get()),
                (FILE.read, 0)
            );
            se_delete_access_state(&state).unwrap();
            assert_eq!(ob_pointer_count(system), Ok(before));
        });
    }
}
