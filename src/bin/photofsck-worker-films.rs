//! The sandboxed decoder process with FFmpeg, for what needs it; started by `photofsck`, of no use by itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    photofsck::media::formats::with_ffmpeg();
    photofsck::worker::serve::main()
}
