//! What a function does at its guest's end is no harm to the next guest, and a function that
//! does not come back keeps its partition from starting, and nobody else.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Event, Message};

use crate::outside;
use crate::plans::{ALPHA_START, BETA_START, Guest, MEBIBYTES, source};
use crate::qtest::Qtest;
use crate::transcript::LIMIT;

/// What the namespaces are filled with.
const PATTERN: u64 = 0x0bad_d15c_c0de_f00d;
const PATTERN_BYTES: usize = 1 << 20;
/// Reads a second that the disk is held to: those that are under way at the end stay so.
const READS_A_SECOND: u32 = 10;

/// A guest ends with reads under way on a slow disk: none of it arrives in the next guest's
/// memory, which the function serves. In the neighbour's memory the same data arrive.
pub fn has_requests_under_way(bench: &Bench) -> Result<()> {
    let machine = bench.machine_with_nvme()?;
    for image in ["nvme1.img", "nvme2.img"] {
        fill(bench, image)?;
    }
    let alpha = Guest::alpha("nvme-in-flight").with_virtual_function(1);
    let alpha = alpha
        .with_argument("namespace=2 end=triple")
        .with_restart_after_faults(1);
    let beta = Guest::beta("nvme-in-flight").with_virtual_function(2);
    let beta = beta.with_argument("namespace=3 end=never");
    let mut emulator = bench.start(&machine, &source(&machine, &[alpha, beta]))?;
    outside::slow_down(&mut emulator, "d1", READS_A_SECOND)?;
    let said = emulator.wait_for(
        "what the next guest found",
        LIMIT,
        |message| match message {
            Message::Console { partition, text } if partition == "alpha" => {
                (text != "begins to read").then(|| text.clone())
            }
            _ => None,
        },
    )?;
    ensure!(said == "clean", "the next guest says: {said}");
    ensure!(
        count_pattern(bench, &mut emulator, ALPHA_START)? == 0,
        "data have arrived for the guest before"
    );
    ensure!(
        count_pattern(bench, &mut emulator, BETA_START)? > 0,
        "the neighbour's data did not arrive either"
    );
    Ok(())
}

/// Fills the beginning of a namespace.
fn fill(bench: &Bench, image: &str) -> Result<()> {
    let path = bench.folder.join("images").join(image);
    let file = OpenOptions::new().write(true).open(path)?;
    let bytes = PATTERN
        .to_le_bytes()
        .repeat(PATTERN_BYTES.checked_div(8).unwrap_or(0));
    Ok(file.write_all_at(&bytes, 0)?)
}

fn count_pattern(bench: &Bench, emulator: &mut Emulator, start: u64) -> Result<u64> {
    outside::count_words(bench, emulator, (start, MEBIBYTES << 20), PATTERN)
}

/// The control register of the physical function's SR-IOV capability.
const SINGLE_ROOT_IO_CONTROL: u64 = outside::SINGLE_ROOT_IO + 8;

/// The virtual functions vanish while their guest runs. Its partition fails when it is to be
/// restarted, with a reason that names the function; its neighbour goes on.
pub fn keeps_its_partition_failed(bench: &Bench) -> Result<()> {
    let mut machine = bench.machine_with_nvme()?;
    Qtest::prepare(bench, &mut machine);
    let alpha = Guest::alpha("vanishing").with_virtual_function(1);
    let plan = source(&machine, &[alpha, Guest::bystander()]);
    let mut emulator = bench.start(&machine, &plan)?;
    emulator.wait_for_text("has its function", LIMIT)?;
    Qtest::connect(bench)?.write16(SINGLE_ROOT_IO_CONTROL, 0)?;
    let why = emulator.wait_for_event("failure of alpha", LIMIT, |event| match event {
        Event::Failed { name, why } if name == "alpha" => Some(why.clone()),
        _ => None,
    })?;
    ensure!(why.contains("02:00.1"), "it failed because {why}");
    emulator.wait_for_text("PASS bystander", LIMIT)?;
    Ok(())
}
