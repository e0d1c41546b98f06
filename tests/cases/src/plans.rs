//! Plans that the cases start from: the machine that they run on, and bare guests in
//! partitions.

use anyhow::Result;
use harness::{Bench, Emulator, Iommu, Machine};

/// Where the machine's memory begins in every plan: right above the kernel's image, so that a
/// case may put a partition there.
const MEMORY_START: u32 = 0x40_0000;
/// What of the machine's memory is below that, or may be the firmware's at its end.
const RESERVED_MEBIBYTES: u32 = 128;
/// The function that an NVMe machine has.
const FUNCTION: &str = "[[machine.function]]\naddress = \"02:00.0\"\nvirtual_functions = 4\n";
/// Where `alpha`'s memory is in the machine.
pub const ALPHA_START: u64 = 0x0800_0000;
/// Where `beta`'s memory is in the machine.
pub const BETA_START: u64 = 0x3000_0000;
/// Where the memory of a third partition, `gamma`, is in the machine.
pub const GAMMA_START: u64 = 0x2000_0000;
/// The memory of each.
pub const MEBIBYTES: u64 = 64;

/// What a partition starts.
#[derive(Debug, Clone, Copy)]
enum Image {
    /// The test guest of this name.
    Bare(&'static str),
    /// A stock kernel, with our program as its first, and this initial RAM disk.
    Linux(&'static str),
}

/// A partition with its guest.
#[derive(Debug, Clone)]
pub struct Guest {
    name: &'static str,
    image: Image,
    command_line: String,
    cores: &'static [u32],
    start: u64,
    mebibytes: u64,
    function: String,
    config_ports: bool,
    restart: String,
    rights: String,
    room: String,
}

impl Guest {
    /// The partition `alpha`: core 1.
    pub fn alpha(image: &'static str) -> Self {
        Self::named("alpha", image, &[1], ALPHA_START)
    }

    /// `alpha` with a guest that begins when its neighbour has long been listening.
    pub fn attacker(image: &'static str) -> Self {
        Self::alpha(image).with_argument("delay=1000")
    }

    /// The partition `beta`: cores 2 and 3.
    pub fn beta(image: &'static str) -> Self {
        Self::named("beta", image, &[2, 3], BETA_START)
    }

    /// `beta` with the guest that listens for a while to whether anybody disturbs it. An
    /// [`attacker`](Self::attacker) begins after a second and takes a fraction of another.
    pub fn bystander() -> Self {
        Self::beta("bystander").with_argument("seconds=3")
    }

    /// The partition `name`, with these cores and [`MEBIBYTES`] of memory at `start`.
    pub fn named(
        name: &'static str,
        image: &'static str,
        cores: &'static [u32],
        start: u64,
    ) -> Self {
        let memory = (start, MEBIBYTES);
        Self::new((name, Image::Bare(image)), cores, memory)
    }

    /// The partition `name` with a stock Linux, these cores, and of memory so many MiB at an
    /// address: `(start, mebibytes)`.
    pub fn linux(name: &'static str, cores: &'static [u32], memory: (u64, u64)) -> Self {
        let image = Image::Linux("initrd.img");
        Self::new((name, image), cores, memory).with_argument("console=ttyS0 quiet")
    }

    /// The same stock Linux, printing on the console without exits alone.
    #[must_use]
    pub fn without_serial_console(self) -> Self {
        let command_line = self.command_line.replace("console=ttyS0", "console=hvc0");
        Self {
            command_line,
            ..self
        }
    }

    /// The same stock Linux with the user's tool.
    #[must_use]
    pub fn with_tool(self) -> Self {
        let image = Image::Linux("manager.img");
        Self { image, ..self }
    }

    fn new(
        (name, image): (&'static str, Image),
        cores: &'static [u32],
        (start, mebibytes): (u64, u64),
    ) -> Self {
        Self {
            name,
            image,
            command_line: String::new(),
            cores,
            start,
            mebibytes,
            function: String::new(),
            config_ports: false,
            restart: String::new(),
            rights: String::new(),
            room: String::new(),
        }
    }

    /// The same with one more word on the command line.
    #[must_use]
    pub fn with_argument(mut self, word: &str) -> Self {
        if !self.command_line.is_empty() {
            self.command_line.push(' ');
        }
        self.command_line.push_str(word);
        self
    }

    /// The same with other cores.
    #[must_use]
    pub fn with_cores(self, cores: &'static [u32]) -> Self {
        Self { cores, ..self }
    }

    /// The same with other memory: `mebibytes` from `start` on.
    #[must_use]
    pub fn with_memory(self, start: u64, mebibytes: u64) -> Self {
        Self {
            start,
            mebibytes,
            ..self
        }
    }

    /// The same with virtual function `number` and the namespace that goes with it.
    #[must_use]
    pub fn with_virtual_function(self, number: u16) -> Self {
        let namespace = number.saturating_add(1);
        Self {
            function: format!(
                "[[partition.function]]\nphysical = \"02:00.0\"\nvirtual = {number}\n\
                 namespace = {namespace}\n"
            ),
            ..self
        }
    }

    /// The same with the whole physical function.
    #[must_use]
    pub fn with_whole_function(self) -> Self {
        self.with_function_at("02:00.0")
    }

    /// The same with the whole function at `address`.
    #[must_use]
    pub fn with_function_at(self, address: &str) -> Self {
        Self {
            function: format!("[[partition.function]]\naddress = \"{address}\"\n"),
            ..self
        }
    }

    /// The same with the ports 0xCF8 and 0xCFC.
    #[must_use]
    pub fn with_config_ports(self) -> Self {
        Self {
            config_ports: true,
            ..self
        }
    }

    /// The same, without a new start when the guest asks for a reset.
    #[must_use]
    pub fn without_restart(self) -> Self {
        Self {
            restart: "restart = \"never\"".to_owned(),
            ..self
        }
    }

    /// The same, with a new start after a fault, too, so often in a row.
    #[must_use]
    pub fn with_restart_after_faults(self, limit: u16) -> Self {
        Self {
            restart: format!("restart = \"on-fault\"\nrestart_limit = {limit}"),
            ..self
        }
    }

    /// The same, ended when it was denied more than `limit` accesses, and started anew after
    /// that so often.
    #[must_use]
    pub fn with_denied_limit(self, limit: u32, restarts: u16) -> Self {
        let guest = self.with_restart_after_faults(restarts);
        Self {
            restart: format!("{}\ndenied_limit = {limit}", guest.restart),
            ..guest
        }
    }

    /// The same with rights over these partitions.
    #[must_use]
    pub fn with_rights(self, see: &[&str], control: &[&str]) -> Self {
        Self {
            rights: format!("may_see = {see:?}\nmay_control = {control:?}"),
            ..self
        }
    }

    /// The same, with so much room for new images.
    #[must_use]
    pub fn with_room(self, mebibytes: u64) -> Self {
        Self {
            room: format!("room = \"{mebibytes}M\""),
            ..self
        }
    }

    /// The partition as the plan's source has it.
    fn source(&self) -> String {
        let Self {
            name,
            image,
            command_line,
            cores,
            start,
            mebibytes,
            function,
            config_ports,
            restart,
            rights,
            room,
        } = self;
        let image = match image {
            Image::Bare(guest) => format!("elf = {{ kernel = \"guests/{guest}\""),
            Image::Linux(initrd) => {
                format!("linux = {{ kernel = \"linux/vmlinuz\", initrd = \"linux/{initrd}\"")
            }
        };
        format!(
            "[[partition]]\nname = \"{name}\"\ncores = {cores:?}\nconfig_ports = {config_ports}\n\
             {restart}\n{rights}\nmemory = [{{ start = \"{start:#x}\", size = \"{mebibytes}M\" }}]\n{function}\
             [partition.image]\n{room}\n{image}, command_line = \"{command_line}\" }}\n"
        )
    }
}

/// Starts Bulkhead with `guests` on the bench's machine without functions.
pub fn start(bench: &Bench, guests: &[Guest]) -> Result<Emulator> {
    let machine = bench.machine();
    bench.start(&machine, &source(&machine, guests))
}

/// Starts Bulkhead with `guests` on the bench's machine, with a management channel.
pub fn start_managed(bench: &Bench, guests: &[Guest]) -> Result<Emulator> {
    let machine = bench.machine();
    let plan = with_management(&source(&machine, guests), "0x2f8");
    bench.start(&machine, &plan)
}

/// The plan in `source` with a management channel at `port`.
pub fn with_management(source: &str, port: &str) -> String {
    let management = format!("[machine]\nmanagement = \"{port}\"\n");
    source.replacen("[machine]\n", &management, 1)
}

/// Starts Bulkhead with `guests` on the bench's machine with the NVMe controller.
pub fn start_with_nvme(bench: &Bench, guests: &[Guest]) -> Result<Emulator> {
    let machine = bench.machine_with_nvme()?;
    bench.start(&machine, &source(&machine, guests))
}

/// The bare guest `hello` in `alpha` and in `beta`.
pub fn two_hellos() -> [Guest; 2] {
    [Guest::alpha("hello"), Guest::beta("hello")]
}

/// A plan's source: `machine` with `guests`.
pub fn source(machine: &Machine, guests: &[Guest]) -> String {
    let partitions = guests.iter().map(Guest::source);
    describe(machine) + &partitions.collect::<String>()
}

/// The plan's part about the machine. One without an IOMMU is accepted as it is: a case that
/// wants it refused says so.
pub fn describe(machine: &Machine) -> String {
    let cores: Vec<_> = (0..machine.processors).collect();
    let size = machine.memory_mebibytes.saturating_sub(RESERVED_MEBIBYTES);
    let (start, iommu) = (MEMORY_START, iommu_word(machine));
    let functions = machine.images.as_ref().map_or("", |_| FUNCTION);
    format!(
        "version = 3\n[machine]\ncores = {cores:?}\nhousekeeping = 0\n\
         memory = [{{ start = \"{start:#x}\", size = \"{size}M\" }}]\n\
         console = \"0x3f8\"\niommu = \"{iommu}\"\n{functions}"
    )
}

/// What the plan's `machine.iommu` says of `machine`.
fn iommu_word(machine: &Machine) -> &'static str {
    match machine.iommu {
        Iommu::Absent => "none",
        Iommu::Remapping | Iommu::TranslationOnly => "required",
    }
}
