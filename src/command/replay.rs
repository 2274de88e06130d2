//! `linkledger replay FILE`: what is printed around [`crate::replay`].

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use super::{Failure, progress};
use crate::config::Config;
use crate::replay::{self, Recording, Replayed, Stage};

/// Links shown on a terminal unless told otherwise.
const TOP_ON_A_TERMINAL: usize = 25;

/// Replays a file and prints the report.
///
/// # Errors
/// [`Failure`]; exit status 1 also when a click that was answered is not in the store.
pub async fn replay(config: &Config, file: &Path, concurrency: u16, top: Option<usize>) -> Result<ExitCode, Failure> {
    let recording = Recording::read(file)?;
    let bar = progress::clicks(recording.clicks.len() as u64, "minting");
    let replayed = replay::run(config, &recording, usize::from(concurrency), |stage| match stage {
        Stage::Clicking => bar.set_message("clicking"),
        Stage::Clicked(count) => bar.inc(count),
        Stage::Committing => bar.set_message("committing"),
    })
    .await?;
    bar.finish_and_clear();
    print(&recording, &replayed, top);
    Ok(if replayed.in_store == replayed.answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(recording: &Recording, replayed: &Replayed, top: Option<usize>) {
    println!("{:>10}  lines read", recording.lines);
    for (why, count) in recording.left_out.iter().chain(&replayed.refused) {
        println!("{count:>10}  left out: {why}");
    }
    println!("{:>10}  clicks sent", replayed.sent);
    println!("{:>10}  answered with a redirect", replayed.answered);
    println!("{:>10}  in the store", replayed.in_store);
    println!(
        "{:>10}  of people, {} of unique visitors",
        replayed.human, replayed.visitors
    );
    println!("{:>10}  links clicked\n", replayed.links.len());
    let default = if std::io::stdout().is_terminal() {
        TOP_ON_A_TERMINAL
    } else {
        usize::MAX
    };
    let top = top.unwrap_or(default);
    println!("{:>10}  link", "clicks");
    for (slug, clicks) in replayed.links.iter().take(top) {
        println!("{clicks:>10}  {slug}");
    }
    let rest = replayed.links.len().saturating_sub(top);
    if rest > 0 {
        println!("{:>10}  more links; --top {} shows all", rest, replayed.links.len());
    }
}
