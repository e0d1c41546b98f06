//! The cases, side by side, each on every platform that can carry it, reported as `cargo test`
//! does, with a table at the end.
//!
//! Key types: [`Case`] (a name, a function and what it needs) and [`Runner`]. A case that
//! fails or panics leaves its logs; one that passes leaves nothing.

use std::fmt;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::bench::Bench;
use crate::emulator::Stalled;
use crate::platform::{Need, Platform};
use crate::table::{self, Cell, Row};

/// One property and the function that shows it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The property's name.
    pub name: &'static str,
    /// What it cannot be shown without.
    pub needs: &'static [Need],
    /// What shows more of it, where the platform has it.
    pub uses: &'static [Need],
    /// Shows it, or says why it does not hold.
    pub run: fn(&Bench) -> Result<()>,
}

impl Case {
    /// A case that every platform can carry.
    pub const fn new(name: &'static str, run: fn(&Bench) -> Result<()>) -> Self {
        Self {
            name,
            needs: &[],
            uses: &[],
            run,
        }
    }

    /// The same for platforms that have `needs`.
    #[must_use]
    pub const fn needing(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// The same that shows more on platforms that have `uses`.
    #[must_use]
    pub const fn using(self, uses: &'static [Need]) -> Self {
        Self { uses, ..self }
    }
}

/// How many cells passed and failed. Those that were not run are in neither number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cells whose property holds.
    pub passed: usize,
    /// Cells whose property does not.
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
    /// What every case has at hand; its platform is set for each cell, and `folder` is where
    /// the cells' folders go.
    pub bench: Bench,
    /// The table's columns.
    pub platforms: Vec<Platform>,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// How many at once.
    pub jobs: usize,
}

/// One case on one platform.
#[derive(Debug)]
struct Task<'a> {
    case: &'a Case,
    platform: &'a Platform,
}

impl Task<'_> {
    fn lack(&self, needs: &[Need]) -> Option<&'static str> {
        needs.iter().find_map(|need| self.platform.lack(*need))
    }

    /// The task's place in the table, once all that is to run has run.
    fn cell(&self, outcome: &Outcome) -> Cell {
        match (self.lack(self.case.needs), outcome.get()) {
            (Some(lack), _) => Cell::NotRun(lack),
            (None, Some(Ok(()))) => self
                .lack(self.case.uses)
                .map_or(Cell::Held, Cell::HeldInPart),
            (None, _) => Cell::Failed,
        }
    }
}

impl fmt::Display for Task<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.case.name, self.platform.name())
    }
}

/// How a task went; empty as long as it was not run.
type Outcome = OnceLock<Result<()>>;

