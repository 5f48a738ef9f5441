//! What the operator reads: standard output, and errors that say what to do.

use std::io::Write;

use passlink_engine::{Error, ErrorKind};

/// Standard output. The only place that touches it: commands write to what they are given.
pub fn standard() -> std::io::Stdout {
    std::io::stdout()
}

/// Tells an error with its causes on standard error.
pub fn complain(error: &anyhow::Error) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "passlink: {error:#}");
}

/// An engine's error for the operator, who may know every bad field and every cause.
pub fn told(error: Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::Invalid(fields) => {
            let lines: Vec<String> = fields.iter().map(|field| format!("{} {}", field.field, field.message)).collect();
            anyhow::anyhow!("{}", lines.join("; "))
        }
        ErrorKind::Unavailable | ErrorKind::Internal => anyhow::anyhow!("{}", error.log_line()),
        _ => anyhow::Error::new(error),
    }
}

/// Not an error to tell: the command did what could be done, and told what could not.
#[derive(Debug)]
pub struct Partly;

impl std::fmt::Display for Partly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Some could not be done")
    }
}

impl std::error::Error for Partly {}
