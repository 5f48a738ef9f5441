//! `passlink`: see `passlink --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    passlink_server::commands::main()
}
