//! The sandboxed decoder process for everything but films; started by `photofsck`, of no use by itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    photofsck::worker::serve::main()
}
