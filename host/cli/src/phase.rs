//! What the host process tells its supervisor, line by line through a pipe, so that a death has a place.
//!
//! The supervisor hands the writing end to the host as its standard input, which the host does not read
//! otherwise.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Mutex;

/// The last line of a host that came to its end by itself.
pub const END: &str = "end";
/// Begins a line that names a driver which is loaded from now on.
pub const DRIVER: &str = "driver ";
/// Begins a line that says what is being done.
pub const DOING: &str = "doing ";

/// The host's end of the pipe.
pub struct Phases {
    pipe: Mutex<Option<File>>,
}

impl Phases {
    /// Opens the pipe. Without one nothing is told to anybody.
    pub fn open() -> Self {
        Self { pipe: Mutex::new(OpenOptions::new().write(true).open("/proc/self/fd/0").ok()) }
    }

    /// From now on the host does `what`.
    pub fn doing(&self, what: &str) {
        self.line(DOING, what);
    }

    /// A driver is loaded from now on: service name and image, on one line.
    pub fn driver(&self, name: &str, image: &str) {
        self.line(DRIVER, &format!("{name}\t{image}"));
    }

    /// The host printed everything and ends now.
    pub fn end(&self) {
        self.line(END, "");
    }

    /// One line of a protocol of its own.
    pub fn line(&self, begin: &str, rest: &str) {
        let line = format!("{begin}{}\n", rest.replace('\n', " "));
        if let Ok(mut pipe) = self.pipe.lock()
            && let Some(pipe) = pipe.as_mut()
        {
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}