impl Runner {
    /// Runs all of `cases` that the filter lets through and prints what `cargo test` would,
    /// then the table.
    pub fn run(&self, cases: &[Case]) -> Tally {
        let wanted = |case: &&Case| self.filter.as_ref().is_none_or(|f| case.name.contains(f));
        let on_all = |case| {
            let platforms = self.platforms.iter();
            platforms.map(move |platform| Task { case, platform })
        };
        let tasks: Vec<_> = cases.iter().filter(wanted).flat_map(on_all).collect();
        let outcomes: Vec<_> = tasks.iter().map(|_| Outcome::new()).collect();
        let plural = if tasks.len() == 1 { "" } else { "s" };
        println!("\nrunning {} emulator case{plural}", tasks.len());
        let queue = Mutex::new(tasks.iter().zip(&outcomes));
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&queue));
            }
        });
        self.print_failures(&tasks, &outcomes);
        let cells: Vec<_> = tasks
            .iter()
            .zip(&outcomes)
            .map(|(task, outcome)| task.cell(outcome))
            .collect();
        self.print_table(&tasks, &cells);
        let count = |wanted: fn(&Cell) -> bool| cells.iter().filter(|cell| wanted(cell)).count();
        Tally {
            passed: count(|cell| matches!(cell, Cell::Held | Cell::HeldInPart(_))),
            failed: count(|cell| matches!(cell, Cell::Failed)),
        }
    }

    /// Takes tasks until none is left.
    fn work<'a>(&self, queue: &Mutex<impl Iterator<Item = (&'a Task<'a>, &'a Outcome)>>) {
        loop {
            let next = queue.lock().unwrap_or_else(|e| e.into_inner()).next();
            let Some((task, outcome)) = next else {
                return;
            };
            if task.lack(task.case.needs).is_some() {
                continue;
            }
            let start = Instant::now();
            let result = self.run_one(task);
            let word = if result.is_ok() { "ok" } else { "FAILED" };
            println!(
                "test {task} ... {word} ({:.1} s)",
                start.elapsed().as_secs_f32()
            );
            // Nobody else has this task, so the place is empty.
            let _ = outcome.set(result);
        }
    }

    /// Runs a task, and once more if it ended because the emulator itself stood still.
    fn run_one(&self, task: &Task<'_>) -> Result<()> {
        let result = self.try_one(task);
        if result.as_ref().is_err_and(|error| error.is::<Stalled>()) {
            println!("test {task}: {Stalled}; once more");
            return self.try_one(task);
        }
        result
    }

    fn try_one(&self, task: &Task<'_>) -> Result<()> {
        let folder = self.folder(task);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let bench = Bench {
            platform: task.platform.clone(),
            folder: folder.clone(),
            ..self.bench.clone()
        };
        let result = panic::catch_unwind(AssertUnwindSafe(|| (task.case.run)(&bench)))
            .unwrap_or_else(|_| Err(anyhow!("the case panicked")));
        // Images are large and say nothing; a case that passed leaves nothing at all.
        let _ = fs::remove_dir_all(folder.join("images"));
        if result.is_ok() {
            fs::remove_dir_all(folder)?;
        }
        result
    }

    /// Where a task's logs go.
    fn folder(&self, task: &Task<'_>) -> PathBuf {
        let folder = self.bench.folder.join(task.platform.name());
        folder.join(task.case.name)
    }

    fn print_failures(&self, tasks: &[Task<'_>], outcomes: &[Outcome]) {
        for (task, outcome) in tasks.iter().zip(outcomes) {
            if let Some(Err(error)) = outcome.get() {
                println!("\n---- {task} ----");
                println!("{error:#}");
                println!("logs: {}", self.folder(task).display());
            }
        }
    }

    fn print_table(&self, tasks: &[Task<'_>], cells: &[Cell]) {
        let platforms: Vec<_> = self.platforms.iter().map(Platform::name).collect();
        let columns = platforms.len().max(1);
        let rows = tasks.chunks(columns).zip(cells.chunks(columns));
        let rows = rows.filter_map(|(tasks, cells)| {
            let name = tasks.first()?.case.name;
            let cells = cells.to_vec();
            Some(Row { name, cells })
        });
        let rows: Vec<_> = rows.collect();
        println!("\n{}", table::render(&platforms, &rows));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn runner(filter: Option<&str>, folder: &Path) -> Runner {
        Runner {
            bench: Bench {
                platform: Platform::Tcg,
                kernel: PathBuf::new(),
                guests: PathBuf::new(),
                linux: PathBuf::new(),
                tool: PathBuf::new(),
                folder: folder.to_owned(),
            },
            platforms: vec![Platform::Tcg, Platform::Bochs(PathBuf::new())],
            filter: filter.map(str::to_owned),
            jobs: 2,
        }
    }

    const CASES: [Case; 4] = [
        Case::new("holds", |_| Ok(())),
        Case::new("fails", |bench| {
            fs::write(bench.folder.join("log"), "kept")?;
            Err(anyhow!("does not hold"))
        }),
        Case::new("panics", |_| panic!("in a case")).needing(&[Need::Monitor]),
        Case::new("looks", |_| Ok(())).using(&[Need::Monitor]),
    ];

    #[test]
    fn failures_and_panics_are_counted_and_keep_their_logs() {
        let folder = tempfile::tempdir().unwrap();
        let tally = runner(None, folder.path()).run(&CASES);
        assert_eq!(tally.line(), "4 passed, 3 failed");
        assert!(folder.path().join("bochs-vmx/fails/log").exists());
        assert!(!folder.path().join("qemu-svm/holds").exists());
    }

    #[test]
    fn the_filter_chooses_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let tally = runner(Some("hold"), folder.path()).run(&CASES);
        assert_eq!((tally.passed, tally.failed), (2, 0));
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let bochs = Platform::Bochs(PathBuf::new());
        let cell = |case, outcome: Outcome| {
            let platform = &bochs;
            Task { case, platform }.cell(&outcome)
        };
        let [holds, _, panics, looks] = &CASES;
        assert!(matches!(cell(panics, Outcome::new()), Cell::NotRun(_)));
        assert_eq!(cell(holds, Outcome::new()), Cell::Failed);
        assert_eq!(cell(holds, Ok(()).into()), Cell::Held);
        assert!(matches!(cell(looks, Ok(()).into()), Cell::HeldInPart(_)));
    }

    #[test]
    fn a_stalled_emulator_gets_one_more_try() {
        let stalls: fn(&Bench) -> Result<()> = |bench| {
            let tries = bench.kernel.join("tries");
            let count = fs::read(&tries).unwrap_or_default().len();
            fs::write(&tries, vec![0; count + 1])?;
            Err(anyhow!(Stalled).context("no line"))
        };
        let folder = tempfile::tempdir().unwrap();
        let mut runner = runner(None, &folder.path().join("logs"));
        runner.bench.kernel = folder.path().to_owned();
        runner.platforms.pop();
        assert_eq!(runner.run(&[Case::new("stalls", stalls)]).failed, 1);
        assert_eq!(fs::read(folder.path().join("tries")).unwrap().len(), 2);
    }
}
