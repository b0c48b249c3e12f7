//! The registry for host code: by full path, without handles.
//!
//! Paths are as drivers write them, `\Registry\Machine\System\CurrentControlSet\Services\...`.

use nt_abi::NtStatus;
use nt_ob::units;

use crate::subsystem::{Registry, cm};
use crate::tree::{KeyId, ROOT, Value};

/// How many links a path may pass.
const LINKS: usize = 8;

fn find(registry: &mut Registry, path: &str, create: bool) -> Result<KeyId, NtStatus> {
    let mut parts: Vec<Vec<u16>> = components(path)?;
    for _ in 0..LINKS {
        match follow(registry, &parts, create)? {
            Ok(id) => return Ok(id),
            Err(target) => parts = target,
        }
    }
    Err(NtStatus::OBJECT_NAME_NOT_FOUND)
}

fn components(path: &str) -> Result<Vec<Vec<u16>>, NtStatus> {
    let mut parts = path.split('\\').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or("");
    if !path.starts_with('\\') || !first.eq_ignore_ascii_case("registry") {
        return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    }
    Ok(parts.map(units).collect())
}

/// The key, or (inner error) the path that a link on the way stands for.
fn follow(
    registry: &mut Registry,
    parts: &[Vec<u16>],
    create: bool,
) -> Result<Result<KeyId, Vec<Vec<u16>>>, NtStatus> {
    let mut at = ROOT;
    for (depth, part) in parts.iter().enumerate() {
        at = match registry.tree.subkey(at, part)? {
            Some(id) => id,
            None if create => {
                let volatile = registry.tree.node(at)?.volatile;
                registry.tree.create(at, part, &[], volatile, nt_ex::time::system_time())?
            }
            None => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
        };
        if let Some(link) = &registry.tree.node(at)?.link {
            let mut target = components(&String::from_utf16_lossy(link))?;
            target.extend_from_slice(&parts[depth + 1..]);
            return Ok(Err(target));
        }
    }
    Ok(Ok(at))
}

/// Sets a value, making the keys on the way. Errors: ObjectPathSyntaxBad · ObjectNameInvalid
pub fn cm_set(path: &str, name: &str, value: Value) -> Result<(), NtStatus> {
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, true)?;
    registry.tree.set_value(id, &units(name), value, nt_ex::time::system_time())
}

/// A value. Errors: ObjectNameNotFound · ObjectPathSyntaxBad
pub fn cm_get(path: &str, name: &str) -> Result<Value, NtStatus> {
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, false)?;
    Ok(registry.tree.value(id, &units(name))?.value.clone())
}

/// All values of a key, in order of creation. Errors: as [`cm_get`]
pub fn cm_values(path: &str) -> Result<Vec<(String, Value)>, NtStatus> {
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, false)?;
    let values = registry.tree.node(id)?.values.iter();
    Ok(values.map(|known| (String::from_utf16_lossy(&known.name), known.value.clone())).collect())
}

/// Names of the values. Errors: as [`cm_get`]
pub fn cm_value_names(path: &str) -> Result<Vec<String>, NtStatus> {
    Ok(cm_values(path)?.into_iter().map(|(name, _)| name).collect())
}

/// Names of the subkeys, in their order. Errors: as [`cm_get`]
pub fn cm_subkeys(path: &str) -> Result<Vec<String>, NtStatus> {
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, false)?;
    let tree = &registry.tree;
    let names = tree.node(id)?.subkeys.values().filter_map(|subkey| tree.node(*subkey).ok());
    Ok(names.map(|node| String::from_utf16_lossy(&node.name)).collect())
}

/// Deletes a key and all below it. Errors: as [`cm_get`] · CannotDelete (top of the registry)
pub fn cm_delete_path(path: &str) -> Result<(), NtStatus> {
    fn delete(registry: &mut Registry, id: KeyId) -> Result<(), NtStatus> {
        let subkeys: Vec<KeyId> = registry.tree.node(id)?.subkeys.values().copied().collect();
        for subkey in subkeys {
            delete(registry, subkey)?;
        }
        registry.tree.delete(id, nt_ex::time::system_time())
    }
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, false)?;
    if id == ROOT || registry.tree.node(id)?.parent == ROOT {
        return Err(NtStatus::CANNOT_DELETE);
    }
    delete(&mut registry, id)
}

/// Makes the key `path` a link to the full name `target`.
pub(crate) fn link(path: &str, target: &str) -> Result<(), NtStatus> {
    let mut registry = cm().registry.lock();
    let id = find(&mut registry, path, true)?;
    registry.tree.node_mut(id)?.link = Some(units(target));
    Ok(())
}
