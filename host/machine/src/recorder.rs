//! The last callbacks of every thread, for crash reports.

use std::collections::VecDeque;
use std::sync::Arc;

use boundary::{Event, Observer};
use parking_lot::Mutex;

const KEPT: usize = 24;

/// Keeps the last callbacks and passes every event on to the user's observer.
#[derive(Default)]
pub(crate) struct Recorder {
    last: Mutex<VecDeque<String>>,
    next: Mutex<Option<Arc<dyn Observer>>>,
}

impl Recorder {
    pub(crate) fn set_next(&self, next: Option<Arc<dyn Observer>>) {
        *self.next.lock() = next;
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.last.lock().iter().cloned().collect()
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        if let Event::CallbackEntered { driver, operation, phase } = event {
            let mut last = self.last.lock();
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(format!("{operation} {phase} {driver}"));
        }
        let next = self.next.lock().clone();
        if let Some(next) = next {
            next.event(event);
        }
    }
}
