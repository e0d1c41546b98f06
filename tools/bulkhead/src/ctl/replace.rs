//! `bulkhead ctl replace`.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use mgmt_proto::{ImagePart, MAX_DATA, Name, Request};
use plan::crc32c;

use crate::arguments::{Part, Replacing};
use crate::channel::Client;
use crate::output;
use crate::problem::Problem;

impl From<Part> for ImagePart {
    fn from(part: Part) -> Self {
        match part {
            Part::Kernel => Self::Kernel,
            Part::Initrd => Self::InitialRamdisk,
        }
    }
}

/// Sends another image, or has the bundle's taken again.
pub fn run(client: &mut Client, replacing: &Replacing) -> Result<(), Problem> {
    let partition = client.find(&replacing.partition)?.name;
    let part = replacing.part.into();
    match &replacing.file {
        Some(file) => replace(client, partition, part, file),
        None => undo(client, partition, part),
    }
}

fn undo(client: &mut Client, partition: Name, part: ImagePart) -> Result<(), Problem> {
    client.order(&Request::ReplaceUndo { partition, part })?;
    output::note(&format!(
        "the next start of {partition} uses the bundle's {part}"
    ));
    Ok(())
}

/// Sends the file's bytes, from where an earlier transfer of the same file stopped.
fn replace(
    client: &mut Client,
    partition: Name,
    part: ImagePart,
    file: &Path,
) -> Result<(), Problem> {
    let image = std::fs::read(file)
        .map_err(|error| Problem::here(format!("cannot read {}: {error}", file.display())))?;
    if image.is_empty() {
        return Err(Problem::here(format!("{} has no bytes", file.display())));
    }
    let taken = client.offer(&Request::ReplaceBegin {
        partition,
        part,
        bytes: length(&image),
        crc32c: crc32c(&image),
    })?;
    send(client, partition, &image, taken)?;
    client.order(&Request::ReplaceCommit { partition })?;
    output::note(&format!(
        "{} bytes replace the {part} of {partition}; its next start uses them",
        image.len()
    ));
    Ok(())
}

/// Sends `image` from byte `taken` on.
fn send(client: &mut Client, partition: Name, image: &[u8], taken: u64) -> Result<(), Problem> {
    let bar = ProgressBar::new(length(image)).with_style(style());
    let mut offset = taken;
    bar.reset_eta();
    while offset < length(image) {
        bar.set_position(offset);
        let rest = usize::try_from(offset).ok().and_then(|at| image.get(at..));
        let rest = rest.unwrap_or_default();
        let bytes = rest.get(..MAX_DATA).unwrap_or(rest);
        let taken = client.offer(&Request::ReplaceChunk {
            partition,
            offset,
            bytes,
        })?;
        if taken <= offset {
            return Err(Problem::Unexpected);
        }
        offset = taken;
    }
    bar.finish_and_clear();
    Ok(())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{bar:40} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn length(image: &[u8]) -> u64 {
    u64::try_from(image.len()).unwrap_or(u64::MAX)
}
