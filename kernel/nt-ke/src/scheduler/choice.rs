//! Who runs next in a seeded machine, and how far to the next look: the seed's two manners.
//!
//! - *Walk*: at every look, any thread that can run is as likely as any other.
//! - *Priorities*, after PCT: each thread has a random priority and the highest one that can run does; at random looks
//!   the running thread falls below all others. Finds what needs one thread to be late for long.
//!
//! Both manners draw how densely they look, so that some seeds switch at nearly every place and some seldom.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

enum Manner {
    Walk,
    Priorities {
        /// What the last thread that fell got; the next gets less.
        lowest: u64,
    },
}

/// One that can run.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// Place in the list of members.
    pub(super) index: usize,
    pub(super) priority: u64,
}

/// The decisions of one seed.
pub(super) struct Choice {
    random: Pcg64Mcg,
    manner: Manner,
    /// A look follows after 1 to twice this many places.
    spacing: u32,
}

/// Threads begin above this, those that fell lie below it.
const FALLEN: u64 = 1 << 32;

impl Choice {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let walk = random.random_bool(0.5);
        let (manner, spacing) = if walk {
            (Manner::Walk, 1 << random.random_range(1..8))
        } else {
            (Manner::Priorities { lowest: FALLEN }, 1 << random.random_range(4..12))
        };
        Self { random, manner, spacing }
    }

    /// Priority of a new thread.
    pub(super) fn priority(&mut self) -> u64 {
        FALLEN + 1 + u64::from(self.random.random::<u32>())
    }

    /// Places until the next look.
    pub(super) fn gap(&mut self) -> u32 {
        self.random.random_range(0..self.spacing * 2)
    }

    /// The priority of a thread that shall be late from now on.
    pub(super) fn fall(&mut self, priority: &mut u64) {
        if let Manner::Priorities { lowest } = &mut self.manner {
            *lowest -= 1;
            *priority = *lowest;
        }
    }

    /// One of the candidates, by its index; `None` if there are none.
    pub(super) fn pick(&mut self, candidates: impl Iterator<Item = Candidate> + Clone) -> Option<usize> {
        match self.manner {
            Manner::Walk => {
                let count = candidates.clone().count();
                let chosen = if count > 1 { self.random.random_range(0..count) } else { 0 };
                candidates.map(|candidate| candidate.index).nth(chosen)
            }
            Manner::Priorities { .. } => {
                candidates.max_by_key(|candidate| candidate.priority).map(|candidate| candidate.index)
            }
        }
    }
}
