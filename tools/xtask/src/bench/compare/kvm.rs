//! KVM's side: how QEMU is started in the machine's first level, and how that is tuned.
//!
//! What KVM counts itself must be what the plugin saw, reason by reason.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use harness::Message;
use harness::count::Count;
use serde_json::Value;

use super::super::run;
use super::sides::{MEMORY, ON_MACHINE};
use crate::guest::first_level::{INITIAL_RAMDISK, KERNEL, SERIAL};

/// What the first level is given to do its best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Virtual processors bound to cores of their own, and otherwise as it comes.
    Stock,
    /// All that is usually advised for a guest with cores of its own: these cores are isolated
    /// and have no periodic tick, HLT and PAUSE are the guest's, its memory is in pages of
    /// 2 MiB, devices and firmware are as few and as small as QEMU has them.
    Tuned,
}

/// The first level's command line. Its kernel is not moved by chance, so that the plugin finds
/// the VMCB; this costs or saves nothing.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=3 nokaslr bulkhead.mode=kvm-host";
/// Its further words: the guest's memory in pages of 2 MiB, and the cores that are isolated.
const TUNED_COMMAND_LINE: &str =
    "hugepages=320 isolcpus=1,2 nohz_full=1,2 rcu_nocbs=1,2 irqaffinity=0,3";

/// What both are told: a guest that is stopped, but stays, when it switches itself off.
const ARGUMENTS: &str = "-nodefaults -no-user-config -display none -S \
     -device vfio-pci,host=02:00.1 -serial chardev:console -qmp stdio \
     -action shutdown=pause -name guest,debug-threads=on";
const STOCK_ARGUMENTS: &str = "-machine q35,accel=kvm -cpu host";
const TUNED_ARGUMENTS: &str = "-machine \
     q35,accel=kvm,sata=off,smbus=off,i8042=off,hpet=off,vmport=off,memory-backend=memory \
     -cpu host,migratable=off,+invtsc -overcommit cpu-pm=on -bios qboot.rom";

/// KVM's counters (Linux 6.1, `arch/x86/kvm/x86.c`, `kvm_vcpu_stats_desc`) and the exit codes
/// that each counts; none stands for all.
const COUNTERS: [(&str, Option<svm::ExitCode>); 5] = [
    ("exits", None),
    ("halt_exits", Some(run::HLT)),
    ("io_exits", Some(svm::ExitCode::IOIO)),
    ("irq_exits", Some(run::INTR)),
    ("irq_window_exits", Some(run::VINTR)),
];

impl Tuning {
    /// A name for files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stock => "kvm",
            Self::Tuned => "kvm-tuned",
        }
    }
}

/// The first level's command line.
pub fn command_line(tuning: Tuning) -> String {
    let of_tuning = match tuning {
        Tuning::Stock => "",
        Tuning::Tuned => TUNED_COMMAND_LINE,
    };
    format!("{COMMAND_LINE} {ON_MACHINE} {of_tuning}")
}

/// What QEMU is told in the first level.
pub fn arguments(cores: u32, tuning: Tuning, command_line: &str) -> Vec<String> {
    let of_tuning = match tuning {
        Tuning::Stock => STOCK_ARGUMENTS,
        Tuning::Tuned => TUNED_ARGUMENTS,
    };
    let words = ARGUMENTS
        .split_whitespace()
        .chain(of_tuning.split_whitespace());
    let mut arguments: Vec<_> = words.map(str::to_owned).collect();
    let mut push = |option: &str, value: String| {
        arguments.push(option.to_owned());
        arguments.push(value);
    };
    push("-chardev", format!("socket,id=console,path={SERIAL}"));
    push("-smp", cores.to_string());
    push("-m", MEMORY.to_owned());
    push("-kernel", KERNEL.to_owned());
    push("-initrd", INITIAL_RAMDISK.to_owned());
    push("-append", command_line.to_owned());
    if tuning == Tuning::Tuned {
        let backend = "memory-backend-memfd,id=memory,hugetlb=on,hugetlbsize=2M,prealloc=on";
        push("-object", format!("{backend},size={MEMORY}"));
    }
    arguments
}

/// KVM's own counters must agree with what was seen from outside, exactly.
pub fn check(count: &Count, lines: &[String]) -> Result<()> {
    let told = parse_statistics(lines).context("KVM did not tell its counters")?;
    for (name, code) in COUNTERS {
        let of_code = |found: u64| code.is_none_or(|code| code.0 == found);
        let seen = count.exits.iter().filter(|exits| of_code(exits.kind.code));
        let seen = seen.fold(0_u64, |sum, exits| sum.saturating_add(exits.count));
        let told = told.get(name).copied().unwrap_or(0);
        ensure!(
            seen == told,
            "{name}: seen from outside {seen}, told by KVM {told}"
        );
    }
    Ok(())
}

/// The counters of all virtual processors together (QEMU 10.0, "QEMU Machine Protocol
/// Reference", `query-stats`).
fn parse_statistics(lines: &[String]) -> Option<BTreeMap<String, u64>> {
    let text = lines.iter().find_map(|line| match Message::parse(line) {
        Message::Console { partition, text } if partition == "kvm" => Some(text),
        _ => None,
    })?;
    let answer: Value = serde_json::from_str(&text).ok()?;
    let mut sums = BTreeMap::new();
    for processor in answer.get("return")?.as_array()? {
        for counter in processor.get("stats")?.as_array()? {
            let name = counter.get("name")?.as_str()?.to_owned();
            let sum: &mut u64 = sums.entry(name).or_default();
            *sum = sum.saturating_add(counter.get("value")?.as_u64()?);
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::count::{Exits, Kind};

    const STATISTICS: &str = r#"[kvm] {"return": [
        {"stats": [{"name": "exits", "value": 5}, {"name": "halt_exits", "value": 2}]},
        {"stats": [{"name": "exits", "value": 2}, {"name": "halt_exits", "value": 1}]}]}"#;

    fn exits(code: svm::ExitCode, count: u64) -> Exits {
        Exits {
            kind: Kind {
                space: 0,
                marks: 0,
                code: code.0,
                register: 0,
                write: 0,
            },
            count,
            lengths: BTreeMap::new(),
        }
    }

    fn count(exits: [Exits; 2]) -> Count {
        Count {
            exits: exits.to_vec(),
            ..Count::default()
        }
    }

    #[test]
    fn counters_of_all_processors_must_agree_with_what_was_seen() {
        let lines = [STATISTICS.replace('\n', "")];
        let good = count([exits(run::HLT, 3), exits(svm::ExitCode::MSR, 4)]);
        check(&good, &lines).unwrap();
        let fewer = count([exits(run::HLT, 3), exits(svm::ExitCode::MSR, 3)]);
        assert!(check(&fewer, &lines).is_err());
        let others = count([exits(run::HLT, 4), exits(svm::ExitCode::MSR, 3)]);
        assert!(check(&others, &lines).is_err());
    }

    #[test]
    fn without_counters_there_is_nothing_to_agree_with() {
        let good = count([exits(run::HLT, 0), exits(svm::ExitCode::MSR, 0)]);
        assert!(check(&good, &[]).is_err());
        assert!(check(&good, &["[kvm] {}".to_owned()]).is_err());
    }
}
