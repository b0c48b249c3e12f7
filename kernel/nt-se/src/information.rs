//! What a token says when it is asked: the `TOKEN_INFORMATION_CLASS` structures.

use nt_abi::NtStatus;

use crate::descriptor::allow_list;
use crate::sid::Sid;
use crate::token::{TokenDescription, TokenKind};

/// GENERIC_ALL.
const EVERYTHING: u32 = 0x1000_0000;
/// SE_GROUP_MANDATORY, SE_GROUP_ENABLED_BY_DEFAULT and SE_GROUP_ENABLED.
const ENABLED_GROUP: u32 = 7;
/// SE_GROUP_OWNER.
const MAY_OWN: u32 = 8;
/// SE_GROUP_INTEGRITY and SE_GROUP_INTEGRITY_ENABLED.
const INTEGRITY: u32 = 0x60;
/// SE_PRIVILEGE_ENABLED_BY_DEFAULT and SE_PRIVILEGE_ENABLED.
const ENABLED_PRIVILEGE: u32 = 3;

/// Classes that drivers ask for.
pub mod class {
    /// TokenImpersonationLevel.
    pub const IMPERSONATION_LEVEL: u32 = 9;
    /// TokenSessionId.
    pub const SESSION_ID: u32 = 12;
    /// TokenIntegrityLevel.
    pub const INTEGRITY_LEVEL: u32 = 25;
}

/// A structure that is being put together: a head with pointers into what follows it.
struct Answer {
    bytes: Vec<u8>,
    base: usize,
    /// Where pointers stand, and what they point at.
    parts: Vec<(usize, Vec<u8>)>,
}

