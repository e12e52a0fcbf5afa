//! The sandboxed decoder process; started by `photofsck`, of no use by itself.

fn main() {}
