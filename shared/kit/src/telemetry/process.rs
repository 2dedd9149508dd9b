//! Memory and CPU time of the process, from `/proc`; silent where there is none.

use std::fmt::Write as _;
use std::fs::read_to_string;

/// The kernel reports CPU time in hundredths of a second on every Linux architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The two metrics, under the names that every Prometheus client library uses.
pub(super) fn render() -> String {
    let mut text = String::new();
    if let Some(bytes) = read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
        text.push_str("# TYPE process_resident_memory_bytes gauge\n");
        let _ = writeln!(text, "process_resident_memory_bytes {bytes}");
    }
    if let Some(seconds) = read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
        text.push_str("# TYPE process_cpu_seconds_total counter\n");
        let _ = writeln!(text, "process_cpu_seconds_total {seconds}");
    }
    text
}

/// The `VmRSS: 1234 kB` line.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// User and system ticks: fields 14 and 15, counted after the command name, which may hold spaces and brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(resident_bytes("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        let stat = "77 (a ) (b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!((resident_bytes(""), cpu_seconds("")), (None, None));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(render().contains("process_resident_memory_bytes "));
    }
}
