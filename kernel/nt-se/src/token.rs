//! Tokens: who a process or thread acts for.
//!
//! A token's body in machine memory is opaque to drivers; what it says is kept beside it, under a lock of its own.

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::{KTHREAD, current_thread};
use nt_ob::{Mapping, ObjectRef, TypeDescription, ob_create_object, ob_validate};

use crate::sid::Sid;
use crate::subsystem::se;

/// Whether a token is of a process, or lent to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// TokenPrimary 1.
    Primary,
    /// TokenImpersonation 2, with a SECURITY_IMPERSONATION_LEVEL.
    Impersonation(i32),
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDescription {
    /// Primary or impersonation.
    pub kind: TokenKind,
    /// The user.
    pub user: Sid,
    /// Enabled groups.
    pub groups: Vec<Sid>,
    /// Privileges that it has, bit per LUID low part.
    pub privileges: u64,
    /// Those of them that are enabled.
    pub enabled: u64,
    /// Logon session.
    pub authentication_id: u64,
    /// Terminal session.
    pub session: u32,
}

/// SYSTEM_LUID.
const SYSTEM_LOGON: u64 = 0x3E7;
/// Privileges 2 to 36.
const ALL_PRIVILEGES: u64 = 0x1F_FFFF_FFFC;
/// What a plain user holds: change notify, shutdown, undock, time zone, working set.
const USER_PRIVILEGES: u64 = 1 << 23 | 1 << 19 | 1 << 25 | 1 << 34 | 1 << 33;

impl TokenDescription {
    /// The system's own.
    pub fn system() -> Self {
        Self {
            kind: TokenKind::Primary,
            user: Sid::local_system(),
            groups: vec![Sid::administrators(), Sid::everyone(), Sid::authenticated_users()],
            privileges: ALL_PRIVILEGES,
            enabled: ALL_PRIVILEGES,
            authentication_id: SYSTEM_LOGON,
            session: 0,
        }
    }

    /// A user who is an administrator and runs elevated: what workloads run as.
    pub fn administrator() -> Self {
        Self {
            user: Sid::new(5, &[21, 1000, 1000, 1000, 500]),
            enabled: USER_PRIVILEGES & (1 << 23),
            authentication_id: 0x1_0001,
            session: 1,
            ..Self::system()
        }
    }

    /// A user without special rights.
    pub fn user() -> Self {
        Self {
            user: Sid::new(5, &[21, 1000, 1000, 1000, 1001]),
            groups: vec![Sid::everyone(), Sid::authenticated_users()],
            privileges: USER_PRIVILEGES,
            authentication_id: 0x1_0002,
            ..Self::administrator()
        }
    }
}

pub(crate) const TOKEN: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0008, write: 0x2_00E0, execute: 0x2_0004, all: 0xF_01FF },
    valid_access: 0x1F_01FF,
    delete: Some(delete),
    ..TypeDescription::new("Token", *b"Toke")
};

fn delete(token: usize) -> Result<(), Raise> {
    se().tokens.lock().remove(&token);
    Ok(())
}

/// Makes a token object.
///
/// Errors: InsufficientResources
pub fn se_create_token(description: TokenDescription) -> Result<ObjectRef, NtStatus> {
    let token = ob_create_object(se().token_type(), 64)?;
    se().tokens.lock().insert(token, description);
    Ok(ObjectRef::from_raw(token))
}

/// What the token at `token` says. Errors: a bug check when it is no token
pub fn se_token_description(token: usize) -> Result<TokenDescription, Raise> {
    ob_validate(token, Some(se().token_type()))?;
    Ok(se().tokens.lock().get(&token).cloned().unwrap_or_else(TokenDescription::system))
}

/// Whether the token's user is an administrator. Source: SeTokenIsAdmin
pub fn se_token_is_admin(token: usize) -> Result<bool, Raise> {
    let description = se_token_description(token)?;
    let administrators = Sid::administrators();
    Ok(description.user == administrators || description.groups.contains(&administrators))
}

/// 1 for a primary token, 2 for an impersonation token. Source: SeTokenType
pub fn se_token_type(token: usize) -> Result<u32, Raise> {
    Ok(match se_token_description(token)?.kind {
        TokenKind::Primary => 1,
        TokenKind::Impersonation(_) => 2,
    })
}

/// The primary token of `process`, referenced. A process of which the process layer knows none has the system's.
///
/// Source: PsReferencePrimaryToken
pub fn se_primary_token(process: usize) -> Result<ObjectRef, Raise> {
    let token = match (process, se().primary_token.get()) {
        (0, _) | (_, None) => se().system_token(),
        (process, Some(of)) => of(process),
    };
    nt_ob::ob_reference(token)?;
    Ok(ObjectRef::from_raw(token))
}

/// The token that decides for `thread`: the one it impersonates, else its process'. Referenced.
pub fn se_effective_token(thread: &KTHREAD) -> Result<ObjectRef, Raise> {
    match thread.impersonation().get() {
        0 => se_primary_token(thread.process()),
        token => {
            nt_ob::ob_reference(token)?;
            Ok(ObjectRef::from_raw(token))
        }
    }
}

/// The token that decides for the current thread, referenced.
pub fn se_current_token() -> Result<ObjectRef, Raise> {
    se_effective_token(current_thread())
}
