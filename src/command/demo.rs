//! `linkledger demo`: progress and words around [`crate::demo`].

mod report;

use std::process::ExitCode;

use indicatif::{MultiProgress, ProgressBar};

use super::{Failure, progress, serve};
use crate::app::Roles;
use crate::config::Config;
use crate::demo::{self, Scale, Stage};

/// How a demo is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How much of everything.
    pub scale: Scale,
    /// Beside an earlier demo.
    pub again: bool,
    /// Whether to serve afterwards.
    pub keep_serving: bool,
}

/// Plays a demo, prints its report, and says whether every figure is what it should be.
///
/// # Errors
/// [`Failure`]; exit status 1 also when a figure differs from what was sent.
pub async fn demo(config: &Config, asked: Asked) -> Result<ExitCode, Failure> {
    let mut bars = Bars::new(asked.scale.clicks);
    let demo = demo::run(config, &asked.scale, asked.again, |stage| bars.show(stage)).await?;
    bars.finish();
    print!("{}", report::Page { demo: &demo, config });
    if !demo.holds() {
        return Ok(ExitCode::FAILURE);
    }
    if asked.keep_serving {
        println!();
        return serve(config, Roles::ALL).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// One bar for each thing that is done; they move together, because a day has clicks and orders.
struct Bars {
    all: MultiProgress,
    minting: ProgressBar,
    clicking: ProgressBar,
    ordering: ProgressBar,
    refunding: ProgressBar,
    ending: ProgressBar,
}

impl Bars {
    fn new(clicks: usize) -> Self {
        let all = MultiProgress::new();
        let bar = |length: usize, doing| all.add(progress::clicks(length as u64, doing));
        Self {
            minting: bar(0, "minting"),
            clicking: bar(clicks, "clicking"),
            ordering: bar(0, "ordering"),
            refunding: bar(0, "refunding"),
            ending: bar(2, "committing"),
            all,
        }
    }

    fn show(&mut self, stage: Stage) {
        match stage {
            Stage::Planned {
                pieces,
                events,
                refunds,
            } => {
                self.minting.set_length(pieces as u64);
                self.ordering.set_length(events as u64);
                self.refunding.set_length(refunds as u64);
            }
            Stage::Minted(count) => self.minting.inc(count),
            Stage::Clicked(count) => self.clicking.inc(count),
            Stage::Ordered(count) => self.ordering.inc(count),
            Stage::Refunded(count) => self.refunding.inc(count),
            Stage::Committing => {
                for bar in [&self.minting, &self.clicking, &self.ordering, &self.refunding] {
                    progress::done(bar);
                }
            }
            Stage::Comparing => {
                self.ending.inc(1);
                self.ending.set_message("comparing");
            }
        }
    }

    fn finish(&mut self) {
        self.ending.finish();
        // The report takes the place of the bars; an error is said to nobody who could do anything.
        let _ = self.all.clear();
    }
}
