//! What a file system keeps with a file: the value of an extended attribute while the host has room for it, else a file
//! of the sidecar, which counts where both are there. What lies in the sidecar goes with the file's name.

use super::HostStore;
use super::fdcache::Fd;
use super::sidecar;
use super::streams::{goes_to_sidecar, value_of};
use super::table::{HostKind, HostNode};
use crate::contract::{Blob, MAX_BLOB_BYTES};
use crate::error::Result;
use rustix::fs::{AtFlags, Mode, XattrFlags};
use rustix::io::Errno;
use std::sync::Arc;

fn attribute(blob: Blob) -> &'static [u8] {
    match blob {
        Blob::Reparse => b"user.altimeter.reparse",
        Blob::ExtendedAttributes => b"user.altimeter.ea",
        Blob::Security => b"user.altimeter.security",
    }
}

fn file(blob: Blob) -> &'static [u8] {
    match blob {
        Blob::Reparse => b"reparse",
        Blob::ExtendedAttributes => b"ea",
        Blob::Security => b"security",
    }
}

fn read(dir: &Fd, blob: Blob) -> std::result::Result<Option<Vec<u8>>, Errno> {
    match rustix::fs::openat(dir, file(blob), sidecar::READ, Mode::empty()) {
        Ok(fd) => {
            let mut bytes = vec![0; MAX_BLOB_BYTES];
            let length = sidecar::read_full(&Arc::new(fd), 0, &mut bytes)?;
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl HostStore {
    pub(super) fn node_blob(&self, node: &HostNode, blob: Blob) -> Result<Option<Vec<u8>>> {
        if node.kind == HostKind::Other {
            return Ok(None);
        }
        let _reading = node.streams.read();
        let refused = |errno| self.refused(errno, node);
        if node.pinned.lock().is_none()
            && let Some(dir) = self.sidecar(node)?
            && let Some(bytes) = read(&dir, blob).map_err(refused)?
        {
            return Ok(Some(bytes));
        }
        if !self.options.extended_attributes {
            return Ok(None);
        }
        match value_of(&self.fd(node)?, attribute(blob)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(refused(errno)),
        }
    }

    pub(super) fn set_node_blob(&self, node: &HostNode, blob: Blob, bytes: Option<&[u8]>) -> Result<()> {
        let _changing = node.streams.write();
        let refused = |errno| self.refused(errno, node);
        let pinned = node.pinned.lock().is_some();
        let Some(bytes) = bytes else {
            if let Some(dir) = if pinned { None } else { self.sidecar(node)? } {
                match rustix::fs::unlinkat(&dir, file(blob), AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(refused(errno)),
                }
            }
            if self.options.extended_attributes {
                match rustix::fs::fremovexattr(&self.fd(node)?, attribute(blob)) {
                    Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                    Err(errno) => return Err(refused(errno)),
                }
            }
            return Ok(());
        };
        let in_sidecar = match if pinned { None } else { self.sidecar(node)? } {
            Some(dir) => read(&dir, blob).map_err(refused)?.is_some(),
            None => false,
        };
        if self.options.extended_attributes && !in_sidecar {
            match rustix::fs::fsetxattr(&self.fd(node)?, attribute(blob), bytes, XattrFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(errno) if goes_to_sidecar(errno) && !pinned => {}
                Err(errno) => return Err(refused(errno)),
            }
        }
        let Some(dir) = self.make_sidecar(node)? else { return Ok(()) };
        sidecar::put(&dir, file(blob), bytes).map_err(refused)
    }
}
