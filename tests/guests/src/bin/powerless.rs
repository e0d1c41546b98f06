//! A partition without rights: it has no function by which it could manage anybody.

#![no_std]
#![no_main]

use test_guests::{Verdict, ensure, guest, management};

guest!(main);

fn main() -> Verdict {
    ensure!(!management::is_there(), "there is a management channel");
    Ok(())
}
