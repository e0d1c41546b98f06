//! Whether this host's KVM can carry a machine with virtualisation of its own.
//!
//! Key types: [`Host`], what the host says of itself, and [`Lack`]. Linux 6.1,
//! Documentation/virt/kvm/x86/running-nested-guests.rst, and the parameters that
//! arch/x86/kvm/vmx/vmx.c and arch/x86/kvm/svm/svm.c export.
//!
//! x2APIC is not asked for: KVM emulates it for its guests whatever the host has.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, bail};

/// KVM's device.
const DEVICE: &str = "/dev/kvm";
/// Intel's: the processor's flag, the module, and its parameters that must be on.
const INTEL: Vendor = Vendor {
    flag: "vmx",
    module: "kvm_intel",
    parameters: &["nested", "ept", "unrestricted_guest"],
};
/// AMD's.
const AMD: Vendor = Vendor {
    flag: "svm",
    module: "kvm_amd",
    parameters: &["nested", "npt"],
};

/// What differs between the two makers of processors.
#[derive(Debug, Clone, Copy)]
struct Vendor {
    flag: &'static str,
    module: &'static str,
    parameters: &'static [&'static str],
}

/// What the host says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The processor's flags, as `/proc/cpuinfo` names them.
    pub flags: Vec<String>,
    /// The modules of KVM that are loaded or built in, each with its parameters.
    pub modules: Vec<Module>,
    /// How the device answers.
    pub device: Device,
}

/// A kernel module with its parameters' names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Names and values.
    pub parameters: Vec<(String, String)>,
}

/// How KVM's device answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// There is none, or nothing behind it.
    #[default]
    Absent,
    /// This user may not open it.
    Refused,
    /// It can be opened.
    Usable,
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Says all that is missing on this host, and what to do.
pub fn check() -> Result<()> {
    let lacks = lacks(&Host::read());
    if lacks.is_empty() {
        return Ok(());
    }
    let lines = lacks
        .iter()
        .map(|Lack { what, remedy }| format!("\n  {what}: {remedy}"));
    bail!(
        "this host's KVM cannot carry Bulkhead:{}\n`--machine qemu` needs none of this",
        lines.collect::<String>()
    )
}

/// What `host` lacks, the first cause first.
pub fn lacks(host: &Host) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut add = |what: String, remedy: String| lacks.push(Lack { what, remedy });
    match host.vendor() {
        Some(vendor) => host.add_lacks_of(vendor, &mut add),
        None => add(
            "the processor has neither of the flags vmx and svm".to_owned(),
            "switch virtualisation on in the firmware; on a virtual machine, have its host \
             offer nested virtualisation"
                .to_owned(),
        ),
    }
    match host.device {
        Device::Usable => {}
        Device::Refused => add(
            format!("this user may not open {DEVICE}"),
            "as root, type `usermod -aG kvm USER`, and log in again".to_owned(),
        ),
        Device::Absent => add(
            format!("there is no {DEVICE}"),
            "it comes with KVM's module; into a container it has to be passed".to_owned(),
        ),
    }
    lacks
}

impl Host {
    /// Asks the system.
    pub fn read() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let modules = [INTEL, AMD]
            .iter()
            .filter_map(|vendor| read_module(*vendor));
        Self {
            flags: parse_flags(&text),
            modules: modules.collect(),
            device: read_device(),
        }
    }

    fn vendor(&self) -> Option<Vendor> {
        let has = |vendor: &Vendor| self.flags.iter().any(|flag| flag == vendor.flag);
        [INTEL, AMD].into_iter().find(has)
    }

    fn add_lacks_of(&self, vendor: Vendor, add: &mut impl FnMut(String, String)) {
        let Vendor { module: name, .. } = vendor;
        let Some(module) = self.modules.iter().find(|module| module.name == name) else {
            add(
                format!("the module {name} is not loaded"),
                format!("as root, type `modprobe {name} nested=1`"),
            );
            return;
        };
        for parameter in vendor.parameters {
            let value = module.value(parameter);
            if !matches!(value, Some("Y" | "1")) {
                let value = value.unwrap_or("not there");
                add(
                    format!("the parameter {parameter} of the module {name} is {value}"),
                    format!(
                        "as root, type `modprobe -r {name} && modprobe {name} {parameter}=1` \
                         while no virtual machine runs"
                    ),
                );
            }
        }
    }
}

