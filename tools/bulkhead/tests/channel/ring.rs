//! A partition that manages others: the line is memory that it shares with the machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shared_ring::{CAPABILITY, End, PAGE_BYTES, Pages};
use tempfile::TempDir;

use crate::support::machine::Machine;
use crate::support::{FarEnd, Line};

/// The machine's end of the memory, in a file: its page is the second.
struct Memory(File);

impl Pages for Memory {
    fn read_number(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn read_byte(&self, offset: u64) -> u8 {
        let mut bytes = [0];
        self.0.read_exact_at(&mut bytes, offset).unwrap();
        bytes[0]
    }

    fn write_number(&self, offset: u64, number: u64) {
        let bytes = number.to_le_bytes();
        self.0.write_all_at(&bytes, PAGE_BYTES + offset).unwrap();
    }

    fn write_byte(&self, offset: u64, byte: u8) {
        self.0.write_all_at(&[byte], PAGE_BYTES + offset).unwrap();
    }
}

/// The machine's end as a stream, which ends when the machine does.
struct Stream {
    end: End<Memory>,
    is_off: Arc<AtomicBool>,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_off.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let bytes = std::iter::from_fn(|| self.end.receive());
        let count = buffer
            .iter_mut()
            .zip(bytes)
            .map(|(slot, byte)| *slot = byte);
        match count.count() {
            0 => {
                thread::sleep(Duration::from_millis(1));
                Err(io::ErrorKind::TimedOut.into())
            }
            count => Ok(count),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.is_off.load(Ordering::Relaxed) {
            match self.end.send(bytes) {
                0 => thread::sleep(Duration::from_millis(1)),
                count => return Ok(count),
            }
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A folder as Linux has one for each PCI function.
struct Function(TempDir);

impl Function {
    /// One whose configuration space is this.
    fn new(config: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("config"), config).unwrap();
        std::fs::write(folder.path().join("enable"), "0\n").unwrap();
        let memory = File::create(folder.path().join("resource0")).unwrap();
        memory.set_len(2 * PAGE_BYTES).unwrap();
        Self(folder)
    }

    fn memory(&self) -> File {
        let path = self.0.path().join("resource0");
        File::options().read(true).write(true).open(path).unwrap()
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let folder = self.0.path().display();
        ctl_to(&format!("pci:{folder}"), arguments)
    }

    fn complaint(&self, arguments: &[&str]) -> String {
        complaint(&self.ctl(arguments), 2)
    }
}

fn ctl_to(address: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["ctl", "--timeout", "1", "--to", address])
        .args(arguments)
        .output()
        .unwrap()
}

fn complaint(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A configuration space with this capability behind another one.
fn config_with(capability: &[u8]) -> Vec<u8> {
    let mut config = vec![0; 4096];
    config[..4].copy_from_slice(&[0xcd, 0xb1, 0x01, 0x00]);
    config[0x34] = 0x40;
    config[0x40..0x42].copy_from_slice(&[0x11, 0x50]);
    config[0x50..0x50 + capability.len()].copy_from_slice(capability);
    config
}

fn config() -> Vec<u8> {
    config_with(&CAPABILITY)
}

/// A machine in the memory of a function, and who asks there.
struct Bench {
    function: Function,
    is_off: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    fn new(asker: Option<plan::Partition>) -> Self {
        let function = Function::new(&config());
        let is_off = Arc::new(AtomicBool::new(false));
        let stream = Stream {
            end: End::new(Memory(function.memory())),
            is_off: Arc::clone(&is_off),
        };
        let mut machine = Machine::example();
        machine.asker = asker;
        let end = FarEnd::new(machine, Line::Good);
        let thread = thread::spawn(move || end.serve(stream));
        Self {
            function,
            is_off,
            thread: Some(thread),
        }
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.function.ctl(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.is_off.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn may_control_beta() -> plan::Partition {
    plan::Partition {
        name: "alpha".to_owned(),
        cores: Vec::new(),
        memory: Vec::new(),
        functions: Vec::new(),
        image: plan::Image::Elf {
            kernel: plan::ImageIndex(1),
            command_line: String::new(),
        },
        restart: plan::Restart::Never,
        config_ports: false,
        denied_limit: None,
        image_room: None,
        may_see: vec!["alpha".to_owned()],
        may_control: vec!["beta".to_owned()],
    }
}

#[test]
fn a_partition_manages_another_over_shared_memory() {
    let bench = Bench::new(Some(may_control_beta()));
    let list = bench.text(&["list"]);
    assert!(list.contains("beta   running"), "{list}");
    let events = bench.text(&["restart", "--force", "beta"]);
    assert!(events.ends_with("beta is running\n"), "{events}");
    let enabled = std::fs::read_to_string(bench.function.0.path().join("enable"));
    assert_eq!(enabled.unwrap(), "1");
}

#[test]
fn what_is_left_in_the_memory_harms_no_later_program() {
    let bench = Bench::new(None);
    // Half a frame, and numbers that are impossible.
    let memory = bench.function.memory();
    memory.write_all_at(&[7; 4096], 0).unwrap();
    let before = bench.text(&["list"]);
    assert!(before.contains("alpha  running"), "{before}");
    memory.write_all_at(&[0xff; 4096], 0).unwrap();
    bench.text(&["counters"]);
}

#[test]
fn a_missing_right_is_named_with_the_plans_remedy() {
    let bench = Bench::new(Some(may_control_beta()));
    let text = complaint(&bench.function.ctl(&["stop", "--force", "alpha"]), 1);
    let expected = "bulkhead: the plan does not let this partition control alpha\n  \
                    = remedy: add \"alpha\" to `may_control` of this partition in the plan\n";
    assert_eq!(text, expected);
    let text = complaint(&bench.function.ctl(&["reset", "--yes"]), 1);
    assert!(text.contains("lets no partition ask"), "{text}");
    assert!(text.contains("the machine's own line"), "{text}");
    let json = bench.function.ctl(&["--json", "log"]);
    let json = String::from_utf8(json.stdout).unwrap();
    assert!(json.contains("\"not-permitted\""), "{json}");
}

#[test]
fn where_no_function_is_the_plan_is_not_blamed_alone() {
    for (address, place) in [
        ("pci:0000:00:1f.7", "at 0000:00:1f.7"),
        ("pci:00:1f.7", "at 00:1f.7"),
    ] {
        let text = complaint(&ctl_to(address, &["list"]), 2);
        let what = format!("no management function (b1cd:0001) {place}\n");
        assert!(text.contains(&what), "{text}");
        assert!(
            text.contains("is this a guest of Bulkhead, and does"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_function_is_answered_with_how_one_is_written() {
    for address in ["pci:zz", "pci:", "pci:1f.0"] {
        let text = complaint(&ctl_to(address, &["list"]), 2);
        assert!(text.contains("write `pci` or `pci:00:1f.0`"), "{text}");
    }
}

#[test]
fn another_function_is_not_taken_for_the_channels() {
    let mut other_ids = config();
    other_ids[0] = 0xf4;
    let mut other_signature = CAPABILITY;
    other_signature[7] = b'X';
    let mut loop_of_capabilities = config_with(&[0x05, 0x40]);
    loop_of_capabilities[0x60..0x68].copy_from_slice(&CAPABILITY);
    for config in [
        other_ids,
        config_with(&other_signature),
        loop_of_capabilities,
    ] {
        let text = Function::new(&config).complaint(&["list"]);
        assert!(text.contains("`--to pci` finds it"), "{text}");
    }
}

#[test]
fn who_may_not_read_the_function_is_told_to_become_root() {
    let text = Function::new(&config()[..64]).complaint(&["list"]);
    assert!(text.contains("become root"), "{text}");
}

#[test]
fn a_function_in_use_is_busy() {
    let function = Function::new(&config());
    let memory = function.memory();
    memory.try_lock().unwrap();
    let text = function.complaint(&["list"]);
    assert!(text.contains("is in use by another program"), "{text}");
    assert!(text.contains("end the other `bulkhead`"), "{text}");
}

#[test]
fn a_machine_that_does_not_look_is_given_up_in_time() {
    let text = Function::new(&config()).complaint(&["list"]);
    assert!(text.contains("no answer on pci:"), "{text}");
    assert!(text.contains("housekeeping core"), "{text}");
}
