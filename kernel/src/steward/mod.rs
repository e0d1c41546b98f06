//! Stewards: provisioning, at boot, of device classes that can be set up once and left.
//!
//! A steward drives a physical function just long enough to hand its virtual functions
//! out; then the function's DMA is blocked for good, and no guest ever owns it.

pub mod nvme;
