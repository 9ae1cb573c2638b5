//! One limit for the expensive requests of all reflectors of a process.
