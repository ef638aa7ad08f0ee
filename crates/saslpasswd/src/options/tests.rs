//! The command line, read without a process.
