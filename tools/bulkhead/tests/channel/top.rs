//! `bulkhead top` at a terminal. What its screen looks like is tested where it is drawn.

use crate::support::user::User;
use crate::support::{Bench, Line};

fn user(bench: &Bench) -> User {
    User::new(bench, &["top", "--timeout", "0.5", "--interval", "0.1"])
}

#[test]
fn top_shows_what_the_machine_says_until_the_user_leaves() {
    let bench = Bench::new(Line::Pieces);
    let mut user = user(&bench);
    user.sees("Console of alpha");
    user.sees("alpha login:");
    user.types("j");
    user.sees("beta login:");
    bench.text(&["stop", "--force", "beta"]);
    user.sees("beta is stopped: administrator");
    user.types("q");
    assert!(user.has_left());
    // The screen that was there before comes back.
    user.gets("\x1b[?1049l");
}

#[test]
fn top_goes_on_when_the_machine_comes_back() {
    let bench = Bench::new(Line::Good);
    let mut user = user(&bench);
    user.sees("alpha login:");
    bench.machine().partitions[0].console = b"booting anew".to_vec();
    bench.reboot();
    user.sees("booting anew");
    user.sees("beta is running");
    user.types("\x03");
    assert!(user.has_left());
}

#[test]
fn without_a_machine_top_does_not_take_the_screen() {
    let bench = Bench::new(Line::Dead);
    let mut user = user(&bench);
    assert!(!user.has_left());
    user.sees("remedy: is the machine on");
}
