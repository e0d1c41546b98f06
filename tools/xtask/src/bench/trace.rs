//! What QEMU traces of the IOMMU (QEMU 10.0, "Tracing", `hw/i386/trace-events`).

/// The events: what the units are told to forget of contexts and of translations.
pub const EVENTS: [&str; 2] = ["vtd_inv_desc_cc*", "vtd_inv_desc_iotlb*"];

/// A trace, a line for each event.
#[derive(Debug, Clone)]
pub struct Trace(pub String);

impl Trace {
    /// How often the IOMMU was told to forget something that it knows of `domain`: all of it, or
    /// all of everybody's.
    pub fn invalidations(&self, domain: u16) -> usize {
        let own = format!("domain {domain:#x}");
        let of_domain = self.count(|line| line.ends_with(&own));
        let global = self.count(|line| line.contains("_global "));
        // QEMU forgets all contexts where one domain's are meant, and traces both.
        let by_proxy = self.count(|line| line.starts_with("vtd_inv_desc_cc_domain "));
        of_domain.saturating_add(global.saturating_sub(by_proxy))
    }

    fn count(&self, is_wanted: impl Fn(&str) -> bool) -> usize {
        self.0.lines().filter(|line| is_wanted(line)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "vtd_inv_desc_cc_global context invalidate globally\n\
        vtd_inv_desc_iotlb_global iotlb invalidate global\n\
        vtd_inv_desc_cc_domain context invalidate domain 0x3\n\
        vtd_inv_desc_cc_global context invalidate globally\n\
        vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x3\n";

    #[test]
    fn what_is_global_concerns_every_domain() {
        let trace = Trace(LINES.to_owned());
        assert_eq!(trace.invalidations(2), 2);
        assert_eq!(trace.invalidations(3), 4);
        let more = "vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x2\n";
        assert_eq!(Trace(LINES.to_owned() + more).invalidations(2), 3);
    }
}