impl Module {
    fn value(&self, parameter: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find_map(|(name, value)| (name == parameter).then_some(value.as_str()))
    }
}

/// The flags of the first processor.
fn parse_flags(cpuinfo: &str) -> Vec<String> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let flags = lines.find_map(|(key, flags)| (key.trim() == "flags").then_some(flags));
    let flags = flags.unwrap_or_default().split_whitespace();
    flags.map(str::to_owned).collect()
}

fn read_module(vendor: Vendor) -> Option<Module> {
    let folder = Path::new("/sys/module").join(vendor.module);
    let read = |parameter: &&str| {
        let path = folder.join("parameters").join(parameter);
        let value = fs::read_to_string(path).ok()?;
        Some(((*parameter).to_owned(), value.trim().to_owned()))
    };
    folder.exists().then(|| Module {
        name: vendor.module.to_owned(),
        parameters: vendor.parameters.iter().filter_map(read).collect(),
    })
}

fn read_device() -> Device {
    match File::options().read(true).write(true).open(DEVICE) {
        Ok(_) => Device::Usable,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Device::Refused,
        Err(_) => Device::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, parameters: &[(&str, &str)]) -> Module {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Module {
            name: name.to_owned(),
            parameters: parameters.iter().map(own).collect(),
        }
    }

    fn host(flag: &str, module: Module) -> Host {
        Host {
            flags: vec!["fpu".to_owned(), flag.to_owned()],
            modules: vec![module],
            device: Device::Usable,
        }
    }

    fn intel(values: [&str; 3]) -> Host {
        let [nested, ept, unrestricted] = values;
        let parameters = [
            ("nested", nested),
            ("ept", ept),
            ("unrestricted_guest", unrestricted),
        ];
        host("vmx", module("kvm_intel", &parameters))
    }

    fn only_lack(host: &Host) -> String {
        let found = lacks(host);
        let [Lack { what, remedy }] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(!remedy.is_empty());
        what.clone()
    }

    #[test]
    fn a_host_with_everything_lacks_nothing() {
        assert!(lacks(&intel(["Y", "Y", "Y"])).is_empty());
        let amd = host("svm", module("kvm_amd", &[("nested", "1"), ("npt", "Y")]));
        assert!(lacks(&amd).is_empty());
    }

    #[test]
    fn a_processor_without_virtualisation_is_told_first() {
        let found = lacks(&Host::default());
        assert!(found[0].what.contains("flags vmx and svm"), "{found:?}");
        assert!(found[1].what.contains("no /dev/kvm"), "{found:?}");
    }

    #[test]
    fn a_missing_module_is_the_vendors_own() {
        let host = Host {
            modules: vec![module("kvm_amd", &[])],
            ..intel(["Y", "Y", "Y"])
        };
        assert_eq!(only_lack(&host), "the module kvm_intel is not loaded");
    }

    #[test]
    fn each_parameter_that_is_off_or_absent_is_named() {
        let names = ["nested", "ept", "unrestricted_guest"];
        for (index, name) in names.iter().enumerate() {
            let mut values = ["Y", "1", "Y"];
            values[index] = "N";
            let what = only_lack(&intel(values));
            assert_eq!(
                what,
                format!("the parameter {name} of the module kvm_intel is N")
            );
        }
        let amd = host("svm", module("kvm_amd", &[("npt", "1")]));
        assert!(only_lack(&amd).ends_with("nested of the module kvm_amd is not there"));
    }

    #[test]
    fn the_device_is_told_apart_by_what_is_wrong_with_it() {
        let good = intel(["Y", "Y", "Y"]);
        let with = |device| Host {
            device,
            ..good.clone()
        };
        assert!(only_lack(&with(Device::Absent)).contains("there is no /dev/kvm"));
        assert!(only_lack(&with(Device::Refused)).contains("may not open /dev/kvm"));
    }

    #[test]
    fn flags_are_read_of_the_first_processor() {
        let text = "processor\t: 0\nvmx flags\t: ept\nflags\t\t: fpu vmx\n\nprocessor\t: 1\nflags\t\t: x\n";
        assert_eq!(parse_flags(text), ["fpu", "vmx"]);
    }
}
