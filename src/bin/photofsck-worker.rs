//! The sandboxed decoder process; started by `photofsck`, of no use by itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    photofsck::worker::serve::main()
}
