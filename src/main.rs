//! The command line: parses, calls the library, maps the summary to an exit status.

fn main() {}
