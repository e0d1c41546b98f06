//! Where the rooms for new images lie. The plan says how large they are, not where: any
//! memory will do that nobody else has.

use alloc::vec::Vec;

use addr::{Address, HostPhysical, PageSize, Range};

use crate::membership::first_missing;
use crate::{Partition, Plan};

/// The place of each partition's room in `memory`, in the plan's order: the lowest that is
/// whole and that neither a partition nor an earlier room has. `None` where the plan asks for
/// none, or where there is none.
pub fn place_rooms(
    plan: &Plan,
    memory: &[Range<HostPhysical>],
) -> Vec<Option<Range<HostPhysical>>> {
    let owned = plan.partitions.iter().flat_map(|one| one.memory.iter());
    let mut taken: Vec<_> = owned.copied().collect();
    let place = |partition: &Partition| {
        let room = lowest(partition.image_room?, memory, &taken)?;
        taken.push(room);
        Some(room)
    };
    plan.partitions.iter().map(place).collect()
}

/// The lowest place for `bytes` bytes in `memory` beside what is `taken`. It begins where
/// memory does, or where something taken ends.
fn lowest(
    bytes: u64,
    memory: &[Range<HostPhysical>],
    taken: &[Range<HostPhysical>],
) -> Option<Range<HostPhysical>> {
    let starts = memory.iter().map(|range| range.start());
    let starts = starts.chain(taken.iter().map(|range| range.end()));
    starts
        .filter_map(|start| Range::new(start.align_up(PageSize::Size2MiB)?, bytes))
        .filter(|room| !taken.iter().any(|taken| taken.overlaps(*room)))
        .filter(|room| first_missing(*room, memory).is_none())
        .min()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{MIB, any_plan, example, range};

    /// The example with rooms of so many MiB.
    fn with_rooms(mebibytes: [u64; 2]) -> Plan {
        let mut plan = example();
        for (partition, mebibytes) in plan.partitions.iter_mut().zip(mebibytes) {
            partition.image_room = (mebibytes > 0).then_some(mebibytes * MIB);
        }
        plan
    }

    #[test]
    fn rooms_stand_beside_the_partitions_and_one_another() {
        let memory = [range(15 * MIB, 1900 * MIB)];
        let rooms = place_rooms(&with_rooms([64, 32]), &memory);
        let expected = [range(16 * MIB, 64 * MIB), range(80 * MIB, 32 * MIB)];
        assert_eq!(rooms, expected.map(Some));
        let rooms = place_rooms(&with_rooms([0, 498]), &memory);
        assert_eq!(rooms, [None, None], "123 MiB are left above, 496 below");
    }

    #[test]
    fn a_room_may_cross_from_one_piece_of_memory_into_the_next() {
        let memory = [range(1792 * MIB, 64 * MIB), range(1856 * MIB, 64 * MIB)];
        let rooms = place_rooms(&with_rooms([128, 2]), &memory);
        assert_eq!(rooms, [Some(range(1792 * MIB, 128 * MIB)), None]);
    }

    proptest! {
        #[test]
        fn a_room_is_whole_and_nobody_elses(plan in any_plan()) {
            let memory = &plan.machine.memory;
            let rooms = place_rooms(&plan, memory);
            prop_assert_eq!(rooms.len(), plan.partitions.len());
            let mut owned: Vec<_> = plan.partitions.iter().flat_map(|one| one.memory.clone()).collect();
            for (partition, room) in plan.partitions.iter().zip(rooms) {
                let Some(room) = room else { continue };
                prop_assert_eq!(Some(room.bytes()), partition.image_room);
                prop_assert!(room.is_aligned(PageSize::Size2MiB));
                prop_assert!(first_missing(room, memory).is_none());
                prop_assert!(!owned.iter().any(|other| other.overlaps(room)));
                owned.push(room);
            }
        }

        /// Looks at every place there is.
        #[test]
        fn a_room_that_is_not_found_is_not_there(plan in any_plan()) {
            let memory = &plan.machine.memory;
            let mut owned: Vec<_> = plan.partitions.iter().flat_map(|one| one.memory.clone()).collect();
            for (partition, room) in plan.partitions.iter().zip(place_rooms(&plan, memory)) {
                let places = (0..32).filter_map(|page| {
                    Range::new(HostPhysical::new(page * 2 * MIB), partition.image_room?)
                });
                let mut places = places.filter(|place| {
                    first_missing(*place, memory).is_none()
                        && !owned.iter().any(|other| other.overlaps(*place))
                });
                prop_assert_eq!(room, places.next());
                owned.extend(room);
            }
        }
    }
}
