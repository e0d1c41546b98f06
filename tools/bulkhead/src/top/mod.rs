//! `bulkhead top`: the machine live.
//!
//! A thread of its own asks the machine ([`watch`]); what comes goes into the [`Model`],
//! which [`draw`] shows. So keys are answered at once, however slow or dead the line is.

mod draw;
mod model;
mod screen;
mod watch;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::arguments::Top;
use crate::output::{self, Format};
use crate::problem::Problem;
use model::{Model, View};
use watch::Watch;

/// How long a key may wait while nothing comes from the machine.
const PAUSE: Duration = Duration::from_millis(50);

/// Shows the machine until the user leaves.
pub fn run(arguments: &Top) -> ExitCode {
    output::status(try_run(arguments), Format::Text)
}

fn try_run(arguments: &Top) -> Result<(), Problem> {
    let connection = arguments.channel.connection()?;
    let mut model = Model::new(&connection.address);
    // The first connection is made before the screen is taken: its problem stays readable.
    let watch = Watch::start(connection, arguments.interval)?;
    let here = |error: io::Error| Problem::here(format!("the terminal fails: {error}"));
    let mut terminal = ratatui::try_init().map_err(here)?;
    let result = show(&mut terminal, &watch, &mut model);
    ratatui::restore();
    result.map_err(here)
}

fn show(terminal: &mut DefaultTerminal, watch: &Watch, model: &mut Model) -> io::Result<()> {
    loop {
        for news in watch.news() {
            model.learn(news);
        }
        watch.want_console(model.selected());
        terminal.draw(|frame| draw::draw(frame, model))?;
        if event::poll(PAUSE)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && press(model, key)
        {
            return Ok(());
        }
    }
}

/// Does what a key is for; whether the user leaves.
fn press(model: &mut Model, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') => return true,
        // Raw mode gives it to us as a key.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Up | KeyCode::Char('k') => model.select_previous(),
        KeyCode::Down | KeyCode::Char('j') => model.select_next(),
        KeyCode::Char('c') => model.toggle(View::Console),
        KeyCode::Char('e') => model.toggle(View::Events),
        KeyCode::Esc => model.view = View::All,
        _ => {}
    }
    false
}
