//! What a store answers when it cannot do as asked. Owns the wording; the file system driver owns the statuses.

use std::fmt;

/// The result of a store's operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why an operation did not happen. The text fields say what it was about; `Display` adds what to do.
#[derive(Debug)]
pub enum StoreError {
    /// No such name, id or stream.
    NotFound(String),
    /// The name, or another spelling of it, is taken.
    AlreadyExists(String),
    /// A directory was needed.
    NotADirectory(String),
    /// A file was needed.
    IsADirectory(String),
    /// The directory still has names in it.
    NotEmpty(String),
    /// The volume is full; nothing that was acknowledged is lost.
    NoSpace(String),
    /// The name can never exist here.
    NameInvalid {
        /// The name, made printable.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name is longer than the store can hold; it is refused, never shortened.
    NameTooLong(String),
    /// The volume is mounted read-only, or the host's file system is.
    ReadOnly(String),
    /// The host refuses, or the object is of a kind that the store does not open.
    AccessDenied(String),
    /// Beyond the largest file size.
    TooLarge(String),
    /// Contradictory arguments, such as moving a directory into itself.
    InvalidParameter(&'static str),
    /// The store has no such ability; its capabilities say so.
    Unsupported(&'static str),
    /// The host failed in another way.
    Io {
        /// What was being done, and to which host path.
        at: String,
        /// The host's answer.
        source: std::io::Error,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use StoreError::*;
        match self {
            NotFound(what) => write!(f, "{what} is not there; check the spelling, or whether it was removed"),
            AlreadyExists(what) => {
                write!(
                    f,
                    "{what} is there already, maybe in another spelling; remove it or take another name"
                )
            }
            NotADirectory(what) => write!(f, "{what} is a file; a directory is needed here"),
            IsADirectory(what) => write!(f, "{what} is a directory; a file is needed here"),
            NotEmpty(what) => write!(f, "{what} still has names in it; remove those first"),
            NoSpace(what) => write!(f, "no space for {what}; free some, or take a larger volume"),
            NameInvalid { name, reason } => {
                write!(f, "the name {name} cannot be used: {reason}; take another name")
            }
            NameTooLong(what) => {
                write!(
                    f,
                    "{what} is too long: 255 UTF-16 units at most, and 255 bytes of UTF-8 on a host directory"
                )
            }
            ReadOnly(what) => write!(f, "{what} cannot change: the volume is read-only; mount it writable"),
            AccessDenied(what) => write!(f, "no access to {what}"),
            TooLarge(what) => write!(f, "{what} would be larger than the store's largest file"),
            InvalidParameter(what) => write!(f, "{what}"),
            Unsupported(what) => write!(f, "the store cannot {what}"),
            Io { at, source } => write!(f, "{at}: {source}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
