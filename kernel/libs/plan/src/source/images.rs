//! The image files that a plan names.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::reader::{Finding, Reader, Value};
use crate::bundle::MAX_ENTRIES;
use crate::{ImageIndex, Rule};

type Sha256Digest = [u8; 32];

/// A file that a plan names, and the digest that it is to have.
pub struct Wanted<'d> {
    pub file: Value<'d>,
    pub sha256: Option<Value<'d>>,
}

/// The files that were read, each content once.
pub struct Images {
    directory: PathBuf,
    files: Vec<(String, Vec<u8>)>,
    paths: Vec<PathBuf>,
}

impl Images {
    /// Images whose paths are relative to `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            files: Vec::new(),
            paths: Vec::new(),
        }
    }

    pub fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }

    /// The contents with their names, and the paths of all files.
    pub fn into_parts(self) -> (Vec<(String, Vec<u8>)>, Vec<PathBuf>) {
        (self.files, self.paths)
    }

    /// Reads a file and holds it against its digest.
    pub fn read(&mut self, reader: &mut Reader, wanted: &Wanted<'_>) -> Option<ImageIndex> {
        let name = reader.string(&wanted.file)?;
        let path = self.directory.join(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let what = format!("image {name:?} cannot be read: {error}");
                let remedy = format!("put the image at {}, or correct its name", path.display());
                reader.report(Finding {
                    remedy: Some(remedy),
                    ..Finding::new(Rule::ImageMissing, Some(wanted.file.span()), what)
                });
                return None;
            }
        };
        if bytes.is_empty() {
            let what = format!("image {name:?} has no bytes");
            reader.report(Finding::new(
                Rule::ImageEmpty,
                Some(wanted.file.span()),
                what,
            ));
            return None;
        }
        check_digest(reader, wanted, name, &bytes)?;
        self.paths.push(path);
        self.add(reader, wanted, (name, bytes))
    }

    fn add(
        &mut self,
        reader: &mut Reader,
        wanted: &Wanted<'_>,
        (name, bytes): (&str, Vec<u8>),
    ) -> Option<ImageIndex> {
        let same = self.files.iter().position(|(_, known)| *known == bytes);
        // Entry 0 is the plan.
        let count = same.unwrap_or(self.files.len()).saturating_add(1);
        let index = u16::try_from(count).ok();
        let Some(index) = index.filter(|index| u32::from(*index) < MAX_ENTRIES) else {
            let found = format!("image number {count}");
            let expected = format!("at most {} different images", MAX_ENTRIES.saturating_sub(1));
            return reader.wrong_value(&wanted.file, &found, &expected);
        };
        if same.is_none() {
            let file_name = Path::new(name).file_name().unwrap_or_default();
            self.files
                .push((file_name.to_string_lossy().to_string(), bytes));
        }
        Some(ImageIndex(index))
    }
}

fn check_digest(reader: &mut Reader, wanted: &Wanted<'_>, name: &str, bytes: &[u8]) -> Option<()> {
    let Some(value) = &wanted.sha256 else {
        return Some(());
    };
    let expected = reader.parse(value, "64 hexadecimal digits", parse_digest)?;
    let digest: Sha256Digest = Sha256::digest(bytes).into();
    if expected == digest {
        return Some(());
    }
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let what = format!("image {name:?} has the SHA-256 {found}");
    reader.report(Finding {
        other: Some(wanted.file.span()),
        ..Finding::new(Rule::ImageChecksum, Some(value.span()), what)
    });
    None
}

fn parse_digest(text: &str) -> Option<Sha256Digest> {
    let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() == 64 && is_hexadecimal).then_some(())?;
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes?.try_into().ok()
}
