//! Where tables live.

use addr::HostPhysical;

/// The memory of tables, and their allocator.
pub trait TableMemory {
    /// Takes a page of 4 KiB for a table, cleared.
    fn allocate(&mut self) -> Option<HostPhysical>;

    /// Reads entry `index`, below 512, of the table at `table`.
    fn read(&self, table: HostPhysical, index: usize) -> u64;

    /// Writes entry `index`, below 512, of the table at `table`, in one store, and makes it
    /// visible to the table's walker before a later write is: for an IOMMU that does not snoop
    /// the caches, by flushing it out of them. The same holds for the zeros of `allocate`.
    fn write(&mut self, table: HostPhysical, index: usize, entry: u64);
}
