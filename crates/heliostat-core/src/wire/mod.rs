//! Bytes into lists and events.
