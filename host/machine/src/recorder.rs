//! The last callbacks at every altitude, for crash reports.

use std::collections::VecDeque;
use std::sync::Arc;

use boundary::{Event, Observer};
use parking_lot::Mutex;

/// How many are kept at each altitude.
const KEPT: usize = 8;

struct Altitude {
    driver: String,
    altitude: String,
    last: VecDeque<(&'static str, &'static str)>,
}

/// Keeps the last callbacks and passes every event on to the user's observer.
#[derive(Default)]
pub(crate) struct Recorder {
    last: Mutex<Vec<Altitude>>,
    next: Mutex<Option<Arc<dyn Observer>>>,
}

impl Recorder {
    pub(crate) fn set_next(&self, next: Option<Arc<dyn Observer>>) {
        *self.next.lock() = next;
    }

    /// A line for each altitude, highest first: `370030 passthrough: IRP_MJ_CREATE pre, IRP_MJ_CREATE post`.
    pub(crate) fn last(&self) -> Vec<String> {
        let mut last = self.last.lock();
        last.sort_by_cached_key(|entry| {
            std::cmp::Reverse(fltmgr::altitude::Altitude::parse(&entry.altitude).ok())
        });
        let line = |entry: &Altitude| {
            let calls: Vec<String> =
                entry.last.iter().map(|(operation, phase)| format!("{operation} {phase}")).collect();
            format!("{} {}: {}", entry.altitude, entry.driver, calls.join(", "))
        };
        last.iter().map(line).collect()
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        if let Event::CallbackEntered { driver, altitude, operation, phase, .. } = event {
            let mut last = self.last.lock();
            let entry = match last
                .iter_mut()
                .position(|entry| entry.altitude == *altitude && entry.driver == *driver)
            {
                Some(at) => &mut last[at],
                None => {
                    last.push(Altitude {
                        driver: (*driver).to_owned(),
                        altitude: (*altitude).to_owned(),
                        last: VecDeque::new(),
                    });
                    last.last_mut().expect("one was just added")
                }
            };
            if entry.last.len() == KEPT {
                entry.last.pop_front();
            }
            entry.last.push_back((operation, phase));
        }
        let next = self.next.lock().clone();
        if let Some(next) = next {
            next.event(event);
        }
    }
}
