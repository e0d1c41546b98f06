//! What partitions may do to one another, which is nothing unless the plan says so.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Partition, PartitionPlace, Place, Plan, Rule, Violation};

/// What one partition may do to another, or to itself, by a management channel of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To know that it exists, and all that is told of it.
    See,
    /// That, and to start it, stop it, type at its console and replace its images.
    Control,
}

impl Partition {
    /// Its right over the partition `name`, if it has one.
    #[must_use]
    pub fn right_over(&self, name: &str) -> Option<Right> {
        let has = |list: &[String]| list.iter().any(|one| one == name);
        if has(&self.may_control) {
            return Some(Right::Control);
        }
        has(&self.may_see).then_some(Right::See)
    }

    /// Whether it has a right over any partition, and so a management channel.
    #[must_use]
    pub const fn has_rights(&self) -> bool {
        !self.may_see.is_empty() || !self.may_control.is_empty()
    }

    /// The partitions that it has a right over, with the place that says so.
    fn rights(&self) -> impl Iterator<Item = (PartitionPlace, &String)> {
        let see = self.may_see.iter().enumerate();
        let see = see.map(|(number, name)| (PartitionPlace::MaySee(number), name));
        let control = self.may_control.iter().enumerate();
        see.chain(control.map(|(number, name)| (PartitionPlace::MayControl(number), name)))
    }
}

/// Adds rights over nobody, and those that are given twice.
pub fn check_rights(plan: &Plan, violations: &mut Vec<Violation>) {
    for (index, partition) in plan.partitions.iter().enumerate() {
        let holder = &partition.name;
        for (number, (place, name)) in partition.rights().enumerate() {
            let mut before = partition.rights().take(number);
            if let Some((first, _)) = before.find(|(_, before)| *before == name) {
                let what = format!("partition {holder:?} is given two rights over {name:?}");
                let violation = Violation::of(index, place, Rule::RightGivenTwice, what);
                violations.push(violation.against(Place::Partition(index, first)));
            } else if !plan.partitions.iter().any(|one| one.name == *name) {
                let what = format!(
                    "partition {holder:?} is given a right over {name:?}, which there is not"
                );
                violations.push(Violation::of(index, place, Rule::UnknownPartition, what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::check;
    use crate::testing::{any_plan, example};

    /// The example, where alpha may see and control these partitions.
    fn with_rights(see: &[&str], control: &[&str]) -> Plan {
        let mut plan = example();
        let owned = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        plan.partitions[0].may_see = owned(see);
        plan.partitions[0].may_control = owned(control);
        plan
    }

    fn broken(see: &[&str], control: &[&str]) -> Vec<(Rule, Place)> {
        let violations = check(&with_rights(see, control));
        violations.iter().map(|one| (one.rule, one.place)).collect()
    }

    fn in_alpha(rule: Rule, place: PartitionPlace) -> Vec<(Rule, Place)> {
        vec![(rule, Place::Partition(0, place))]
    }

    #[test]
    fn nobody_has_rights_by_default() {
        let plan = example();
        for partition in &plan.partitions {
            assert!(!partition.has_rights());
            for other in &plan.partitions {
                assert_eq!(partition.right_over(&other.name), None);
            }
        }
    }

    #[test]
    fn a_right_is_over_the_named_alone_and_one_sided() {
        let plan = with_rights(&["alpha"], &["beta"]);
        assert_eq!(check(&plan), []);
        let [alpha, beta] = plan.partitions.as_slice() else {
            panic!("two partitions");
        };
        assert_eq!(alpha.right_over("alpha"), Some(Right::See));
        assert_eq!(alpha.right_over("beta"), Some(Right::Control));
        assert_eq!(alpha.right_over("gamma"), None);
        assert_eq!(alpha.right_over(""), None);
        assert!(alpha.has_rights());
        assert!(!beta.has_rights());
        assert_eq!(beta.right_over("alpha"), None);
    }

    #[test]
    fn rights_are_over_partitions_of_the_plan() {
        let see = in_alpha(Rule::UnknownPartition, PartitionPlace::MaySee(1));
        assert_eq!(broken(&["beta", "gamma"], &[]), see);
        let control = in_alpha(Rule::UnknownPartition, PartitionPlace::MayControl(0));
        assert_eq!(broken(&[], &["Beta"]), control);
    }

    #[test]
    fn a_right_is_given_once() {
        let twice = |place| in_alpha(Rule::RightGivenTwice, place);
        assert_eq!(
            broken(&["beta", "alpha", "beta"], &[]),
            twice(PartitionPlace::MaySee(2))
        );
        assert_eq!(
            broken(&[], &["beta", "beta"]),
            twice(PartitionPlace::MayControl(1))
        );
        assert_eq!(
            broken(&["beta"], &["beta"]),
            twice(PartitionPlace::MayControl(0))
        );
    }

    proptest! {
        #[test]
        fn a_plan_without_violations_gives_each_right_once(plan in any_plan()) {
            let mut violations = Vec::new();
            check_rights(&plan, &mut violations);
            let all = plan.partitions.iter().flat_map(|holder| {
                holder.rights().map(|(_, name)| (&holder.name, name))
            });
            let all: Vec<_> = all.collect();
            let known = |name: &String| plan.partitions.iter().any(|one| one.name == *name);
            let names: alloc::collections::BTreeSet<_> =
                plan.partitions.iter().map(|one| &one.name).collect();
            prop_assume!(names.len() == plan.partitions.len());
            let distinct: alloc::collections::BTreeSet<_> = all.iter().collect();
            let good = distinct.len() == all.len() && all.iter().all(|(_, name)| known(name));
            prop_assert_eq!(violations.is_empty(), good);
        }
    }
}