impl Answer {
    fn new(base: usize) -> Self {
        Self { bytes: Vec::new(), base, parts: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A pointer to `part`, which will lie behind the head.
    fn point(&mut self, part: &[u8]) {
        self.parts.push((self.bytes.len(), part.to_vec()));
        self.put(&[0; 8]);
    }

    /// `SID_AND_ATTRIBUTES`.
    fn group(&mut self, sid: &Sid, attributes: u32) {
        self.point(sid.bytes());
        self.put(&attributes.to_le_bytes());
        self.put(&[0; 4]);
    }

    fn finish(mut self) -> Vec<u8> {
        for (at, part) in self.parts {
            let place = (self.base + self.bytes.len()) as u64;
            self.bytes[at..at + 8].copy_from_slice(&place.to_le_bytes());
            self.bytes.extend_from_slice(&part);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
        self.bytes
    }
}

impl TokenDescription {
    fn is_admin(&self) -> bool {
        self.groups.contains(&Sid::administrators())
    }

    /// Who owns what is made under the token.
    fn owner(&self) -> Sid {
        if self.is_admin() { Sid::administrators() } else { self.user.clone() }
    }

    fn primary_group(&self) -> Sid {
        if self.user == Sid::local_system() {
            self.user.clone()
        } else {
            Sid::new(5, &[21, 1000, 1000, 1000, 513])
        }
    }

    /// What Windows gives such tokens: system 4000h, elevated 3000h, else medium 2000h.
    pub fn integrity_level(&self) -> u32 {
        match (self.user == Sid::local_system(), self.is_admin()) {
            (true, _) => 0x4000,
            (_, true) => 0x3000,
            _ => 0x2000,
        }
    }

    fn impersonation_level(&self) -> Option<i32> {
        match self.kind {
            TokenKind::Primary => None,
            TokenKind::Impersonation(level) => Some(level),
        }
    }

    /// The structure of `class`, as it lies at `base`.
    ///
    /// Source:  ZwQueryInformationToken, SeQueryInformationToken
    /// Errors:  InvalidInfoClass: a class that is not there, or the level of a primary token
    pub fn information(&self, token: usize, class: u32, base: usize) -> Result<Vec<u8>, NtStatus> {
        let mut answer = Answer::new(base);
        match class {
            1 => answer.group(&self.user, 0),
            2 => {
                answer.put(&(self.groups.len() as u64).to_le_bytes());
                for group in &self.groups {
                    let owner = if *group == Sid::administrators() { MAY_OWN } else { 0 };
                    answer.group(group, ENABLED_GROUP | owner);
                }
            }
            3 => {
                answer.put(&self.privileges.count_ones().to_le_bytes());
                for luid in (0..64u32).filter(|luid| self.privileges >> luid & 1 != 0) {
                    let attributes = if self.enabled >> luid & 1 != 0 { ENABLED_PRIVILEGE } else { 0 };
                    answer.put(&u64::from(luid).to_le_bytes());
                    answer.put(&attributes.to_le_bytes());
                }
            }
            4 => answer.point(self.owner().bytes()),
            5 => answer.point(self.primary_group().bytes()),
            6 => answer.point(&allow_list(&[(EVERYTHING, self.owner()), (EVERYTHING, Sid::local_system())])),
            7 => {
                answer.put(if self.user == Sid::local_system() { b"*SYSTEM*" } else { b"User32 \0" });
                answer.put(&self.authentication_id.to_le_bytes());
            }
            8 => answer.put(&if self.impersonation_level().is_some() { 2u32 } else { 1 }.to_le_bytes()),
            class::IMPERSONATION_LEVEL => {
                answer.put(&self.impersonation_level().ok_or(NtStatus::INVALID_INFO_CLASS)?.to_le_bytes());
            }
            10 => {
                answer.put(&(token as u64).to_le_bytes());
                answer.put(&self.authentication_id.to_le_bytes());
                answer.put(&i64::MAX.to_le_bytes());
                answer.put(&if self.impersonation_level().is_some() { 2u32 } else { 1 }.to_le_bytes());
                answer.put(&self.impersonation_level().unwrap_or(0).to_le_bytes());
                answer.put(&[0; 8]);
                answer.put(&(self.groups.len() as u32).to_le_bytes());
                answer.put(&self.privileges.count_ones().to_le_bytes());
                answer.put(&(token as u64).to_le_bytes());
            }
            class::SESSION_ID => answer.put(&self.session.to_le_bytes()),
            // TokenSandBoxInert, TokenHasRestrictions, TokenVirtualizationAllowed, TokenUIAccess, TokenIsAppContainer.
            15 | 21 | 23 | 24 | 26 | 29 => answer.put(&[0; 4]),
            // TokenElevationTypeDefault: there is no second token.
            18 => answer.put(&1u32.to_le_bytes()),
            20 => answer.put(&u32::from(self.is_admin()).to_le_bytes()),
            class::INTEGRITY_LEVEL => answer.group(&Sid::new(16, &[self.integrity_level()]), INTEGRITY),
            _ => return Err(NtStatus::INVALID_INFO_CLASS),
        }
        Ok(answer.finish())
    }
}

#[cfg(test)]
mod a_token_that_is_asked {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> usize {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    }

    #[test]
    fn points_at_its_user_behind_the_head() {
        let token = TokenDescription::user();
        let bytes = token.information(8, 1, 0x1000).unwrap();
        assert_eq!(word(&bytes, 0), 0x1010);
        assert_eq!(Sid::read(&bytes[16..]).as_ref(), Some(&token.user));
    }

    #[test]
    fn lists_groups_and_privileges() {
        let token = TokenDescription::administrator();
        let groups = token.information(8, 2, 0).unwrap();
        assert_eq!(word(&groups, 0), token.groups.len());
        let first = Sid::read(&groups[word(&groups, 8)..]).unwrap();
        assert_eq!((first, groups[16]), (Sid::administrators(), 0xF), "which may own objects");
        let privileges = token.information(8, 3, 0).unwrap();
        assert_eq!(privileges.len(), 4 + 12 * token.privileges.count_ones() as usize);
    }

    #[test]
    fn knows_level_session_and_elevation() {
        let (system, user) = (TokenDescription::system(), TokenDescription::user());
        assert_eq!(system.information(8, 20, 0).unwrap(), 1u32.to_le_bytes());
        assert_eq!(user.information(8, 20, 0).unwrap(), 0u32.to_le_bytes());
        assert_eq!(user.information(8, 12, 0).unwrap(), 1u32.to_le_bytes());
        let integrity = user.information(8, 25, 0).unwrap();
        assert_eq!(Sid::read(&integrity[16..]).unwrap().to_string(), "S-1-16-8192");
        assert_eq!(user.information(8, 9, 0), Err(NtStatus::INVALID_INFO_CLASS));
        assert_eq!(user.information(8, 99, 0), Err(NtStatus::INVALID_INFO_CLASS));
        assert_eq!(user.information(8, 10, 0).unwrap().len(), 0x38);
    }
}
