//! The machine that lists, watches and keeps a store true.
