//! Who may ask what.
//!
//! Denied is what nothing allows: [`need`] names every kind of request, so one that is added
//! does not compile before somebody has decided about it.

use plan::{Partition, Right};

use crate::{Error, Name, Request};

/// Who is at the other end of a channel.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// Whoever has the machine's own line: may ask everything.
    Administrator,
    /// The guest of a partition: may ask what the plan lets its partition.
    Partition(&'a Partition),
}

/// What the asker needs for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: of an answer about many the asker gets what it may see.
    Nothing,
    /// A right over a partition.
    Over(Name, Right),
    /// The machine itself: no partition has a right over that.
    Machine,
}

impl Asker<'_> {
    /// Whether it may ask `request`. This alone decides.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] about a partition that the asker may not see, as if there
    /// were none; [`Error::NotPermitted`] otherwise.
    pub fn may(self, request: &Request<'_>) -> Result<(), Error> {
        let Self::Partition(partition) = self else {
            return Ok(());
        };
        match need(request) {
            Need::Nothing => Ok(()),
            Need::Machine => Err(Error::NotPermitted),
            Need::Over(name, needed) => match partition.right_over(name.as_str()) {
                None => Err(Error::UnknownPartition),
                Some(has) if has < needed => Err(Error::NotPermitted),
                Some(_) => Ok(()),
            },
        }
    }

    /// Whether it may know of the partition `name`.
    #[must_use]
    pub fn sees(self, name: &str) -> bool {
        match self {
            Self::Administrator => true,
            Self::Partition(partition) => partition.right_over(name).is_some(),
        }
    }
}

#[cfg(any(test, feature = "client"))]
impl Request<'_> {
    /// The partition that it is about, if it is about one.
    #[must_use]
    pub const fn partition(&self) -> Option<Name> {
        match need(self) {
            Need::Over(partition, _) => Some(partition),
            Need::Nothing | Need::Machine => None,
        }
    }
}

const fn need(request: &Request<'_>) -> Need {
    match *request {
        Request::Hello
        | Request::List { .. }
        | Request::Counters { .. }
        | Request::Events { .. }
        | Request::Faults { .. }
        | Request::Channel => Need::Nothing,
        Request::Show { partition } | Request::ConsoleRead { partition, .. } => {
            Need::Over(partition, Right::See)
        }
        Request::Start { partition }
        | Request::Stop { partition, .. }
        | Request::Restart { partition, .. }
        | Request::ConsoleWrite { partition, .. }
        | Request::ReplaceBegin { partition, .. }
        | Request::ReplaceChunk { partition, .. }
        | Request::ReplaceCommit { partition }
        | Request::ReplaceUndo { partition, .. } => Need::Over(partition, Right::Control),
        Request::Log { .. } | Request::ResetMachine | Request::Resources | Request::Seal => {
            Need::Machine
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{holder, request};
    use crate::{ImagePart, StopManner};

    type Decision = Result<(), Error>;

    const OK: Decision = Ok(());
    const UNKNOWN: Decision = Err(Error::UnknownPartition);
    const REFUSED: Decision = Err(Error::NotPermitted);

    /// Every kind of request, in the order of their numbers, about the partition `beta`; and
    /// what becomes of it without a right over `beta`, with the right to see it, and with the
    /// right to control it.
    fn table() -> [(Request<'static>, [Decision; 3]); 20] {
        let partition = Name::new("beta").unwrap();
        let manner = StopManner::Forced;
        let (from, offset, bytes) = (0, 0, &[][..]);
        let begin = Request::ReplaceBegin {
            partition,
            part: ImagePart::Kernel,
            bytes: 1,
            crc32c: 2,
        };
        let undo = Request::ReplaceUndo {
            partition,
            part: ImagePart::Kernel,
        };
        let chunk = Request::ReplaceChunk {
            partition,
            offset,
            bytes,
        };
        let (anybody, machine) = ([OK; 3], [REFUSED; 3]);
        let see = [UNKNOWN, OK, OK];
        let control = [UNKNOWN, REFUSED, OK];
        [
            (Request::Hello, anybody),
            (Request::List { from }, anybody),
            (Request::Show { partition }, see),
            (Request::Counters { from }, anybody),
            (Request::Start { partition }, control),
            (Request::Stop { partition, manner }, control),
            (Request::Restart { partition, manner }, control),
            (Request::ConsoleRead { partition, from }, see),
            (Request::ConsoleWrite { partition, bytes }, control),
            (Request::Events { from }, anybody),
            (Request::Faults { from }, anybody),
            (Request::Log { from }, machine),
            (begin, control),
            (chunk, control),
            (Request::ReplaceCommit { partition }, control),
            (Request::Channel, anybody),
            (Request::ResetMachine, machine),
            (Request::Resources, machine),
            (undo, control),
            (Request::Seal, machine),
        ]
    }

    #[test]
    fn the_table_has_every_kind_of_request() {
        for (number, (request, _)) in table().iter().enumerate() {
            let mut bytes = [0; 64];
            let encoded = postcard::to_slice(request, &mut bytes).unwrap();
            assert_eq!(usize::from(encoded[0]), number, "{request:?}");
        }
        assert_eq!(table().len(), usize::from(Request::KINDS));
    }

    #[test]
    fn each_request_is_decided_by_the_right_over_its_partition() {
        let holders = [
            holder(&["alpha", "gamma"], &["delta"]),
            holder(&["alpha", "beta"], &["delta"]),
            holder(&["alpha"], &["delta", "beta"]),
        ];
        for (request, decisions) in table() {
            assert_eq!(Asker::Administrator.may(&request), OK, "{request:?}");
            for (holder, decision) in holders.iter().zip(decisions) {
                let found = Asker::Partition(holder).may(&request);
                assert_eq!(found, decision, "{request:?} by {holder:?}");
            }
        }
    }

    #[test]
    fn those_are_about_a_partition_that_need_a_right_over_it() {
        let beta = Name::new("beta");
        for (request, [without, ..]) in table() {
            let about = if without == UNKNOWN { beta } else { None };
            assert_eq!(request.partition(), about, "{request:?}");
        }
    }

    #[test]
    fn a_partition_has_no_right_over_itself_that_the_plan_does_not_give() {
        let partition = Name::new("alpha").unwrap();
        let bare = holder(&[], &["beta"]);
        assert_eq!(bare.name, "alpha");
        let asker = Asker::Partition(&bare);
        assert!(!asker.sees("alpha"));
        assert_eq!(asker.may(&Request::Show { partition }), UNKNOWN);
    }

    #[test]
    fn those_are_seen_over_which_there_is_a_right() {
        let holder = holder(&["beta"], &["gamma"]);
        let seen = ["alpha", "beta", "gamma", "delta", "bet", ""]
            .map(|name| Asker::Partition(&holder).sees(name));
        assert_eq!(seen, [false, true, true, false, false, false]);
        assert!(Asker::Administrator.sees("anything"));
    }

    proptest! {
        #[test]
        fn without_rights_nothing_is_done_to_anybody(request in request()) {
            let decided = Asker::Partition(&holder(&[], &[])).may(&request);
            prop_assert!(decided.is_err() || need(&request) == Need::Nothing);
            prop_assert!(decided.is_err() || !request.happens_once());
            prop_assert_eq!(Asker::Administrator.may(&request), OK);
        }
    }
}
