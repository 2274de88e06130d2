//! What the system says that processes used.
#![allow(dead_code, reason = "each bench uses its own part")]

use crate::ground::Outcome;

/// What a process used so far.
pub(crate) struct Used {
    /// All threads, user and system.
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
}

/// This process.
pub(crate) fn of_this() -> Outcome<Used> {
    of_process(std::process::id())
}

/// What a process and those of its children that have ended used: `/proc/PID/stat` and `status`.
pub(crate) fn of_process(pid: u32) -> Outcome<Used> {
    /// Linux shows these times in hundredths of a second on every machine.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold blanks; what follows does not.
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/PID/stat cannot be read")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |place: usize| -> Outcome<f64> { Ok(fields.get(place).ok_or("/proc/PID/stat is short")?.parse()?) };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |line: &str| -> Outcome<f64> {
        let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
        let kib: Option<f64> = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
        Ok(kib.ok_or_else(|| format!("/proc/PID/status has no {line}"))? / 1024.0)
    };
    Ok(Used {
        cpu_seconds: (ticks(11)? + ticks(12)? + ticks(13)? + ticks(14)?) / TICKS_PER_SECOND,
        resident_mib: mib("VmRSS")?,
        peak_mib: mib("VmHWM")?,
    })
}

/// A process and its living children together; the peak is that of the largest.
pub(crate) fn of_tree(pid: u32) -> Outcome<Used> {
    let mut all = of_process(pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace() {
        // One may end between the two looks.
        if let Ok(of_child) = of_process(child.parse()?) {
            all.cpu_seconds += of_child.cpu_seconds;
            all.peak_mib = all.peak_mib.max(of_child.peak_mib);
        }
    }
    Ok(all)
}
