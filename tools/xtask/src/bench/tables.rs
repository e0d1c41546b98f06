//! The second-stage tables, as Bulkhead tells of them; the case `second_stage` walks them from
//! outside and finds the same.

use anyhow::{Context, Result};
use harness::Summary;
use harness::record::PartitionSummary;

use super::measures::{Results, millionths};

impl Results {
    /// How much of the partitions' memory is under small leaves, and what the tables take.
    pub fn tables(&mut self, summary: &Summary) -> Result<()> {
        let small = summary.partitions.iter().map(small_leaves);
        let small = small.collect::<Result<Vec<_>>>()?;
        let most = small.into_iter().max().context("no partition")?;
        let what = "a partition's memory under leaves of 4 KiB, in millionths";
        self.add("small_leaves", what, most, 1_000);
        let tables = |partition: &PartitionSummary| {
            let [cpu, iommu] = [partition.cpu_tables, partition.iommu_tables];
            cpu.bytes.saturating_add(iommu.bytes)
        };
        let most = summary.partitions.iter().map(tables).max().unwrap_or(0);
        let what = "bytes of second-stage tables of a partition with a function, CPU and IOMMU";
        self.add("table_bytes", what, most, 24 << 10);
        Ok(())
    }
}

/// Of the CPU's or of the IOMMU's leaves, whichever are more.
fn small_leaves(partition: &PartitionSummary) -> Result<u64> {
    let all = partition.memory_bytes;
    let tables = [partition.cpu_tables, partition.iommu_tables];
    let large = tables.map(|tables| tables.large_leaf_bytes);
    let small = large.map(|large| all.saturating_sub(large));
    millionths(small.into_iter().max().unwrap_or(all), all)
}
