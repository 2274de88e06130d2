//! Questions asked of the store: dimensions, measures, and the answer's shape.

mod bucket;
pub mod csv;
mod dimension;
mod gather;
mod measures;
mod question;
mod run;

pub use dimension::Dimension;
pub use measures::{Measures, OtherCurrency};
pub use question::{Format, QuestionError, ReportQuestion, Sort};
pub use run::{Report, Row, run};
