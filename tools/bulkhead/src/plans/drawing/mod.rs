//! A plan as something to draw: who owns each core, each piece of memory and each PCI
//! function, and who manages whom. [`text`] draws it in the terminal, [`svg`] as a picture.

pub mod json;
pub mod svg;
pub mod text;

use addr::{ApicId, HostPhysical, Range, RequesterId};
use plan::{Function, Plan};

use crate::text::{ranges, size};

/// Who owns something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// No partition; Bulkhead takes what it needs of the memory.
    Nobody,
    /// Bulkhead: the housekeeping core.
    Bulkhead,
    /// The partition with this number.
    Partition(usize),
}

/// The partitions' marks.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+*";
const _: () = assert!(LETTERS.len() == plan::MAX_PARTITIONS);

impl Owner {
    /// A character for the owner, which the legend explains.
    pub fn mark(self) -> char {
        match self {
            Self::Nobody => '.',
            Self::Bulkhead => '#',
            Self::Partition(number) => LETTERS.get(number).copied().map_or('?', char::from),
        }
    }
}

/// What is drawn.
#[derive(Debug)]
pub struct Drawing {
    /// The plan's file.
    pub title: String,
    /// The partitions' names, by number.
    pub names: Vec<String>,
    /// The cores, in the order of their APIC IDs.
    pub cores: Vec<(ApicId, Owner)>,
    /// The machine's memory, from hole to hole.
    pub memory: Vec<Bank>,
    pub functions: Vec<Device>,
    /// What partitions may do to one another, by number.
    pub rights: Vec<Rights>,
}

/// The names of the partitions that one may see, and of those that it may control as well.
#[derive(Debug)]
pub struct Rights {
    pub see: Vec<String>,
    pub control: Vec<String>,
}

/// Memory without a hole in it.
#[derive(Debug)]
pub struct Bank {
    pub start: HostPhysical,
    pub bytes: u64,
    /// What it is cut into, without a gap.
    pub pieces: Vec<Piece>,
}

/// A piece of memory with one owner.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub start: HostPhysical,
    pub bytes: u64,
    pub owner: Owner,
}

/// A PCI function of the machine.
#[derive(Debug)]
pub struct Device {
    pub address: RequesterId,
    /// The owner of the function itself; for an SR-IOV device, of its PF.
    pub owner: Owner,
    /// Its virtual functions, in the order of their numbers from 1 on.
    pub virtual_functions: Vec<VirtualFunction>,
}

/// A virtual function.
#[derive(Debug, Clone, Copy)]
pub struct VirtualFunction {
    pub number: u16,
    pub owner: Owner,
    /// The NVMe namespace that is attached to it.
    pub namespace: Option<u32>,
}

impl Drawing {
    /// What there is to draw of a plan that breaks no rule.
    pub fn new(title: String, plan: &Plan) -> Self {
        Self {
            title,
            names: plan.partitions.iter().map(|one| one.name.clone()).collect(),
            cores: cores(plan),
            memory: memory(plan),
            functions: functions(plan),
            rights: plan.partitions.iter().map(Rights::of).collect(),
        }
    }

    /// Everybody who owns something, in the order in which a legend has them.
    pub fn owners(&self) -> impl Iterator<Item = Owner> {
        let partitions = (0..self.names.len()).map(Owner::Partition);
        let bulkhead = std::iter::once(Owner::Bulkhead);
        bulkhead.chain(partitions).chain([Owner::Nobody])
    }

    /// The owner's name.
    pub fn name(&self, owner: Owner) -> &str {
        match owner {
            Owner::Nobody => "nobody",
            Owner::Bulkhead => "Bulkhead",
            Owner::Partition(number) => self.names.get(number).map_or("?", String::as_str),
        }
    }

    /// The owner's cores: `cores 2-3`.
    pub fn cores_of(&self, owner: Owner) -> String {
        let cores = self.cores.iter().filter(|(_, of)| *of == owner);
        numbered("core", cores.map(|(core, _)| core.0))
    }

    /// The owner's memory, all pieces together: `640 MiB`.
    pub fn memory_of(&self, owner: Owner) -> String {
        let pieces = self.memory.iter().flat_map(|bank| &bank.pieces);
        let bytes = pieces.filter(|piece| piece.owner == owner);
        match bytes.map(|piece| piece.bytes).sum() {
            0 => String::new(),
            bytes => size(bytes),
        }
    }

    /// The owner's functions: `02:00.0, VF 1 of 03:00.0 with namespace 2`.
    pub fn functions_of(&self, owner: Owner) -> String {
        let texts = self.functions.iter().flat_map(|device| device.texts(owner));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// The owner's rights over partitions: `sees beta, controls gamma`.
    pub fn rights_of(&self, owner: Owner) -> String {
        match owner {
            Owner::Partition(number) => self.rights.get(number).map_or(String::new(), Rights::text),
            Owner::Nobody | Owner::Bulkhead => String::new(),
        }
    }
}

impl Rights {
    fn of(partition: &plan::Partition) -> Self {
        Self {
            see: partition.may_see.clone(),
            control: partition.may_control.clone(),
        }
    }

