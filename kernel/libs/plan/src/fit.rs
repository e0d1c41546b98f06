//! A plan held against the machine that the kernel found, and against the bundle.

use alloc::format;
use alloc::vec::Vec;

use addr::{ApicId, HostPhysical, Range};

use crate::bundle::{Bundle, BundleError};
use crate::disjoint::add_conflicts;
use crate::limits::check_limits;
use crate::membership::{Resources, check_membership};
use crate::rights::check_rights;
use crate::rooms::place_rooms;
use crate::{ImageIndex, MachineFunction, PartitionPlace, Plan, Rule, Violation};

/// The machine as the kernel found it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActualMachine {
    /// Every core that came up.
    pub cores: Vec<ApicId>,
    /// Usable RAM that Bulkhead does not keep for itself.
    pub memory: Vec<Range<HostPhysical>>,
    /// The PCI functions that may be given away, enumerated while no virtual function is
    /// enabled: a virtual function must not be listed by its own requester ID.
    pub functions: Vec<MachineFunction>,
}

/// What keeps a plan's partitions from starting.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fit {
    violations: Vec<Violation>,
    rooms: Vec<Option<Range<HostPhysical>>>,
}

impl Fit {
    /// What concerns no partition in particular, and so keeps all of them from starting.
    pub fn of_machine(&self) -> impl Iterator<Item = &Violation> {
        self.violations
            .iter()
            .filter(|violation| violation.partitions().next().is_none())
    }

    /// What concerns partition `index`. Both parties to a conflict are concerned.
    pub fn of_partition(&self, index: usize) -> impl Iterator<Item = &Violation> {
        let concerned =
            move |violation: &&Violation| violation.partitions().any(|one| one == index);
        self.violations.iter().filter(concerned)
    }

    /// Whether partition `index` may start.
    #[must_use]
    pub fn may_start(&self, index: usize) -> bool {
        self.of_machine().next().is_none() && self.of_partition(index).next().is_none()
    }

    /// Where partition `index` has its room for new images, if the plan gives it one.
    #[must_use]
    pub fn room(&self, index: usize) -> Option<Range<HostPhysical>> {
        self.rooms.get(index).copied().flatten()
    }

    /// Adds what else was found, such as by [`check_images`].
    pub fn extend(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }
}

/// Holds `plan` against the real machine: every rule but those about the machine that the
/// plan declares.
#[must_use]
pub fn fit(plan: &Plan, machine: &ActualMachine) -> Fit {
    let mut violations = check_alone(plan);
    let actual = Resources {
        cores: &machine.cores,
        memory: &machine.memory,
        functions: &machine.functions,
    };
    check_membership(plan, actual, &mut violations);
    let rooms = place_rooms(plan, &machine.memory);
    Fit { violations, rooms }
}

/// What is wrong with `plan` on any machine.
pub(crate) fn check_alone(plan: &Plan) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_limits(plan, &mut violations);
    add_conflicts(plan, &mut violations);
    check_rights(plan, &mut violations);
    violations
}

/// Finds the images that are missing from `bundle` or damaged, and looks at each image once,
/// however many partitions share it. `checksum` is CRC-32C: [`crate::crc32c`], or the same by
/// the processor's instruction.
pub fn check_images(
    plan: &Plan,
    bundle: &Bundle<'_>,
    checksum: impl Fn(&[u8]) -> u32,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut checked = Vec::new();
    for (index, partition) in plan.partitions.iter().enumerate() {
        let kernel = Some((partition.image.kernel(), PartitionPlace::Kernel));
        let initial_ramdisk = partition.image.initial_ramdisk();
        let initial_ramdisk = initial_ramdisk.map(|image| (image, PartitionPlace::InitialRamdisk));
        for (image, place) in kernel.into_iter().chain(initial_ramdisk) {
            let known = checked.iter().find(|(known, _)| *known == image);
            let verdict = match known {
                Some((_, verdict)) => *verdict,
                None => {
                    let verdict = check_image(bundle, image, &checksum);
                    checked.push((image, verdict));
                    verdict
                }
            };
            if let Err((rule, error)) = verdict {
                let number = image.0;
                let name = &partition.name;
                let what = format!("image {number} of partition {name:?}: {error}");
                violations.push(Violation::of(index, place, rule, what));
            }
        }
    }
    violations
}

fn check_image(
    bundle: &Bundle<'_>,
    image: ImageIndex,
    checksum: impl Fn(&[u8]) -> u32,
) -> Result<(), (Rule, BundleError)> {
    if image.0 == 0 {
        return Err((Rule::ImageMissing, BundleError::NoEntry(image)));
    }
    let bytes = bundle
        .verify(image, checksum)
        .map_err(|error| match error {
            BundleError::NoEntry(_) => (Rule::ImageMissing, error),
            _ => (Rule::ImageChecksum, error),
        })?;
    if bytes.is_empty() {
        return Err((Rule::ImageEmpty, BundleError::EmptyEntry(image)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
