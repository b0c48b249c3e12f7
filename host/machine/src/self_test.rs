//! Drivers that test themselves while they are loaded.
//!
//! A driver that exports a variable `SelfTestResults` (`drivers/kselftest/results.h`) has run named checks when its
//! `DriverEntry` returns. The counts are in its report; each check that failed is a finding. What stands in the variable
//! is the driver's word: it is read with care, and nothing else depends on it.

use nt_ke::Finding;

use crate::machine::Machine;
use crate::source::DriverSource;

/// What a driver found.
#[derive(Clone, Debug, Default)]
pub struct SelfTest {
    /// Its checks, in the order in which they ran.
    pub checks: Vec<SelfCheck>,
}

/// One check.
#[derive(Clone, Debug, Default)]
pub struct SelfCheck {
    /// Its name.
    pub name: String,
    /// Assertions that it made.
    pub assertions: u32,
    /// The first assertion that was false, with its place.
    pub failed: Option<String>,
}

impl SelfTest {
    /// How many checks failed.
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.failed.is_some()).count()
    }
}

const MAGIC: u32 = 0x4653_4C4B;
const MOST: u32 = 1024;
const CHECK_BYTES: usize = 0x28;
const LONGEST: usize = 256;

impl Machine {
    /// Reads what a driver that was just loaded says about itself, and reports what failed.
    pub(crate) fn note_self_test(
        &self,
        source: &DriverSource,
        driver: &driver::LoadedDriver,
    ) -> Option<SelfTest> {
        let test = self.read_self_test(driver.export("SelfTestResults")?)?;
        for check in &test.checks {
            if let Some(failed) = &check.failed {
                let message = format!("check {} of the driver itself failed: {failed}", check.name);
                self.core.report(Finding::error("self-test", &source.name, message));
            }
        }
        Some(test)
    }

    fn read_self_test(&self, address: usize) -> Option<SelfTest> {
        let head = self.read_memory(address, 8)?;
        let count = word(&head, 4);
        if word(&head, 0) != MAGIC || count > MOST {
            return None;
        }
        let rows = self.read_memory(address + 8, count as usize * CHECK_BYTES)?;
        let text =
            |row: &[u8], at| self.read_text(u64::from(word(row, at)) | u64::from(word(row, at + 4)) << 32);
        let check = |row: &[u8]| {
            let failed = (word(row, 0x20) != 0)
                .then(|| format!("{}:{}: {}", text(row, 0x10), word(row, 0x18), text(row, 0x08)));
            SelfCheck { name: text(row, 0), assertions: word(row, 0x1C), failed }
        };
        Some(SelfTest { checks: rows.chunks_exact(CHECK_BYTES).map(check).collect() })
    }

    /// A zero-terminated text of the driver's, cut where it is too long or ends at a bad address.
    fn read_text(&self, address: u64) -> String {
        let bytes = (0..LONGEST).map_while(|at| self.read_memory(address as usize + at, 1)?.first().copied());
        String::from_utf8_lossy(&bytes.take_while(|byte| *byte != 0).collect::<Vec<u8>>()).into_owned()
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
