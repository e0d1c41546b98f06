//! This machine: memory, paging, firmware tables, console.

pub mod console;
pub mod firmware;
pub mod frames;
pub mod given_up;
pub mod heap;
pub mod lines;
pub mod memory_map;
pub mod paging;
pub mod physical;
pub mod serial_port;
pub mod wall_clock;
