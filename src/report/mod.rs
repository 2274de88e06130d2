//! Questions asked of the store: dimensions, measures, and the answer's shape.

mod bucket;
pub mod csv;
mod measures;
mod question;
mod run;

pub use measures::{Measures, OtherCurrency};
pub use question::{Dimension, Format, QuestionError, ReportQuestion, Sort};
pub use run::{Report, Row, run};
