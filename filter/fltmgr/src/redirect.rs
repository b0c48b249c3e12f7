//! Operations that a filter sends to another volume's instance of itself, or to another file.
//!
//! Statements: IOPB-10 to IOPB-13, SEED-IOPB-46, SEED-IOPB-50, SEED-IOPB-51, SEED-IOPB-53.

use std::sync::Arc;

use nt_ke::Severity;

use crate::callback::report;
use crate::flt;
use crate::frame::Operation;
use crate::instance::Instance;
use crate::nodes::Node;

/// Checks a new `TargetInstance` and moves the operation to its volume. `None` refuses it.
pub fn accept(operation: &Operation, node: &Node, target: usize) -> Option<Arc<Instance>> {
    let refuse = |rule, message: &str| {
        report(node, node.pre, rule, Severity::Error, format!("{message}; the redirection is ignored"));
        None
    };
    let known = flt()
        .volumes()
        .iter()
        .flat_map(|v| v.instances())
        .find(|i| crate::anchor::Anchored::anchor(&**i).address() == target);
    let Some(instance) = known else {
        return refuse("IOPB-10", "TargetInstance was set to something that is no instance");
    };
    let own = &node.instance;
    if !Arc::ptr_eq(&instance.filter, &own.filter)
        || instance.altitude != own.altitude
        || Arc::ptr_eq(&instance.volume, &own.volume)
    {
        return refuse(
            "IOPB-10",
            "TargetInstance must be an instance of the same filter at the same altitude on another volume",
        );
    }
    let size = |instance: &Instance| instance.volume.device().map_or(0, |device| device.StackSize.get());
    if size(&instance) < size(own) {
        return refuse("IOPB-11", "the target volume's device has a smaller StackSize than the original's");
    }
    if !operation.use_table(instance.volume.table.load()) {
        return refuse("IOPB-10", "the operation was redirected over too many volumes");
    }
    operation.move_to(&instance.volume);
    Some(instance)
}

/// Checks a new `TargetFileObject`: it has to be on the operation's volume.
pub fn check_file(operation: &Operation, node: &Node, file: usize) {
    let on_volume = crate::pointer::file(file as *mut _).is_some_and(|file| {
        crate::lookup::volume_of_file(file)
            .is_some_and(|volume| std::ptr::eq::<crate::volume::Volume>(&*volume, operation.volume()))
    });
    if !on_volume {
        report(
            node,
            node.pre,
            "IOPB-12",
            Severity::Error,
            "TargetFileObject was set to a file object of another volume than TargetInstance's",
        );
    }
}
