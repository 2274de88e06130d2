//! What the service makes of user agents: one a line on standard input, and on standard output one
//! line each of class, reason, browser, system, device and the user agent, with tabs between.
//! `src/agents/data/SOURCES.md` says how to measure the classes with it.

use std::io::{BufRead as _, BufWriter, Write as _};

fn main() -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        let agent = linkledger::agents::read(&text);
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{text}",
            agent.class.name(),
            agent.reason,
            agent.browser,
            agent.os,
            agent.device.name()
        )?;
    }
    out.flush()
}
