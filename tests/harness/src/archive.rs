//! A writer of cpio archives in the "newc" format (Linux 6.1, Documentation/
//! driver-api/early-userspace/buffer-format.rst, "initramfs buffer format").
//!
//! The same entries give the same bytes: no time, no owner, no inode of this machine.

use std::io::Write;

use anyhow::{Context, Result};

/// The file types and permissions of `stat(2)`.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
/// Names and contents are padded to this.
const ALIGNMENT: usize = 4;
/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a folder.
    pub fn add_folder(&mut self, name: &str) -> Result<()> {
        self.add(name, FOLDER, &[])
    }

    /// Adds a file that can be executed.
    pub fn add_program(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        self.add(name, PROGRAM, contents)
    }

    /// Adds a file.
    pub fn add_file(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        self.add(name, FILE, contents)
    }

    /// Ends the archive and returns its bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.add(TRAILER, 0, &[])?;
        Ok(self.bytes)
    }

    fn add(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.entries = self.entries.checked_add(1).context("too many entries")?;
        let size = u32::try_from(contents.len()).with_context(|| format!("{name} is too large"))?;
        let name_size = name.len().checked_add(1).context("the name is too long")?;
        let fields = [
            self.entries,
            mode,
            0, // user
            0, // group
            1, // links
            0, // modification time
            size,
            0, // the device that holds it, major and minor
            0,
            0, // the device that it is, major and minor
            0,
            u32::try_from(name_size)?,
            0, // checksum: none in this format
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            write!(self.bytes, "{field:08X}")?;
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(padded, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.add_folder("dev").unwrap();
        archive.add_file("dev/console", &[]).unwrap();
        archive.add_program("init", b"hello").unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        assert_eq!(sample(), sample());
    }

    #[test]
    fn every_entry_starts_aligned_with_its_magic() {
        let bytes = sample();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        let magics: Vec<_> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(b"070701"))
            .collect();
        assert_eq!(magics.len(), 4);
        assert!(magics.iter().all(|at| at % ALIGNMENT == 0));
    }

    #[test]
    fn modes_and_sizes_are_where_the_format_has_them() {
        let text = String::from_utf8_lossy(&sample()).into_owned();
        let field = |entry: usize, index: usize| {
            let start = text.match_indices("070701").nth(entry).unwrap().0 + 6 + index * 8;
            u32::from_str_radix(&text[start..start + 8], 16).unwrap()
        };
        assert_eq!((field(1, 1), field(1, 6)), (FILE, 0));
        assert_eq!(field(2, 1), PROGRAM);
        assert_eq!((field(2, 6), field(2, 11)), (5, 5));
    }
}
