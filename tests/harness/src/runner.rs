//! The cases, side by side, reported as `cargo test` does.
//!
//! Key types: [`Case`] (a name and a function) and [`Runner`]. A case that fails or panics leaves its logs; one that passes leaves nothing.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::bench::Bench;

/// One property and the function that shows it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The property's name.
    pub name: &'static str,
    /// Shows it, or says why it does not hold.
    pub run: fn(&Bench) -> Result<()>,
}

/// How many cases passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases whose property holds.
    pub passed: usize,
    /// Cases whose property does not.
    pub failed: usize,
}

impl Tally {
    /// The closing line.
    pub fn line(self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs cases.
#[derive(Debug, Clone)]
pub struct Runner {
    /// What every case has at hand; `folder` is where the cases' folders go.
    pub bench: Bench,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// How many at once.
    pub jobs: usize,
}

impl Runner {
    /// Runs the cases of `all` that the filter lets through, and reports each.
    pub fn run(&self, all: &[Case]) -> Tally {
        let wanted = |case: &&Case| {
            let filter = self.filter.as_deref().unwrap_or("");
            case.name.contains(filter)
        };
        let cases: Vec<&Case> = all.iter().filter(wanted).collect();
        println!("\nrunning {} emulator cases", cases.len());
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&cases, &next, &failures));
            }
        });
        let failures = failures.into_inner().unwrap_or_else(|e| e.into_inner());
        print_failures(&failures);
        Tally {
            passed: cases.len().saturating_sub(failures.len()),
            failed: failures.len(),
        }
    }

    fn work(&self, cases: &[&Case], next: &AtomicUsize, failures: &Mutex<Vec<Failure>>) {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else {
                return;
            };
            let start = Instant::now();
            let folder = self.bench.folder.join(case.name);
            let outcome = self.run_one(case, &folder);
            let seconds = start.elapsed().as_secs_f32();
            match outcome {
                Ok(()) => println!("test {} ... ok ({seconds:.1} s)", case.name),
                Err(error) => {
                    println!("test {} ... FAILED ({seconds:.1} s)", case.name);
                    let failure = Failure {
                        name: case.name,
                        error,
                        folder,
                    };
                    failures
                        .lock()
                        .unwrap_or_else(|e| e.into_inner())
                        .push(failure);
                }
            }
        }
    }

    fn run_one(&self, case: &Case, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let bench = Bench {
            folder: folder.to_owned(),
            ..self.bench.clone()
        };
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (case.run)(&bench)))
            .unwrap_or_else(|_| Err(anyhow!("the case panicked")));
        // Images are large and say nothing; a case that passed leaves nothing at all.
        let _ = fs::remove_dir_all(folder.join("images"));
        if outcome.is_ok() {
            fs::remove_dir_all(folder)?;
        }
        outcome
    }
}

struct Failure {
    name: &'static str,
    error: anyhow::Error,
    folder: PathBuf,
}

fn print_failures(failures: &[Failure]) {
    for failure in failures {
        println!("\n---- {} ----", failure.name);
        println!("{:#}", failure.error);
        println!("logs: {}", failure.folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    fn runner(filter: Option<&str>, name: &str) -> Runner {
        let folder = format!("bulkhead-runner-{}-{name}", std::process::id());
        Runner {
            bench: Bench {
                platform: Platform::Tcg,
                kernel: PathBuf::new(),
                guests: PathBuf::new(),
                linux: PathBuf::new(),
                folder: std::env::temp_dir().join(folder),
            },
            filter: filter.map(str::to_owned),
            jobs: 2,
        }
    }

    const CASES: [Case; 3] = [
        Case {
            name: "holds",
            run: |_| Ok(()),
        },
        Case {
            name: "fails",
            run: |bench| {
                fs::write(bench.folder.join("log"), "kept")?;
                Err(anyhow!("does not hold"))
            },
        },
        Case {
            name: "panics",
            run: |_| panic!("in a case"),
        },
    ];

    #[test]
    fn failures_and_panics_are_counted_and_keep_their_logs() {
        let runner = runner(None, "all");
        let tally = runner.run(&CASES);
        assert_eq!(tally.line(), "1 passed, 2 failed");
        assert!(runner.bench.folder.join("fails/log").exists());
        assert!(!runner.bench.folder.join("holds").exists());
        fs::remove_dir_all(&runner.bench.folder).unwrap();
    }

    #[test]
    fn the_filter_chooses_by_name() {
        let runner = runner(Some("hold"), "filter");
        let tally = runner.run(&CASES);
        assert_eq!((tally.passed, tally.failed), (1, 0));
        fs::remove_dir_all(&runner.bench.folder).unwrap();
    }
}
