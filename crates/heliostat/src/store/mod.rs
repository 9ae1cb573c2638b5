//! The stores, ready to be shared between threads.