    fn text(&self) -> String {
        let say = |verb: &str, names: &[String]| match names {
            [] => None,
            [one] => Some(format!("{verb} {one}")),
            [all @ .., last] => Some(format!("{verb} {} and {last}", all.join(", "))),
        };
        let both = [say("sees", &self.see), say("controls", &self.control)];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Device {
    /// What of it is the owner's, each with its name.
    fn texts(&self, owner: Owner) -> Vec<String> {
        let itself = (self.owner == owner).then(|| self.address.to_string());
        let owned = self
            .virtual_functions
            .iter()
            .filter(|one| one.owner == owner);
        let (plain, named): (Vec<&VirtualFunction>, Vec<_>) =
            owned.partition(|one| one.namespace.is_none());
        let plain = numbered("VF", plain.iter().map(|one| u32::from(one.number)));
        let plain = (!plain.is_empty()).then(|| format!("{plain} of {}", self.address));
        let named = named.iter().map(|one| one.describe(self.address));
        itself.into_iter().chain(named).chain(plain).collect()
    }
}

/// Numbers behind what they are numbers of: `core 1`, `VFs 3-4`; nothing for none.
fn numbered(word: &str, numbers: impl Iterator<Item = u32>) -> String {
    let numbers: Vec<_> = numbers.collect();
    match numbers.as_slice() {
        [] => String::new(),
        [one] => format!("{word} {one}"),
        more => format!("{word}s {}", ranges(more.iter().copied())),
    }
}

impl VirtualFunction {
    fn describe(&self, physical: RequesterId) -> String {
        let number = self.number;
        match self.namespace {
            Some(namespace) => format!("VF {number} of {physical} with namespace {namespace}"),
            None => format!("VF {number} of {physical}"),
        }
    }
}

fn cores(plan: &Plan) -> Vec<(ApicId, Owner)> {
    let owner = |core: ApicId| {
        let mut partitions = plan.partitions.iter();
        match partitions.position(|one| one.cores.contains(&core)) {
            Some(number) => Owner::Partition(number),
            None if core == plan.machine.housekeeping => Owner::Bulkhead,
            None => Owner::Nobody,
        }
    };
    let mut cores = plan.machine.cores.clone();
    cores.sort_unstable();
    cores.into_iter().map(|core| (core, owner(core))).collect()
}

/// The machine's memory, neighbours joined, cut into its owners' pieces.
fn memory(plan: &Plan) -> Vec<Bank> {
    let partitions = plan.partitions.iter().enumerate();
    let given =
        partitions.flat_map(|(number, one)| one.memory.iter().map(move |range| (*range, number)));
    let mut given: Vec<_> = given.collect();
    given.sort_unstable_by_key(|(range, _)| range.start());
    joined(&plan.machine.memory)
        .into_iter()
        .map(|(start, end)| Bank {
            start,
            bytes: distance(start, end),
            pieces: pieces(start, end, &given),
        })
        .collect()
}

/// The ranges in order, with neighbours made one.
fn joined(ranges: &[Range<HostPhysical>]) -> Vec<(HostPhysical, HostPhysical)> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| range.start());
    let mut banks: Vec<(HostPhysical, HostPhysical)> = Vec::new();
    for range in sorted {
        match banks.last_mut() {
            Some((_, end)) if *end >= range.start() => *end = range.end().max(*end),
            _ => banks.push((range.start(), range.end())),
        }
    }
    banks
}

/// The memory from `start` to `end`, cut at what is given away of it.
fn pieces(
    start: HostPhysical,
    end: HostPhysical,
    given: &[(Range<HostPhysical>, usize)],
) -> Vec<Piece> {
    let piece = |start, end, owner| Piece {
        start,
        bytes: distance(start, end),
        owner,
    };
    let mut pieces = Vec::new();
    let mut reached = start;
    let here = given
        .iter()
        .filter(|(range, _)| range.start() >= start && range.end() <= end);
    for (range, number) in here {
        pieces.push(piece(reached, range.start(), Owner::Nobody));
        pieces.push(piece(range.start(), range.end(), Owner::Partition(*number)));
        reached = range.end();
    }
    pieces.push(piece(reached, end, Owner::Nobody));
    pieces.retain(|piece| piece.bytes > 0);
    pieces
}

fn distance(start: HostPhysical, end: HostPhysical) -> u64 {
    end.as_u64().saturating_sub(start.as_u64())
}

fn functions(plan: &Plan) -> Vec<Device> {
    let device = |function: &plan::MachineFunction| Device {
        address: function.address,
        owner: owner_of(
            plan,
            |one| matches!(one, Function::Whole { address } if *address == function.address),
        )
        .map_or(Owner::Nobody, |(owner, _)| owner),
        virtual_functions: (1..=function.virtual_functions)
            .map(|number| virtual_function(plan, function.address, number))
            .collect(),
    };
    plan.machine.functions.iter().map(device).collect()
}

fn virtual_function(plan: &Plan, of: RequesterId, wanted: u16) -> VirtualFunction {
    let found = owner_of(plan, |one| {
        matches!(one, Function::Virtual { physical, number, .. }
            if *physical == of && *number == wanted)
    });
    let namespace = match found {
        Some((_, Function::Virtual { namespace, .. })) => namespace,
        _ => None,
    };
    VirtualFunction {
        number: wanted,
        owner: found.map_or(Owner::Nobody, |(owner, _)| owner),
        namespace,
    }
}

/// The partition that has such a function, and the function.
fn owner_of(plan: &Plan, is_it: impl Fn(&Function) -> bool) -> Option<(Owner, Function)> {
    plan.partitions
        .iter()
        .enumerate()
        .find_map(|(number, one)| {
            let found = one.functions.iter().find(|function| is_it(function))?;
            Some((Owner::Partition(number), *found))
        })
}

#[cfg(test)]
mod tests;
