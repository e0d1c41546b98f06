//! A broken rule, and where.

use alloc::string::String;
use core::fmt;

use crate::{PartitionPlace, Place, Rule};

/// A rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where it is broken.
    pub place: Place,
    /// The other party, if two places contradict each other.
    pub other: Option<Place>,
    /// What is wrong, with the names and values of both parties.
    pub what: String,
}

impl Violation {
    pub(crate) const fn new(rule: Rule, place: Place, what: String) -> Self {
        Self {
            rule,
            place,
            other: None,
            what,
        }
    }

    pub(crate) const fn of(index: usize, place: PartitionPlace, rule: Rule, what: String) -> Self {
        Self::new(rule, Place::Partition(index, place), what)
    }

    pub(crate) fn against(self, other: Place) -> Self {
        Self {
            other: Some(other),
            ..self
        }
    }

    /// The partitions that are party to it; none if it concerns the machine.
    pub fn partitions(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.place.partition();
        let second = self.other.and_then(Place::partition);
        first
            .into_iter()
            .chain(second.filter(move |_| second != first))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} [{}] at {}", self.what, self.rule, self.place)?;
        if let Some(other) = self.other {
            write!(formatter, " and {other}")?;
        }
        write!(formatter, "; {}", self.rule.remedy())
    }
}
