//! The order in which locks are taken, over the whole run: an edge from each lock that is held to the one that is taken.
//!
//! A cycle of edges can deadlock, also when it did not in this run. Locks that a driver initialised at one place count
//! as one class; two of the same class, and locks of the engine, count each for itself. No edge leads to a lock that was taken
//! without waiting. A cycle does not count when a lock that one of its sides holds alone is held around all of them,
//! or when all that meet at one of its locks share it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::book::{Birth, Hold, Site};
use super::{Kind, Mode};

/// Longest cycle that is looked for.
const LONGEST: usize = 12;
/// Most edges that one search follows.
const STEPS: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// All locks of a kind that were initialised at one place of a driver.
    Class(usize, Kind),
    /// One lock.
    Lock(usize),
}

/// What is told once: a class, a lock, or all locks of the engine's that have one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Node(Node),
    Engine(&'static str),
}

/// One lock was taken while another was held.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) held: usize,
    pub(super) held_kind: Kind,
    pub(super) held_mode: Mode,
    pub(super) held_at: Site,
    pub(super) taken: usize,
    pub(super) taken_kind: Kind,
    pub(super) taken_mode: Mode,
    pub(super) taken_at: Site,
    /// What else was held each time, and how.
    gates: Vec<(usize, Mode)>,
}

/// The order of a machine's locks.
#[derive(Default)]
pub(super) struct Order {
    edges: BTreeMap<(Node, Node), Edge>,
    backwards: BTreeSet<(Node, Node)>,
    told: BTreeSet<Vec<Told>>,
}

fn place(births: &BTreeMap<usize, Birth>, lock: usize) -> usize {
    births.get(&lock).map_or(0, |birth| birth.place)
}

fn nodes(births: &BTreeMap<usize, Birth>, held: &Hold, taken: &Hold) -> (Node, Node) {
    let class = |hold: &Hold| match place(births, hold.lock) {
        0 => Node::Lock(hold.lock),
        place => Node::Class(place, hold.kind),
    };
    match (class(held), class(taken)) {
        (one, other) if one == other => (Node::Lock(held.lock), Node::Lock(taken.lock)),
        nodes => nodes,
    }
}

impl Order {
    /// `taken` is taken while `holds` are held. Returns the cycle that this closes, if it is new.
    pub(super) fn add(
        &mut self,
        holds: &[Hold],
        taken: &Hold,
        births: &BTreeMap<usize, Birth>,
    ) -> Option<Vec<Edge>> {
        let mut found = None;
        for held in holds {
            let nodes = nodes(births, held, taken);
            let others = || holds.iter().filter(|other| other.lock != held.lock);
            if self.note(nodes, held, taken, others) && found.is_none() {
                found = self.cycle(nodes, births);
            }
        }
        found
    }

    /// Returns whether the edge says more than before.
    fn note<'a, I: Iterator<Item = &'a Hold>>(
        &mut self,
        nodes: (Node, Node),
        held: &Hold,
        taken: &Hold,
        others: impl Fn() -> I,
    ) -> bool {
        if let Some(edge) = self.edges.get_mut(&nodes) {
            let stronger = held.mode > edge.held_mode || taken.mode > edge.taken_mode;
            let before = edge.gates.len();
            let still = |gate: &(usize, Mode)| others().any(|other| (other.lock, other.mode) == *gate);
            edge.gates.retain(still);
            if stronger {
                (edge.held, edge.held_mode) = (held.lock, edge.held_mode.max(held.mode));
                (edge.taken, edge.taken_mode) = (taken.lock, edge.taken_mode.max(taken.mode));
                edge.held_at.clone_from(&held.site);
                edge.taken_at.clone_from(&taken.site);
            }
            return stronger || edge.gates.len() < before;
        }
        let edge = Edge {
            held: held.lock,
            held_kind: held.kind,
            held_mode: held.mode,
            held_at: held.site.clone(),
            taken: taken.lock,
            taken_kind: taken.kind,
            taken_mode: taken.mode,
            taken_at: taken.site.clone(),
            gates: others().map(|other| (other.lock, other.mode)).collect(),
        };
        self.edges.insert(nodes, edge);
        self.backwards.insert((nodes.1, nodes.0));
        true
    }

