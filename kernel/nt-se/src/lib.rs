//! Security: tokens, security descriptors, access checks, privileges.
//!
//! Owns: the Token type, the tokens of the system and of an administrator, the rules of an access check.
//!
//! The model: callers in kernel mode are granted what they ask for; callers in user mode are checked against the
//! discretionary list of the descriptor, in order, for the token's user and groups. No descriptor, or one without
//! a list, grants everything. Integrity levels, audit and claims are not there.
//!
//! Refuses: impersonation levels beyond storing them, and logon sessions.

#![forbid(unsafe_code)]

pub mod access;
pub mod acl;
pub mod capture;
pub mod context;
pub mod descriptor;
pub mod information;
pub mod sid;
mod subsystem;
pub mod token;

pub use access::{se_access_check, se_privilege_check, se_single_privilege_check};
pub use context::{
    se_capture_subject_context, se_create_access_state, se_delete_access_state, se_grant_remaining,
    se_release_subject_context,
};
pub use descriptor::{default_descriptor, descriptor_length, merge_descriptor, select_descriptor};
pub use sid::Sid;
pub use subsystem::Se;
pub use token::{
    TokenDescription, TokenKind, se_create_token, se_current_token, se_effective_token, se_primary_token,
    se_token_description, se_token_is_admin, se_token_type,
};
