//! The security subsystem of a machine.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem};
use nt_ob::{ObjectType, ob_create_type};

use crate::token::{TOKEN, TokenDescription, se_create_token};

/// Tokens of a machine.
pub struct Se {
    token_type: OnceLock<&'static ObjectType>,
    system_token: OnceLock<usize>,
    pub(crate) primary_token: OnceLock<fn(usize) -> usize>,
    pub(crate) tokens: Lock<BTreeMap<usize, TokenDescription>>,
}

impl Subsystem for Se {
    const INDEX: usize = index::SE;
}

/// The security subsystem of the current machine.
pub(crate) fn se() -> &'static Se {
    nt_ke::subsystem::<Se>()
}

impl Se {
    /// Installs the subsystem and makes the system's token. In an attached thread, after `Ob::boot`.
    ///
    /// Errors: InsufficientResources
    pub fn boot(core: &Core) -> Result<Result<(), NtStatus>, Raise> {
        let se = core.install(Box::new(Self {
            token_type: OnceLock::new(),
            system_token: OnceLock::new(),
            primary_token: OnceLock::new(),
            tokens: Lock::new(Rank::PsTables, BTreeMap::new()),
        }));
        Ok(ob_create_type(TOKEN).and_then(|kind| {
            let _ = se.token_type.set(kind);
            let _ = se.system_token.set(se_create_token(TokenDescription::system())?.into_raw());
            Ok(())
        }))
    }

    /// How to find the primary token of a process: set once by the process layer.
    pub fn set_primary_token_source(&self, source: fn(usize) -> usize) {
        let _ = self.primary_token.set(source);
    }

    /// The type of tokens: `*SeTokenObjectType`.
    pub fn token_type(&self) -> &'static ObjectType {
        self.token_type.get().expect("the security subsystem has booted")
    }

    /// The token of the System process. It stays for the life of the machine.
    pub fn system_token(&self) -> usize {
        *self.system_token.get().expect("the security subsystem has booted")
    }
}