    fn from(&self, node: Node) -> impl Iterator<Item = (Node, &Edge)> {
        let edges = self.edges.range((node, Node::Class(0, Kind::Resource))..);
        edges.take_while(move |((from, _), _)| *from == node).map(|((_, to), edge)| (*to, edge))
    }

    /// A cycle through this edge that counts and that nobody was told of.
    fn cycle(&mut self, (from, to): (Node, Node), births: &BTreeMap<usize, Birth>) -> Option<Vec<Edge>> {
        let mut path = vec![(to, self.edges.get(&(from, to))?)];
        let found = self.follow(from, &mut path, births, &mut 0)?;
        let name = |edge: &Edge| births.get(&edge.taken).map_or("", |birth| birth.name);
        let told = found.iter().map(|(node, edge)| match name(edge) {
            "" => Told::Node(*node),
            name => Told::Engine(name),
        });
        let mut told: Vec<Told> = told.collect();
        told.sort_unstable();
        let edges = found.iter().map(|(_, edge)| (*edge).clone()).collect();
        self.told.insert(told).then_some(edges)
    }

    fn follow<'a>(
        &'a self,
        goal: Node,
        path: &mut Vec<(Node, &'a Edge)>,
        births: &BTreeMap<usize, Birth>,
        steps: &mut usize,
    ) -> Option<Vec<(Node, &'a Edge)>> {
        let at = path.last()?.0;
        if at == goal {
            return counts(path, births).then(|| path.clone());
        }
        if path.len() == LONGEST {
            return None;
        }
        for (next, edge) in self.from(at) {
            *steps += 1;
            if *steps > STEPS {
                return None;
            }
            if path.iter().any(|(node, _)| *node == next) {
                continue;
            }
            path.push((next, edge));
            if let Some(found) = self.follow(goal, path, births, steps) {
                return Some(found);
            }
            path.pop();
        }
        None
    }

    pub(super) fn forget(&mut self, range: &Range<usize>) {
        let lock = |node: &Node| matches!(node, Node::Lock(lock) if range.contains(lock));
        let span = (Node::Lock(range.start), Node::Class(0, Kind::Resource))
            ..(Node::Lock(range.end), Node::Class(0, Kind::Resource));
        let gone: Vec<(Node, Node)> = self.edges.range(span.clone()).map(|(nodes, _)| *nodes).collect();
        let back: Vec<(Node, Node)> = self.backwards.range(span).map(|(to, from)| (*from, *to)).collect();
        for (from, to) in gone.into_iter().chain(back) {
            debug_assert!(lock(&from) || lock(&to), "an edge of a lock in the range");
            self.edges.remove(&(from, to));
            self.backwards.remove(&(to, from));
        }
    }
}

/// Whether threads that go round this cycle at once can wait for each other for ever, because of a driver.
fn counts(cycle: &[(Node, &Edge)], births: &BTreeMap<usize, Birth>) -> bool {
    let drivers = cycle.iter().any(|(_, edge)| place(births, edge.held) != 0 || !named(births, edge.held));
    let meet = |at: usize| {
        let (into, out) = (cycle[at].1, cycle[(at + 1) % cycle.len()].1);
        into.taken_mode == Mode::Exclusive || out.held_mode == Mode::Exclusive
    };
    let first = &cycle[0].1.gates;
    let gate = |lock: usize| {
        let holds = cycle.iter().map(|(_, edge)| edge.gates.iter().find(|gate| gate.0 == lock));
        let modes: Option<Vec<Mode>> = holds.map(|gate| gate.map(|gate| gate.1)).collect();
        // Two that share it are not kept apart by it.
        modes.is_some_and(|modes| modes.iter().filter(|mode| **mode == Mode::Shared).count() <= 1)
    };
    drivers && (0..cycle.len()).all(meet) && !first.iter().any(|(lock, _)| gate(*lock))
}

/// Whether the engine has a name for the lock: it made it.
fn named(births: &BTreeMap<usize, Birth>, lock: usize) -> bool {
    births.get(&lock).is_some_and(|birth| !birth.name.is_empty())
}
