//! CPU time and memory of a process and all its descendants, read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};

/// Often enough to see a peak of a short-lived child, rare enough to cost nothing.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// What a process tree has used so far. Memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all threads, children that were waited for included.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub resident: u64,
    /// The kernel's own high-water mark (`VmHWM`), summed over the processes alive now.
    pub high_water: u64,
}

/// Usage of `root` and its descendants; an error when `root` is gone.
pub fn usage_of_tree(root: u32) -> Result<Usage> {
    let mut usage = Usage::default();
    for pid in tree(root)? {
        let process = match usage_of_process(pid) {
            Ok(process) => process,
            Err(_) if pid != root => continue, // a child that ended while we looked
            Err(error) => return Err(error.context(format!("process {pid} is not running"))),
        };
        usage.cpu_seconds += process.cpu_seconds;
        usage.resident += process.resident;
        usage.high_water += process.high_water;
    }
    Ok(usage)
}

/// Samples the resident memory of a process tree until it is asked for the peak.
pub struct PeakMemory {
    root: u32,
    stop: Sender<()>,
    sampler: JoinHandle<u64>,
}

impl PeakMemory {
    pub fn watch(root: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let sampler = thread::spawn(move || {
            let mut peak = 0;
            while stopped.recv_timeout(SAMPLE_EVERY) == Err(RecvTimeoutError::Timeout) {
                peak = usage_of_tree(root).map_or(peak, |usage| peak.max(usage.resident));
            }
            peak
        });
        Self { root, stop, sampler }
    }

    /// The larger of the sampled sum and the kernel's high-water mark, in bytes.
    pub fn finish(self) -> Result<u64> {
        drop(self.stop);
        let sampled = self.sampler.join().map_err(|_| anyhow!("the memory sampler panicked"))?;
        Ok(sampled.max(usage_of_tree(self.root)?.high_water))
    }
}

fn usage_of_process(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks: u64 = fields_after_name(&stat)
        .skip(11) // utime is field 14 of proc(5), the state (field 3) is the first one here
        .take(4) // utime, stime, cutime, cstime
        .map(|field| field.parse().unwrap_or(0))
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Usage {
        cpu_seconds: as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second()),
        resident: kilobytes(&status, "VmRSS:"),
        high_water: kilobytes(&status, "VmHWM:"),
    })
}

/// `root` and every process below it.
fn tree(root: u32) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = fields_after_name(&stat).nth(1).and_then(|field| field.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// The fields of `/proc/<pid>/stat` from the state on; the name before it may itself hold blanks and brackets.
fn fields_after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace()
}

fn kilobytes(status: &str, key: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.split_ascii_whitespace().next());
    value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[expect(clippy::cast_precision_loss, reason = "ticks and bytes of one run stay far below 2^52")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process;
    use std::time::Instant;

    use super::*;

    #[test]
    fn own_work_shows_as_cpu_time_and_memory() {
        let before = usage_of_tree(process::id()).unwrap();
        let watch = PeakMemory::watch(process::id());
        let ballast = black_box(vec![1_u8; 64 << 20]);
        let begin = Instant::now();
        while usage_of_tree(process::id()).unwrap().cpu_seconds < before.cpu_seconds + 0.05 {
            assert!(begin.elapsed() < Duration::from_secs(30), "no CPU time was accounted");
        }
        drop(ballast);
        assert!(watch.finish().unwrap() >= 64 << 20);
    }

    #[test]
    fn children_belong_to_the_tree() {
        let mut child = process::Command::new("sleep").arg("30").spawn().unwrap();
        let found = tree(process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()));
    }

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        assert_eq!(fields_after_name("12 (a) b) S 34 5").nth(1), Some("34"));
    }
}
